"""A machine that boots Debian's arm64 kernel in an emulator, runs the native runner, and turns itself off.

Its root is in memory (`initramfs.py`): a shell, libraries of the arm64 userland, the engine, the runner, the models.
With `-icount shift=0,sleep=off` one instruction is one nanosecond of its clock, and with a seed and a date every boot
is the same. Left out: modules, disks, network, and more than one core, which a clock of instructions cannot have.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..runtime.errors import TargetError
from .arm64.boards import Board
from .arm64.build import RUNNER
from .arm64.debian import open_apt
from .initramfs import write_initramfs
from .native_runner import NativeAnswer, RunnerJob, parse_answer, refusal

MACHINE = "qemu-system-aarch64"
SUITE, META_PACKAGE = "bookworm", "linux-image-cloud-arm64"
KERNEL_MB = 30
"""To download: the kernel's package and the suite's lists."""
BOOT = "console=ttyAMA0 quiet loglevel=0 panic=-1 nokaslr norandmaps rdinit=/init"
MEMORY_MB, LONGEST_SECONDS = 1024, 900
BORN = "2026-01-01T00:00:00"
EXIT = "penjing-exit:"
LIBRARIES = (
    "lib/ld-linux-aarch64.so.1", "lib/aarch64-linux-gnu/ld-linux-aarch64.so.1",
    *(f"lib/aarch64-linux-gnu/{name}.so.*" for name in ("libc", "libm", "libdl", "libpthread", "librt", "libgcc_s")),
    "usr/lib/aarch64-linux-gnu/libstdc++.so.6*",
)  # fmt: skip
ENGINE = "opt/site/onnxruntime/capi/libonnxruntime.so*"
INIT = f"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
PENJING_ONNXRUNTIME=/job/engine /job/runner WORDS
echo "{EXIT}$?"
/bin/busybox poweroff -f
"""


def fetch_kernel(folder: Path) -> Path:
    """Debian's arm64 kernel for virtual machines, downloaded into `folder` unless one is there. Raises TargetError."""
    if found := sorted(folder.glob("vmlinuz-*")):
        return found[-1]
    print(f"downloading Debian's arm64 kernel ({KERNEL_MB} MB) to {folder}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".kernel-", dir=folder) as temporary:
        state, root = Path(temporary) / "apt", Path(temporary) / "root"
        state.mkdir()
        root.mkdir()
        apt = open_apt(state, (SUITE,))
        apt.update()
        apt.unpack([_kernel_package(apt.options)], root)
        kernel = next((root / "boot").glob("vmlinuz-*"))
        return kernel.replace(folder / kernel.name)


def _kernel_package(options: Sequence[str]) -> str:
    """What the meta package depends on."""
    command = ["apt-cache", *options, "depends", META_PACKAGE]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    names = [line.split()[-1] for line in said.splitlines() if "Depends: linux-image-" in line]
    if not names:
        raise TargetError(f"the Debian mirror has no {META_PACKAGE}: check /etc/apt")
    return names[0]


def boot(
    kernel: Path, board: Board, userland: Path, feeds: Path, models: Mapping[str, Path], job: RunnerJob
) -> NativeAnswer:
    """What the runner answers on the machine, after which that is off. Raises TargetError when anything stops it."""
    if shutil.which(MACHINE) is None:
        raise TargetError(f"this machine lacks {MACHINE}: run `sudo apt-get install qemu-system-arm` and try again")
    with tempfile.TemporaryDirectory(prefix="penjing-boot-") as folder:
        disk = Path(folder) / "initramfs"
        write_initramfs(disk, machine_files(userland, feeds, models, job))
        command = [
            MACHINE, "-M", "virt", "-cpu", board.qemu_cpu, "-smp", "1", "-m", str(MEMORY_MB), "-nodefaults",
            "-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", f"base={BORN},clock=vm",
            "-display", "none", "-serial", "stdio", "-no-reboot",
            "-kernel", str(kernel), "-initrd", str(disk), "-append", BOOT,
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=LONGEST_SECONDS,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TargetError(
                f"the emulated machine was not done after {LONGEST_SECONDS} s: choose fewer --rounds"
            ) from None
    return read_console(done.stdout, done.stderr)


def machine_files(
    userland: Path, feeds: Path, models: Mapping[str, Path], job: RunnerJob
) -> dict[str, Path | bytes | str]:
    """What is in the machine's memory at its start: a shell, the libraries, the engine, the runner and its job."""
    words = job.arguments([("/job/feeds", f"/job/{name}") for name in models])
    found = [path for pattern in LIBRARIES for path in sorted(userland.glob(pattern))]
    libraries: dict[str, Path | bytes | str] = {
        path.relative_to(userland).as_posix(): str(path.readlink()) if path.is_symlink() else path for path in found
    }
    return {
        "init": INIT.replace("WORDS", " ".join(words)).encode(), "bin/busybox": userland / "bin/busybox", **libraries,
        "proc/none": b"", "sys/none": b"", "job/engine": find_engine(userland), "job/runner": userland / RUNNER,
        "job/feeds": feeds, **{f"job/{name}": path for name, path in models.items()},
    }  # fmt: skip


def find_engine(root: Path) -> Path:
    """ONNX Runtime's library in a userland. Raises TargetError."""
    found = sorted(root.glob(ENGINE))
    if not found:
        raise TargetError("the arm64 userland has no ONNX Runtime: run `penjing target setup qemu`")
    return found[0]


def read_console(out: str, err: str) -> NativeAnswer:
    """The runner's answer in what the machine's console showed. Raises TargetError when there is none."""
    shown, mark, code = out.replace("\r\n", "\n").rpartition(EXIT)
    if not mark or not code.strip().isdigit():
        last = ([line.strip() for line in (out + err).splitlines() if line.strip()] or ["it said nothing"])[-1]
        raise TargetError(
            f"the emulated machine did not get to the end ({last[:200]}): run again, or take another core"
        )
    if int(code):
        raise TargetError(f"on the emulated machine: {refusal(int(code), shown)}")
    return parse_answer(shown)
