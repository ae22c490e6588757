"""Programs on an emulated core: how they end, and the plugin's counts of programs whose instructions are known."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from penjing.benchmarks.arm64.blocks import kernel_use
from penjing.benchmarks.arm64.boards import Board, find_board
from penjing.benchmarks.arm64.build import PLUGIN, build_library
from penjing.benchmarks.arm64.emulator import Emulator, ending
from penjing.benchmarks.arm64.host_tools import CROSS_COMPILER, EMULATOR, can_model_cycles
from penjing.benchmarks.arm64.plugin import run_counted
from penjing.benchmarks.native_runner import SOURCES
from penjing.runtime.errors import TargetError

MISSING = [name for name in (EMULATOR, CROSS_COMPILER, "gcc") if shutil.which(name) is None]
needs_tools = pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}")
EXIT = "mov x8, #93; mov x0, #{code}; svc #0"
BEGIN, END = "hint #0x4d; ", "hint #0x4e; "
LOOP = "mov x1, #{n}; 1: {body}; subs x1, x1, #1; b.ne 1b; "
SDOT, SMMLA = ".inst 0x4e829420", ".inst 0x4e82a420"


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the plugin alone."""
    root = tmp_path_factory.mktemp("root")
    (root / PLUGIN).parent.mkdir(parents=True)
    build_library("gcc", SOURCES / "armcost.c", root / PLUGIN)
    return root


def program(root: Path, code: str, status: int = 0) -> str:
    """Builds a program of these instructions alone; gives its path in the root."""
    path = root / f"program{len(list(root.iterdir()))}"
    text = f'__asm__(".globl _start; _start: {code} {EXIT.format(code=status)}");'
    command = [CROSS_COMPILER, "-x", "c", "-", "-nostdlib", "-static", "-o", str(path)]
    subprocess.run(command, input=text, text=True, check=True)
    return f"/{path.name}"


def emulator(root: Path, core: str) -> tuple[Emulator, Board]:
    board = find_board(core)
    return Emulator(root, board.qemu_cpu), board


@needs_tools
def test_a_program_that_ends_badly_is_one_line(root: Path) -> None:
    there, _ = emulator(root, "cortex-a72")
    assert there.run([program(root, "")]) == ""
    with pytest.raises(TargetError, match=r"ended with code 7 \(it said nothing"):
        there.run([program(root, "", 7)])
    with pytest.raises(TargetError, match=r"it crashed: .*SIGSEGV"):
        there.run([program(root, "mov x0, #0; ldr x0, [x0];")])


@needs_tools
@pytest.mark.parametrize(
    ("code", "without", "has"), [(SDOT, "cortex-a72", "cortex-a76"), (SMMLA, "armv8-dotprod", "armv8-i8mm")]
)
def test_a_core_without_the_instruction_refuses(root: Path, code: str, without: str, has: str) -> None:
    name = program(root, f"{code};")
    assert emulator(root, has)[0].run([name]) == ""
    with pytest.raises(
        TargetError, match="the core lacks an instruction that the kernels need: choose a core"
    ) as error:
        emulator(root, without)[0].run([name])
    assert "\n" not in str(error.value)


@needs_tools
def test_every_instruction_between_the_markers_is_counted(root: Path) -> None:
    there, board = emulator(root, "cortex-a72")
    counted = [
        run_counted(there, board, [program(root, f"nop; {BEGIN}{LOOP.format(n=n, body='nop')}{END}nop;")], {}, False)
        for n in (10, 1010)
    ]
    assert all(len(sections) == 1 for sections in counted)
    (few,), (many,) = counted
    assert many.instructions - few.instructions == 1000 * 3
    assert 1 + 10 * 3 <= few.instructions <= 1 + 10 * 3 + 2
    assert (few.loads, few.stores, few.l1_misses) == (0, 0, 0)


@needs_tools
def test_sections_are_counted_apart_with_their_memory(root: Path) -> None:
    there, board = emulator(root, "cortex-a72")
    stride = LOOP.format(n=500, body="ldr x2, [x3], #64")
    start = "sub sp, sp, #131072; mov x3, sp; "
    code = f"{start}{BEGIN}{stride}{END}mov x3, sp; {BEGIN}{stride}{END}{BEGIN}mov x3, sp; str x1, [x3]; {END}"
    first, again, third = run_counted(there, board, [program(root, code)], {}, True)
    assert (first.loads, first.l1_misses, first.l2_misses) == (500, 500, 500)
    assert (again.loads, again.l1_misses) == (500, 0), "500 lines of 64 bytes fit 32 kB"
    assert (third.loads, third.stores) == (0, 1)
    small = replace(board, level1=replace(board.level1, kb=16))
    _, again, _ = run_counted(there, small, [program(root, code)], {}, True)
    assert again.l1_misses > 400, "and not 16 kB"


@needs_tools
@pytest.mark.parametrize(
    ("code", "kernels"), [(SDOT, "dotprod"), (SMMLA, "i8mm"), ("fmla v0.4s, v1.4s, v2.4s", "neither")]
)
def test_kernels_are_seen_in_what_ran(root: Path, code: str, kernels: str) -> None:
    there, board = emulator(root, "armv8-i8mm")
    (section,) = run_counted(there, board, [program(root, f"{BEGIN}{LOOP.format(n=100, body=code)}{END}")], {}, False)
    use = kernel_use(section)
    assert use.kernels == kernels
    assert use.share == pytest.approx(0 if kernels == "neither" else 1 / 3, abs=0.01)


@needs_tools
def test_a_program_without_markers_is_one_line(root: Path) -> None:
    there, board = emulator(root, "cortex-a72")
    with pytest.raises(TargetError, match="saw no markers"):
        run_counted(there, board, [program(root, "nop;")], {}, False)


@pytest.mark.parametrize(
    ("code", "stderr", "reason"),
    [
        (-4, "qemu: uncaught target signal 4", "the core lacks an instruction"),
        (132, "", "the core lacks an instruction"),
        (-9, "", "give this machine more memory"),
        (134, "terminate called", "it gave up"),
        (1, "Traceback\n  File\nValueError: no\n\n", "it ended with code 1 (ValueError: no)"),
        (3, "", "it said nothing"),
    ],
)
def test_how_it_ended_is_said_in_one_line(code: int, stderr: str, reason: str) -> None:
    assert reason in ending(code, stderr)
    assert "\n" not in ending(code, stderr)


def test_llvm_is_looked_for_where_commands_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not can_model_cycles()
