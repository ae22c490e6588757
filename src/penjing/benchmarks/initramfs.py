"""A root file system that a Linux kernel unpacks into memory at its start: a cpio archive in the form `newc`.

The form is the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Everything in it is root's and is
as old as the epoch, so equal contents give equal bytes. Left out: compression, devices, hard links.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

TRAILER = "TRAILER!!!"
LARGEST = 0xFFFFFFFF
"""Bytes of a file: its size has eight hexadecimal digits."""


def write_initramfs(path: Path, files: Mapping[str, Path | bytes | str]) -> None:
    """Writes the archive: place -> a file here (its execute bit counts), content of a program, or a link's target.

    Folders that the places are in are made. Raises ValueError for a place that is not below the root.
    """
    folders = dict.fromkeys(parent for place in files for parent in reversed(_parents(place)))
    with path.open("wb") as archive:
        for number, folder in enumerate(folders, 1):
            archive.write(_entry(number, folder, stat.S_IFDIR | 0o755, b""))
        for number, (place, content) in enumerate(files.items(), len(folders) + 1):
            archive.write(_entry(number, place, *_mode_and_bytes(content)))
        archive.write(_entry(0, TRAILER, 0, b""))


def _parents(place: str) -> list[str]:
    """The folders above a place, the nearest first."""
    if place.startswith("/") or os.path.normpath(place) != place or place.startswith("."):
        raise ValueError(f"{place!r} is no place below the root, such as lib/libc.so.6")
    return [parent.as_posix() for parent in Path(place).parents][:-1]


def _mode_and_bytes(content: Path | bytes | str) -> tuple[int, bytes]:
    if isinstance(content, str):
        return stat.S_IFLNK | 0o777, content.encode()
    if isinstance(content, bytes):
        return stat.S_IFREG | 0o755, content
    runs = content.stat().st_mode & stat.S_IXUSR
    return stat.S_IFREG | (0o755 if runs else 0o644), content.read_bytes()


def _entry(number: int, place: str, mode: int, content: bytes) -> bytes:
    if len(content) > LARGEST:
        raise ValueError(f"{place} has {len(content)} bytes: at most {LARGEST}")
    name = place.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(head + name) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
