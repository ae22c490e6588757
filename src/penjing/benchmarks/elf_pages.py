"""Whether native libraries load on devices with pages of 16 KB: the alignment of their segments, and of their place in
an APK.

Reads ELF files of both word sizes and byte orders, in a folder or inside a zip, with nothing but `struct`. Left out:
RELRO padding and code that assumes pages of 4 KB, which no header tells.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from ..runtime.errors import TargetError

PAGE_16K = 16384
MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv"}
ZIP_SUFFIXES = (".apk", ".aar", ".aab", ".zip", ".jar", ".whl")
_LOAD = 1
_SEGMENT_BYTES = {1: 32, 2: 56}
"""Size of a program header by ELF class: 32 and 64 bit."""

_LOCAL_HEADER = 30
"""Bytes of a zip entry's own header, before its name and extra field."""


class BrokenElfError(ValueError):
    """The file is no ELF file, or breaks off; the message says which, without the file's name."""


@dataclass(frozen=True)
class PageAlignment:
    """One library. `smallest_alignment` is that of its loaded segments, in bytes; None for a file that is broken.

    `ok_16k` says that every segment, and the library's place in a zip that stores it uncompressed (`zip_offset`, in
    bytes), is aligned to 16 KB. It matters for 64-bit libraries: devices with such pages run no others. `problem` says
    what is wrong with a file that cannot be read, which is never ok.
    """

    file: str
    smallest_alignment: int | None
    ok_16k: bool
    machine: str = ""
    bits: int | None = None
    zip_offset: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class ElfHead:
    """What an ELF file says of itself: its machine (as in MACHINES), word size, and its loaded segments' alignments."""

    machine: str
    bits: int
    alignments: tuple[int, ...]


def page_alignments(path: Path) -> tuple[PageAlignment, ...]:
    """Of a library, of all `*.so*` in a folder and below, or of all in a zip (.apk, .aar, ...), sorted by name.

    Raises TargetError when `path` does not exist or is no zip although its name says so.
    """
    if path.suffix.lower() in ZIP_SUFFIXES and path.is_file():
        return _in_zip(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.so*") if is_library(file.name) and file.is_file())
        return tuple(_of_file(file, file.relative_to(path).as_posix()) for file in files if not file.is_symlink())
    if path.is_file():
        return (_of_file(path, path.name),)
    raise TargetError(f"{path} does not exist: name a library, a folder of libraries, or an .apk or .aar")


def is_library(name: str) -> bool:
    """Whether a file is named as a library: `x.so`, or `x.so.` and a version of digits."""
    stem, dot, version = name.partition(".so")
    return bool(stem and dot) and (not version or version.removeprefix(".").replace(".", "").isdigit())


def read_elf(stream: IO[bytes]) -> ElfHead:
    """Reads the headers of an ELF file. Raises BrokenElfError when it is none, or breaks off."""
    start = stream.read(64)
    if start[:4] != b"\x7fELF":
        raise BrokenElfError("no ELF file")
    if len(start) < 52 or start[4] not in _SEGMENT_BYTES or start[5] not in (1, 2):
        raise BrokenElfError("its ELF header is broken")
    wide, order = start[4] == 2, "<" if start[5] == 1 else ">"
    if wide and len(start) < 64:
        raise BrokenElfError("its ELF header is broken")
    (machine,) = struct.unpack_from(f"{order}H", start, 18)
    (place,) = struct.unpack_from(f"{order}Q" if wide else f"{order}I", start, 32 if wide else 28)
    size, count = struct.unpack_from(f"{order}HH", start, 54 if wide else 42)
    if not count or size != _SEGMENT_BYTES[start[4]] or place >= 1 << 40:
        raise BrokenElfError("it has no program headers" if not count else "its ELF header is broken")
    stream.seek(place)
    table = stream.read(size * count)
    if len(table) < size * count:
        raise BrokenElfError("it breaks off before its program headers")
    return ElfHead(MACHINES.get(machine, f"machine {machine}"), 64 if wide else 32, _alignments(table, order, wide))


def _alignments(table: bytes, order: str, wide: bool) -> tuple[int, ...]:
    """p_align of each PT_LOAD; 0 and 1 both say that any place will do."""
    size, at = (56, f"{order}Q") if wide else (32, f"{order}I")
    found = []
    for start in range(0, len(table), size):
        (kind,) = struct.unpack_from(f"{order}I", table, start)
        if kind == _LOAD:
            (alignment,) = struct.unpack_from(at, table, start + (48 if wide else 28))
            found.append(max(1, int(alignment)))
    if not found:
        raise BrokenElfError("it has no segment to load")
    return tuple(found)


def _judge(name: str, stream: IO[bytes]) -> PageAlignment:
    try:
        head = read_elf(stream)
    except BrokenElfError as error:
        return PageAlignment(name, None, False, problem=str(error))
    smallest = min(head.alignments)
    aligned = all(alignment % PAGE_16K == 0 for alignment in head.alignments)
    return PageAlignment(name, smallest, aligned, head.machine, head.bits)


def _of_file(path: Path, name: str) -> PageAlignment:
    try:
        with path.open("rb") as stream:
            return _judge(name, stream)
    except OSError as error:
        return PageAlignment(name, None, False, problem=f"it cannot be read ({error.strerror})")


def _in_zip(path: Path) -> tuple[PageAlignment, ...]:
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as raw:
            return tuple(_entries(archive, raw))
    except (zipfile.BadZipFile, OSError) as error:
        raise TargetError(f"{path} cannot be read as a zip ({error}): build or download it again") from None


def _entries(archive: zipfile.ZipFile, raw: IO[bytes]) -> Iterator[PageAlignment]:
    for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
        if entry.is_dir() or not is_library(entry.filename.rpartition("/")[2]):
            continue
        try:
            with archive.open(entry) as stream:
                found = _judge(entry.filename, stream)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:  # the last one: encrypted
            problem = f"it cannot be unpacked ({error})"
            found = PageAlignment(entry.filename, None, False, problem=problem)
        if entry.compress_type == zipfile.ZIP_STORED and not found.problem:
            offset = _data_offset(entry, raw)
            found = replace(found, zip_offset=offset, ok_16k=found.ok_16k and offset % PAGE_16K == 0)
        yield found


def _data_offset(entry: zipfile.ZipInfo, raw: IO[bytes]) -> int:
    """Where the content begins: after the entry's own header, whose extra field may differ from the directory's."""
    raw.seek(entry.header_offset)
    name, extra = struct.unpack_from("<HH", raw.read(_LOCAL_HEADER), 26)
    return int(entry.header_offset + _LOCAL_HEADER + name + extra)
