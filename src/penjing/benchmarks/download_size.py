"""What an app downloads for one model: the model file, the tokenizer's files and the engine's library of each ABI.

Each raw and as an APK or zip holds it: deflate at level 9. MB are 1e6 bytes. Left out: zip headers, the Java side of an
engine, the patches and stronger compression of an app store, and libraries that are no ELF files (Windows, macOS).
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..runtime.bundle import Bundle, open_bundle
from ..runtime.errors import TargetError
from ..runtime.tokenizer import TOKENIZER_FILES
from .elf_pages import BrokenElfError, is_library, read_elf
from .latency import describe
from .plan import Subject

LIBRARIES = {
    "onnx": ("libonnxruntime.so", "libonnxruntime4j_jni.so"),
    "tflite": ("libLiteRt.so", "liblitert_jni.so", "libtensorflowlite_jni.so"),
}
"""What an app needs of each engine, as the libraries are named in wheels and in Android's archives; a version may
follow. Not the wheels' own Python modules."""

PACKAGES = {"onnx": "onnxruntime", "tflite": "ai_edge_litert"}
ANDROID_ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64", "x86", "riscv64")
_BLOCK = 1 << 20

Size = tuple[float, float]
"""MB raw, and compressed."""


@dataclass(frozen=True)
class DownloadSize:
    """One subject, in MB: `x` raw and `x_compressed`. The tokenizer's are 0 for a bundle without one.

    `engine` holds (raw, compressed) by ABI: `arm64-v8a` and its kin of a folder that Android's archives are made of,
    `linux-aarch64` and its kin of a wheel. It is empty where no library was found.
    """

    subject: str
    model: float
    model_compressed: float
    tokenizer: float
    tokenizer_compressed: float
    engine: Mapping[str, Size]

    def total(self, abi: str) -> Size:
        """All that a device of this ABI downloads, (raw, compressed); raises KeyError for one that `engine` lacks."""
        raw, compressed = self.engine[abi]
        return self.model + self.tokenizer + raw, self.model_compressed + self.tokenizer_compressed + compressed


def measure_downloads(subjects: Sequence[Subject], folders: Sequence[Path] = ()) -> tuple[DownloadSize, ...]:
    """Every subject with its engine as installed here and as in the `folders` (of an unpacked AAR, or any other).

    Takes seconds for each library. Raises BundleError for a subject that cannot be opened, TargetError when a folder
    does not exist or holds no engine's library.
    """
    for folder in folders:
        _check_folder(folder)
    return tuple(_measure(subject, folders) for subject in subjects)


def engine_libraries(engine: str, folder: Path) -> dict[str, tuple[Path, ...]]:
    """The libraries of `engine` ("onnx", "tflite") in the folder and below, by ABI.

    A folder named as one of ANDROID_ABIS says the ABI of what it holds; elsewhere the library does. What is no library
    inside is passed over.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("lib*.so*")):
        known = is_library(path.name) and f"{path.name.partition('.so')[0]}.so" in LIBRARIES[engine]
        # Links to the same library under another version's name would count it twice.
        if known and path.is_file() and not path.is_symlink() and (abi := _abi(path)):
            found.setdefault(abi, []).append(path)
    return {abi: tuple(paths) for abi, paths in found.items()}


def installed_engine(engine: str) -> Path | None:
    """The folder of the engine's Python package, found without importing it; None when it is not installed."""
    spec = importlib.util.find_spec(PACKAGES[engine])
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def compressed_size(path: Path) -> Size:
    """(raw, compressed) MB of a file. Raises OSError when it cannot be read."""
    stat = path.stat()
    return stat.st_size / 1e6, _deflated(str(path.resolve()), stat.st_size, stat.st_mtime_ns) / 1e6


def _measure(subject: Subject, folders: Sequence[Path]) -> DownloadSize:
    facts, bundle = describe(subject), open_bundle(subject.folder)
    model = compressed_size(bundle.folder / facts.file)
    tokenizer = _sum(_tokenizer_files(bundle))
    here = installed_engine(facts.engine)
    engine = {
        abi: _sum(paths)
        for folder in ((here,) if here else ()) + tuple(folders)
        for abi, paths in engine_libraries(facts.engine, folder).items()
    }
    return DownloadSize(facts.label, *model, *tokenizer, engine)


def _tokenizer_files(bundle: Bundle) -> list[Path]:
    return [bundle.folder / name for name in TOKENIZER_FILES if name in bundle.manifest.files]


def _sum(paths: Sequence[Path]) -> Size:
    sizes = [compressed_size(path) for path in paths]
    return sum(size[0] for size in sizes), sum(size[1] for size in sizes)


def _abi(path: Path) -> str | None:
    if path.parent.name in ANDROID_ABIS:
        return path.parent.name
    try:
        with path.open("rb") as stream:
            return f"linux-{read_elf(stream).machine}"
    except (BrokenElfError, OSError):
        return None


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise TargetError(f"{folder} is not a folder: name one that holds an engine's libraries, such as an AAR's jni/")
    if not any(engine_libraries(engine, folder) for engine in LIBRARIES):
        names = ", ".join(name for names in LIBRARIES.values() for name in names)
        raise TargetError(f"{folder} holds no engine's library ({names}): unpack an AAR or a wheel there first")


@lru_cache(maxsize=64)
def _deflated(path: str, size: int, changed: int) -> int:
    """Bytes of the file in a zip. `size` and `changed` make the answer one about this content: four bundles share an
    engine, and a large library takes seconds."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    total = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            total += len(deflate.compress(block))
    return total + len(deflate.flush())
