"""The archive that a kernel unpacks, read by a reader of its own; that a kernel does is seen when a machine boots."""

from __future__ import annotations

from pathlib import Path

import pytest

from penjing.benchmarks.initramfs import write_initramfs

Entry = tuple[int, bytes]


def read_newc(data: bytes) -> dict[str, Entry]:
    """Name -> mode and content, in the archive's order."""
    found, at = dict[str, Entry](), 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, length = fields[1], fields[6], fields[11]
        name = data[at + 110 : at + 109 + length].decode()
        start = (at + 110 + length + 3) & ~3
        found[name] = mode, data[start : start + size]
        at = (start + size + 3) & ~3
        if name == "TRAILER!!!":
            assert at == len(data)
            return found


def test_folders_come_before_what_is_in_them_and_modes_are_kept(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"\x7fELF")
    (tmp_path / "tool").chmod(0o755)
    (tmp_path / "data").write_bytes(b"12345")
    (tmp_path / "data").chmod(0o600)
    files = {"init": b"#!", "a/b/tool": tmp_path / "tool", "a/data": tmp_path / "data", "a/link": "b/tool"}
    write_initramfs(tmp_path / "disk", files)
    assert read_newc((tmp_path / "disk").read_bytes()) == {
        "a": (0o040755, b""), "a/b": (0o040755, b""), "init": (0o100755, b"#!"), "a/b/tool": (0o100755, b"\x7fELF"),
        "a/data": (0o100644, b"12345"), "a/link": (0o120777, b"b/tool"), "TRAILER!!!": (0, b""),
    }  # fmt: skip


def test_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_initramfs(tmp_path / name, {"init": b"#!"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("place", ["/etc/passwd", "../x", "a/../b", "a//b", "."])
def test_a_place_outside_the_root_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValueError, match="no place below the root"):
        write_initramfs(tmp_path / "disk", {place: b""})
