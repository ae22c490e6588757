"""A bundle on disk: what its manifest lists is there, stays inside its folder, and has the hash it should have.

Left out: the manifest's content (`manifest.py`) and making bundles (`penjing.export.bundle`).
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from pathlib import Path

from .errors import BundleError
from .manifest import MANIFEST_NAME, MODEL_FORMATS, Manifest, read_manifest

PRECISIONS = ("int8", "fp32")
"""In the order they are preferred; others come after."""


@dataclass(frozen=True)
class Bundle:
    """An opened bundle; made by `open_bundle`."""

    folder: Path
    manifest: Manifest
    _checked: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    @property
    def model_files(self) -> tuple[str, ...]:
        """Names of the model files, the preferred one first: ONNX before TFLite, then int8 before fp32."""
        names = [name for name, file in self.manifest.files.items() if file.format in MODEL_FORMATS]
        return tuple(sorted(names, key=self._preference))

    def verified(self, name: str) -> Path:
        """The path of a listed file whose hash is right; the hash is taken once for each Bundle object.

        Raises BundleError when the manifest does not list it or its content differs.
        """
        entry = self.manifest.files.get(name)
        if entry is None:
            raise BundleError(f"{self.folder} has no file {name!r}: it holds {', '.join(sorted(self.manifest.files))}")
        path = self.folder / name
        if name not in self._checked:
            if sha256_of(path) != entry.sha256:
                raise BundleError(
                    f"{path} is not the file that the manifest describes (its hash differs): copy the bundle again"
                )
            self._checked.add(name)
        return path

    def _preference(self, name: str) -> tuple[int, int, str]:
        file = self.manifest.files[name]
        rank = PRECISIONS.index(file.precision) if file.precision in PRECISIONS else len(PRECISIONS)
        return MODEL_FORMATS.index(file.format), rank, name


def open_bundle(path: Path | str) -> Bundle:
    """Reads the manifest and checks that every listed file is there in full, reached through no link.

    Contents are checked file by file, when `Bundle.verified` hands them out. Raises BundleError.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder: name the bundle's folder that `penjing run` wrote")
    if (folder / MANIFEST_NAME).is_symlink():
        raise BundleError(
            f"{folder / MANIFEST_NAME} is a link, which may lead outside the bundle: do not use this bundle"
        )
    manifest = read_manifest(folder)
    for name, entry in manifest.files.items():
        _check_file(folder, name, entry.bytes)
    return Bundle(folder, manifest)


def choose_file(bundle: Bundle, engine: str | None, precision: str | None) -> str:
    """The preferred model file of those that fit `engine` ("onnx", "tflite") and `precision`; None fits all.

    Raises BundleError that lists what there is.
    """
    for name in bundle.model_files:
        file = bundle.manifest.files[name]
        if engine in (None, file.format) and precision in (None, file.precision):
            return name
    files = [(name, bundle.manifest.files[name]) for name in bundle.model_files]
    there = ", ".join(f"{name} ({file.format}, {file.precision})" for name, file in files) or "none"
    wanted = " and ".join(f"{k} {v!r}" for k, v in (("engine", engine), ("precision", precision)) if v is not None)
    raise BundleError(f"{bundle.folder} has no model file for {wanted or 'any engine'}: choose of these: {there}")


def sha256_of(path: Path) -> str:
    """The hash of a file's content, in hexadecimal. Raises BundleError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}): copy the bundle again") from None
    return digest.hexdigest()


def _check_file(folder: Path, name: str, size: int) -> None:
    """`name` has been checked to stay inside the folder by its letters; here, that no link leads it out."""
    parts = Path(name).parts
    if any(folder.joinpath(*parts[: i + 1]).is_symlink() for i in range(len(parts))):
        raise BundleError(f"{folder / name} is a link, which may lead outside the bundle: do not use this bundle")
    try:
        found = (folder / name).stat()
    except (OSError, ValueError):
        raise BundleError(f"{folder} lacks the file {name!r} that its manifest lists: copy the bundle again") from None
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"{folder / name} is no plain file: copy the bundle again")
    if found.st_size != size:
        raise BundleError(f"{folder / name} has {found.st_size} bytes, its manifest says {size}: copy the bundle again")
