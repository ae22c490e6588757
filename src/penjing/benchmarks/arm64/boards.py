"""The boards: what the kernel of a machine with each emulated core would show in /proc/cpuinfo and /sys.

Engines choose their kernels by these files, and die of an illegal instruction when they speak of another core than the
emulated one: so each core has a root of its own, thin links to the one userland beside the board's files. Left out:
plain `max`, whose int8 answers are wrong in qemu 7.2 (SME), and SVE.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ...runtime.errors import TargetError

STAMP = ".board.json"
CORES = 4
OWN = ("proc", "sys")


@dataclass(frozen=True)
class Cache:
    """`kb` of 1024 bytes in `ways`."""

    kb: int
    ways: int


@dataclass(frozen=True)
class Board:
    """A core as qemu's `qemu_cpu`, `part` and `variant` its name to the kernel, `features` in the kernel's spelling.

    `level1` is the data cache; `model` is what llvm-mca calls the core or the nearest that it knows.
    """

    core: str
    title: str
    qemu_cpu: str
    part: int
    variant: int
    revision: int
    features: str
    level1: Cache
    level2: Cache
    model: str


_V8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_V82 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
_V86 = f"{_V82} jscvt fcma sha3 sha512 asimdfhm ilrcpc flagm sb dcpodp flagm2 frint i8mm bf16"
BOARDS = {
    board.core: board
    for board in (
        Board("cortex-a53", "Cortex-A53", "cortex-a53", 0xD03, 0, 4, _V8, Cache(32, 4), Cache(512, 16), "cortex-a53"),
        Board("cortex-a72", "Cortex-A72", "cortex-a72", 0xD08, 0, 3, _V8, Cache(32, 2), Cache(1024, 16), "cortex-a72"),
        Board("cortex-a76", "Cortex-A76", "cortex-a76", 0xD0B, 4, 1, _V82, Cache(64, 4), Cache(512, 8), "neoverse-n1"),
        Board(
            "armv8-dotprod", "Armv8.2 with dotprod (Neoverse N1)", "neoverse-n1", 0xD0C, 4, 1, _V82,
            Cache(64, 4), Cache(1024, 8), "neoverse-n1",
        ),
        Board(
            "armv8-i8mm", "Armv8.6 with i8mm, without SVE", "max,sve=off,sme=off", 0xD0C, 4, 1, _V86,
            Cache(64, 4), Cache(1024, 8), "neoverse-n1",
        ),
    )
}  # fmt: skip


def find_board(core: str) -> Board:
    """The board of this core. Raises TargetError that lists them."""
    if core not in BOARDS:
        raise TargetError(f"no emulated core {core!r}: choose one of {', '.join(BOARDS)}, such as qemu:cortex-a72")
    return BOARDS[core]


def board_root(board: Board, userland: Path, boards: Path | None = None) -> Path:
    """The board's root, in `boards` or beside the userland; made when it is not there or is another board's."""
    root = (boards or userland.parent / "boards") / board.core
    wanted = {**asdict(board), "userland": str(userland), "entries": sorted(p.name for p in userland.iterdir())}
    try:
        if json.loads((root / STAMP).read_text(encoding="utf-8")) == wanted:
            return root
    except (OSError, ValueError):
        pass
    root.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{board.core}-", dir=root.parent))
    for entry in userland.iterdir():
        if entry.name not in OWN:
            (part / entry.name).symlink_to(entry)
    write_board(board, part)
    (part / STAMP).write_text(json.dumps(wanted), encoding="utf-8")
    _put(part, root)
    return root


def write_board(board: Board, root: Path) -> None:
    """Writes `proc/cpuinfo` and `sys/devices/system/cpu` of the board into `root`."""
    for name, text in {"proc/cpuinfo": _cpuinfo(board), **_sysfs(board)}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")


def _cpuinfo(board: Board) -> str:
    lines = (
        "BogoMIPS\t: 108.00", f"Features\t: {board.features}", "CPU implementer\t: 0x41", "CPU architecture: 8",
        f"CPU variant\t: 0x{board.variant:x}", f"CPU part\t: 0x{board.part:x}", f"CPU revision\t: {board.revision}",
    )  # fmt: skip
    return "\n".join(f"processor\t: {i}\n" + "\n".join(lines) + "\n" for i in range(CORES))


def _sysfs(board: Board) -> dict[str, str]:
    every, base = f"0-{CORES - 1}", "sys/devices/system/cpu"
    files = {f"{base}/{name}": every for name in ("possible", "present", "online")} | {f"{base}/kernel_max": "255"}
    for i in range(CORES):
        here = f"{base}/cpu{i}"
        files |= {f"{here}/topology/physical_package_id": "0", f"{here}/topology/core_id": str(i)}
        files |= {
            f"{here}/topology/{n}": every for n in ("cluster_cpus_list", "core_siblings_list", "package_cpus_list")
        }
        files |= {f"{here}/topology/{n}": str(i) for n in ("thread_siblings_list", "core_cpus_list")}
        files |= {f"{here}/cpufreq/cpuinfo_{n}_freq": "1500000" for n in ("min", "max")}
        for j, (level, kind, kb) in enumerate(
            ((1, "Data", board.level1.kb), (1, "Instruction", board.level1.kb), (2, "Unified", board.level2.kb))
        ):
            facts = {"level": level, "type": kind, "size": f"{kb}K", "coherency_line_size": 64}
            facts["shared_cpu_list"] = i if level == 1 else every
            files |= {f"{here}/cache/index{j}/{name}": str(value) for name, value in facts.items()}
    return files


def _put(part: Path, root: Path) -> None:
    """Renames `part` to `root`, in the place of what is there; another process may do the same at this moment."""
    old = part.with_name(f"{part.name}.old")
    try:
        if root.exists():
            os.replace(root, old)
        os.replace(part, root)
    except OSError:
        if not (root / STAMP).is_file():
            raise
        shutil.rmtree(part)
    shutil.rmtree(old, ignore_errors=True)
