"""Each core's board: what it says of the core is what the emulator does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from penjing.benchmarks.arm64.boards import BOARDS, CORES, Board, board_root, find_board
from penjing.benchmarks.arm64.emulator import PYTHON, Emulator
from penjing.runtime.errors import TargetError

HWCAP = """
fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4
asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg
"""
HWCAP2 = (
    "dcpodp sve2 sveaes svepmull svebitperm svesha3 svesm4 flagm2 frint svei8mm svef32mm svef64mm svebf16 i8mm bf16"
)
"""Linux's names, by bit."""
KERNELS = {"asimd", "asimdhp", "fphp", "asimddp", "i8mm", "bf16", "sve"}
"""What engines choose kernels by."""
ASK = "import ctypes as c; f = c.CDLL(None).getauxval; f.restype = c.c_ulong; print(f(16), f(26))"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Stands for a userland."""
    for name in ("usr/bin", "opt", "lib"):
        (tmp_path / "userland" / name).mkdir(parents=True)
    return tmp_path / "userland"


@pytest.mark.parametrize("core", ["pentium", "", "max", "cortex-a72 ", "Cortex-A72"])
def test_an_unknown_core_is_told_which_there_are(core: str) -> None:
    with pytest.raises(TargetError) as error:
        find_board(core)
    assert all(name in str(error.value) for name in ("cortex-a53", "cortex-a76", "armv8-dotprod", "armv8-i8mm"))


def test_a_root_links_to_the_userland_beside_the_boards_own_files(tree: Path) -> None:
    root = board_root(find_board("cortex-a72"), tree)
    assert (root / "usr").resolve() == tree / "usr"
    text = (root / "proc/cpuinfo").read_text()
    assert text.count("processor\t:") == CORES
    assert "CPU part\t: 0xd08" in text
    assert "asimddp" not in text
    assert (root / "sys/devices/system/cpu/cpu0/cache/index0/size").read_text() == "32K\n"
    assert (root / "sys/devices/system/cpu/present").read_text() == "0-3\n"


def test_a_root_is_made_once_and_again_when_something_changed(tree: Path) -> None:
    board = find_board("cortex-a76")
    root = board_root(board, tree)
    made = (root / "proc/cpuinfo").stat().st_ino
    assert (board_root(board, tree) / "proc/cpuinfo").stat().st_ino == made
    (tree / "bin").mkdir()
    assert (board_root(board, tree) / "bin").is_dir()
    assert "Features\t: fp\n" in (board_root(replace(board, features="fp"), tree) / "proc/cpuinfo").read_text()
    (root / ".board.json").write_text("{")
    assert "asimddp" in (board_root(board, tree) / "proc/cpuinfo").read_text()
    assert json.loads((root / ".board.json").read_text())["core"] == "cortex-a76"
    assert [path.name for path in root.parent.iterdir()] == ["cortex-a76"]


def test_each_core_has_its_own_root(tree: Path, tmp_path: Path) -> None:
    roots = {board_root(board, tree, tmp_path / "boards") for board in BOARDS.values()}
    assert len(roots) == len(BOARDS) == len({(root / "proc/cpuinfo").read_text() for root in roots})


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_file_claims_what_the_emulated_core_has(board: Board, userland: Path, tmp_path: Path) -> None:
    there = Emulator(board_root(board, userland, tmp_path), board.qemu_cpu)
    caps = [int(word) for word in there.run([PYTHON, "-c", ASK]).split()]
    names = zip((HWCAP, HWCAP2), caps, strict=True)
    has = {name for order, bits in names for i, name in enumerate(order.split()) if bits >> i & 1}
    claims = set(board.features.split())
    assert claims & KERNELS == has & KERNELS
    assert claims - has <= {"evtstrm"}, "counters of the kernel's, which no kernel of an engine asks for"
