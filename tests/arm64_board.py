"""A board for tests whose programs really are aarch64: the emulated core's userland behind a chroot of its own.

One process holds a user and mount namespace in which the kernel starts aarch64 programs with qemu (a private
binfmt_misc, Linux 6.7 or later), the userland that `penjing target setup qemu` built is the root, and /proc/cpuinfo and
/sys are a board's. `enter` is the beginning of any command there. Nothing of this machine is registered or changed, and
no rights are needed. Left out: a kernel, processes and a network of the board's own.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from penjing.benchmarks.arm64.boards import BOARDS, write_board
from penjing.benchmarks.arm64.userland import find_userland
from penjing.runtime.errors import TargetError

NEEDED = ("unshare", "nsenter", "chroot", "qemu-aarch64")
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
BINFMT = "/proc/sys/fs/binfmt_misc"
AARCH64_ELF = (
    r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
)
"""The first bytes of a program for aarch64, and which of their bits count."""
BOARD_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
BOARD_HOME = "/root"
"""Of a login on the board."""
# $1 the root, $2 the userland, $3 the board's files, $4 what binfmt_misc takes; then pairs of a place and a folder.
# qemu is the host's and needs its libraries, which lie beside the userland's own.
HOLD = f"""
set -e
root=$1 userland=$2 board=$3
mount -t binfmt_misc none {BINFMT}
printf '%s' "$4" > {BINFMT}/register
shift 4
mount -t tmpfs none "$root"
cd "$root"
mkdir -p userland lib lib64 proc sys dev tmp root
mount --bind "$userland" userland
for entry in bin etc opt usr; do ln -s "userland/$entry" "$entry"; done
for entry in userland/lib/*; do ln -s "../$entry" lib/; done
for place in lib/x86_64-linux-gnu lib64; do
  [ -d "/$place" ] || continue
  mkdir -p "$place"
  mount --bind "/$place" "$place"
done
mount --rbind /proc proc
mount --bind "$board/proc/cpuinfo" proc/cpuinfo
mount --rbind /dev dev
mount --bind "$board/sys" sys
while [ $# -gt 0 ]; do
  mkdir -p "./$1"
  mount --bind "$2" "./$1"
  shift 2
done
echo ready
exec cat
"""


@dataclass(frozen=True)
class Arm64Board:
    """`enter` are the words before a program and its arguments."""

    folder: Path
    enter: tuple[str, ...]

    @property
    def force_command(self) -> str:
        """A line of sshd's configuration with which every login is on the board, in its home."""
        script = self.folder / "login"
        command = '"cd; ${SSH_ORIGINAL_COMMAND:-exec sh -l}"'
        script.write_text(f"#!/bin/sh\nexec {shlex.join(self.enter)} /bin/sh -c {command}\n")
        script.chmod(0o755)
        return f"ForceCommand {script}"


@cache
def why_not() -> str | None:
    """Why there can be no such board here; None when there can."""
    if absent := [name for name in NEEDED if shutil.which(name) is None]:
        return f"no {absent[0]}"
    try:
        find_userland()
    except TargetError as error:
        return str(error)
    probe = f"mount -t binfmt_misc none {BINFMT} && test -e {BINFMT}/register && ! test -e {BINFMT}/qemu-aarch64"
    tried = subprocess.run([*NAMESPACE, "sh", "-c", probe], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"no private binfmt_misc ({tried.stderr.strip() or 'Linux before 6.7'})"


@contextmanager
def arm64_board(folder: Path, shared: Mapping[str, Path], core: str = "cortex-a72") -> Iterator[Arm64Board]:
    """A board until the end of the block. `shared`: place on the board -> folder here that is there as well.

    `folder` is for the board's own files: `root`, `proc`, `sys`. They may be changed as long as it is there.
    """
    root, board = folder / "root", BOARDS[core]
    for path in (root, *shared.values()):
        path.mkdir(parents=True, exist_ok=True)
    write_board(board, folder)
    with (folder / "proc/cpuinfo").open("a", encoding="utf-8") as cpuinfo:
        cpuinfo.write(f"Model\t\t: emulated {board.title}\n")
    binfmt = f":penjing:M::{AARCH64_ELF}:{shutil.which('qemu-aarch64')}:FP"
    places = [word for place, path in shared.items() for word in (place, str(path))]
    holder = subprocess.Popen(
        [*NAMESPACE, "sh", "-c", HOLD, "sh", str(root), str(find_userland()), str(folder), binfmt, *places],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n", "the namespace could not be made"
        namespaces = ("nsenter", f"--target={holder.pid}", "--user", "--preserve-credentials", "--mount")
        variables = (f"QEMU_CPU={board.qemu_cpu}", f"HOME={BOARD_HOME}", "LC_ALL=C.UTF-8", f"PATH={BOARD_PATH}")
        yield Arm64Board(folder, (*namespaces, "env", "-i", *variables, "chroot", str(root)))
    finally:
        holder.communicate()
