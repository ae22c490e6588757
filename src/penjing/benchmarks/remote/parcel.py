"""What has to lie on the board: the bundles' files and our own code; what is missing there is copied.

Every folder there is named by a hash of its content, so one that is whole is never copied again. A bundle goes without
the model files that are not measured, and its manifest does not list them. Left out: packages (`board_python.py`).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from ...runtime.bundle import open_bundle
from ...runtime.manifest import MANIFEST_NAME, MODEL_FORMATS, write_manifest
from ..latency import describe
from ..plan import Subject
from .connection import Connection
from .look import Board
from .porter import ask_porter, disk_full

PACKAGE = Path(__file__).parents[2]
CODE = ("runtime", "benchmarks")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ParcelFile:
    """One file: its path there, below the parcel's folder, and its content, in a file or as it is."""

    path: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """In bytes."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)

    @property
    def sha256(self) -> str:
        """The hash of the content."""
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest()

    def blocks(self) -> Iterator[bytes]:
        """The content."""
        if not isinstance(self.content, Path):
            yield self.content
            return
        with self.content.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block


def code_parcel(package: Path = PACKAGE) -> list[ParcelFile]:
    """The Python files of Penjing that `far_side.py` needs, as a package."""
    paths = [package / "__init__.py", *(path for name in CODE for path in sorted((package / name).rglob("*.py")))]
    return [ParcelFile(f"penjing/{path.relative_to(package).as_posix()}", path.read_bytes()) for path in paths]


def bundle_parcel(folder: Path, models: Sequence[str]) -> list[ParcelFile]:
    """The files of a bundle with these of its model files. Raises BundleError as `open_bundle` and `verified` do."""
    bundle = open_bundle(folder)
    files = {n: f for n, f in bundle.manifest.files.items() if f.format not in MODEL_FORMATS or n in models}
    with tempfile.TemporaryDirectory() as small:
        write_manifest(replace(bundle.manifest, files=files), Path(small))
        manifest = (Path(small) / MANIFEST_NAME).read_bytes()
    return [ParcelFile(MANIFEST_NAME, manifest), *(ParcelFile(name, bundle.verified(name)) for name in files)]


def send_code(connection: Connection, board: Board, python: str) -> str:
    """Our code as a folder there, which belongs in PYTHONPATH."""
    return send(connection, board, python, "code", code_parcel())


def send_bundles(connection: Connection, board: Board, python: str, subjects: Sequence[Subject]) -> list[Subject]:
    """The subjects with the folders that they have there. A bundle of several subjects is sent once."""
    models: dict[Path, list[str]] = {}
    for subject in subjects:
        models.setdefault(subject.folder, []).append(describe(subject).file)
    folders = {
        folder: send(connection, board, python, "bundles", bundle_parcel(folder, names))
        for folder, names in models.items()
    }
    return [replace(subject, folder=Path(folders[subject.folder])) for subject in subjects]


def send(connection: Connection, board: Board, python: str, kind: str, parcel: Sequence[ParcelFile]) -> str:
    """The folder there that holds the parcel. Raises TargetError when there is no room, ConnectionLostError, or as
    `ask_porter` does."""
    hashes = [file.sha256 for file in parcel]
    content = repr([(file.path, sha256) for file, sha256 in zip(parcel, hashes, strict=True)])
    folder = f"{board.work}/{kind}/{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    entries = [[f"{folder}/{file.path}", file.size, sha256] for file, sha256 in zip(parcel, hashes, strict=True)]
    lacks = set(ask_porter(connection, python, {"do": "missing", "files": entries}))
    wanted = [(file, entry) for file, entry in zip(parcel, entries, strict=True) if entry[0] in lacks]
    megabytes = sum(file.size for file, _ in wanted) / 1e6
    if board.free_mb is not None and megabytes > board.free_mb:
        raise disk_full(connection.address.host, f" ({megabytes:.1f} MB to copy, {board.free_mb:.1f} MB free)")
    if wanted:
        chunks = _with_progress([file for file, _ in wanted], connection.address.host)
        ask_porter(connection, python, {"do": "receive", "files": [entry for _, entry in wanted]}, chunks)
    return folder


def _with_progress(files: Sequence[ParcelFile], host: str) -> Iterator[bytes]:
    total = sum(file.size for file in files)
    with tqdm(total=total, desc=f"copying to {host}", unit="B", unit_scale=True, disable=None, leave=False) as bar:
        for file in files:
            for block in file.blocks():
                yield block
                bar.update(len(block))
