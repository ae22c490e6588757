"""Page alignment of libraries: against readelf on real ones, and on headers made by hand for the rest."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from penjing.benchmarks.elf_pages import PAGE_16K, PageAlignment, is_library, page_alignments
from penjing.runtime.errors import TargetError


def elf(*alignments: int, bits: int = 64, order: str = "<", machine: int = 183) -> bytes:
    """The headers of a library with one PT_LOAD for each alignment, and a PT_NOTE with an alignment of 4."""
    kinds = [(1, alignment) for alignment in alignments] + [(4, 4)]
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    if bits == 64:
        head = struct.pack(f"{order}HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, len(kinds), 64, 0, 0)
        table = [struct.pack(f"{order}IIQQQQQQ", kind, 5, 0, 0, 0, 0, 0, alignment) for kind, alignment in kinds]
    else:
        head = struct.pack(f"{order}HHIIIIIHHHHHH", 3, machine, 1, 0, 52, 0, 0, 52, 32, len(kinds), 40, 0, 0)
        table = [struct.pack(f"{order}IIIIIIII", kind, 0, 0, 0, 0, 0, 5, alignment) for kind, alignment in kinds]
    return ident + head + b"".join(table)


def only(path: Path) -> PageAlignment:
    (found,) = page_alignments(path)
    return found


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_word_sizes_and_byte_orders_are_read(bits: int, order: str, tmp_path: Path) -> None:
    found = only(write(tmp_path / "x.so", elf(65536, PAGE_16K, bits=bits, order=order)))
    assert found == PageAlignment("x.so", PAGE_16K, True, "aarch64", bits)


def test_one_segment_at_4_kb_spoils_a_library(tmp_path: Path) -> None:
    found = only(write(tmp_path / "x.so", elf(PAGE_16K, 4096, machine=62)))
    assert (found.smallest_alignment, found.ok_16k, found.machine, found.problem) == (4096, False, "x86_64", "")


def test_a_segment_that_asks_for_no_alignment_is_not_aligned(tmp_path: Path) -> None:
    assert only(write(tmp_path / "x.so", elf(0, PAGE_16K))).smallest_alignment == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no ELF file"),
        (b"MZ" + bytes(100), "no ELF file"),
        (elf(4096)[:20], "its ELF header is broken"),
        (elf(4096)[:4] + b"\x07" + elf(4096)[5:], "its ELF header is broken"),
        (elf(4096)[:32] + b"\xff" * 8 + elf(4096)[40:], "its ELF header is broken"),
        (elf(4096)[:54] + b"\x01\x00" + elf(4096)[56:], "its ELF header is broken"),
        (elf(4096)[:56] + bytes(2) + elf(4096)[58:], "it has no program headers"),
        (elf(4096)[:-1], "it breaks off before its program headers"),
        (elf(), "it has no segment to load"),
    ],
)
def test_a_broken_file_is_told_and_never_ok(content: bytes, problem: str, tmp_path: Path) -> None:
    assert only(write(tmp_path / "x.so", content)) == PageAlignment("x.so", None, False, problem=problem)


def test_every_cut_of_a_real_header_is_answered(tmp_path: Path) -> None:
    whole = elf(PAGE_16K, PAGE_16K)
    for length in range(len(whole)):
        assert not only(write(tmp_path / "x.so", whole[:length])).ok_16k


def test_an_apk_s_libraries_must_also_lie_at_16_kb(tmp_path: Path) -> None:
    library, apk = elf(PAGE_16K), tmp_path / "app.apk"
    with zipfile.ZipFile(apk, "w") as archive:
        for name in ("lib/arm64-v8a/liba.so", "lib/arm64-v8a/libb.so"):
            entry = zipfile.ZipInfo(name)
            if name.endswith("a.so"):  # what zipalign does: an extra field of the right length
                room = PAGE_16K - archive.fp.tell() - 30 - len(name)  # type: ignore[union-attr]
                entry.extra = struct.pack("<HH", 0xD935, room - 4) + bytes(room - 4)
            archive.writestr(entry, library)
        archive.writestr("lib/arm64-v8a/libc.so", library, zipfile.ZIP_DEFLATED)
        archive.writestr("assets/notes.txt", "no library")
        archive.writestr("lib/arm64-v8a/libd.so", "broken")
    a, b, c, d = page_alignments(apk)
    assert (a.file, a.ok_16k, a.zip_offset) == ("lib/arm64-v8a/liba.so", True, PAGE_16K)
    assert (b.ok_16k, b.smallest_alignment) == (False, PAGE_16K)
    assert b.zip_offset == apk.read_bytes().find(library, PAGE_16K + 1)
    assert (c.ok_16k, c.zip_offset) == (True, None)  # it is unpacked to a file of its own
    assert (d.problem, d.ok_16k, d.zip_offset) == ("no ELF file", False, None)


def test_a_spoilt_entry_is_told_beside_the_others(tmp_path: Path) -> None:
    apk = tmp_path / "app.apk"
    with zipfile.ZipFile(apk, "w") as archive:
        archive.writestr("lib/x86_64/liba.so", elf(PAGE_16K))
        archive.writestr("lib/x86_64/libb.so", elf(PAGE_16K))
    content = apk.read_bytes()
    apk.write_bytes(content.replace(b"\x7fELF", b"\x7fEEE", 1))  # the checksum differs now
    a, b = page_alignments(apk)
    assert a.problem
    assert not a.ok_16k
    assert b.smallest_alignment == PAGE_16K


def test_a_folder_is_searched_and_a_link_counts_once(tmp_path: Path) -> None:
    (tmp_path / "jni" / "arm64-v8a").mkdir(parents=True)
    write(tmp_path / "jni" / "arm64-v8a" / "libx.so.1.2", elf(PAGE_16K))
    write(tmp_path / "notes.sorted", b"no library")
    if sys.platform != "win32":
        (tmp_path / "libx.so").symlink_to(tmp_path / "jni" / "arm64-v8a" / "libx.so.1.2")
    assert [found.file for found in page_alignments(tmp_path)] == ["jni/arm64-v8a/libx.so.1.2"]


def test_a_missing_path_and_a_false_zip_are_told_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"nowhere.so does not exist: name a library"):
        page_alignments(tmp_path / "nowhere.so")
    with pytest.raises(TargetError, match=r"app.apk cannot be read as a zip"):
        page_alignments(write(tmp_path / "app.apk", b"no zip"))


@pytest.mark.parametrize(
    ("name", "is_one"), [("a.so", True), ("a.so.1.31.1", True), ("a.source", False), (".so", False), ("a.so.gz", False)]
)
def test_a_library_is_known_by_its_name(name: str, is_one: bool) -> None:
    assert is_library(name) == is_one


def readelf(path: Path) -> int:
    """The smallest alignment of a PT_LOAD, by binutils."""
    done = subprocess.run(["readelf", "-lW", str(path)], capture_output=True, text=True, check=True)
    return min(int(line.split()[-1], 16) for line in done.stdout.splitlines() if line.split()[:1] == ["LOAD"])


@pytest.mark.skipif(not shutil.which("readelf"), reason="readelf is not installed (apt-get install binutils)")
def test_real_libraries_agree_with_readelf() -> None:
    import numpy
    import onnxruntime

    compared = 0
    for package in (numpy, onnxruntime):
        folder = Path(str(package.__file__)).parent
        for found in page_alignments(folder):
            assert found.smallest_alignment == readelf(folder / found.file), found
            compared += 1
    assert compared or not sys.platform.startswith("linux")


COMPILERS = [name for name in ("gcc", "aarch64-linux-gnu-gcc", "arm-linux-gnueabihf-gcc") if shutil.which(name)]


@pytest.mark.skipif(
    not COMPILERS or not shutil.which("readelf"), reason="no gcc and readelf here (apt-get install gcc)"
)
@pytest.mark.parametrize("page", [4096, PAGE_16K, 65536])
def test_what_the_linker_was_told_is_what_is_read(page: int, tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("int answer(void) { return 42; }\n", encoding="utf-8")
    for compiler in COMPILERS:
        library = tmp_path / f"{compiler}.so"
        options = ["-shared", "-fPIC", "-nostdlib", f"-Wl,-z,max-page-size={page}", "-o", str(library)]
        subprocess.run([compiler, *options, str(tmp_path / "x.c")], check=True, capture_output=True)
        found = only(library)
        assert found.smallest_alignment == readelf(library) == page
        assert found.ok_16k == (page >= PAGE_16K)
