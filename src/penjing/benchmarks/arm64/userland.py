"""The arm64 userland: a small Debian with Python and the engines, built once in the user's cache from public packages.

    <cache>/arm64/userland    the root: usr/bin/python3.11, opt/site (wheels), opt/penjing (what we built), bin/sh
    <cache>/arm64/boards      one thin root a core (`boards.py`)

It is written under a temporary name and renamed when complete. Programs run in it by `emulator.py`, or after a chroot
where the kernel knows how to start aarch64 programs. Left out: anything that needs root, and hosts without apt.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ...runtime.errors import TargetError, writing
from ..cache import cache_folder
from .boards import BOARDS, board_root
from .build import build_programs
from .debian import PrivateApt, open_apt
from .emulator import PYTHON, Emulator
from .host_tools import check_setup_tools
from .wheels import install_wheels, wanted_wheels, wheels_mb

VERSION = 1
STAMP = "penjing.json"
SUITES = ("bookworm", "trixie")
PACKAGES = (
    "libc6", "libgcc-s1", "libstdc++6", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib",
    "zlib1g", "libexpat1", "libffi8", "libbz2-1.0", "liblzma5", "libssl3", "libcrypt1", "libuuid1", "busybox-static",
    "openssh-sftp-server",
)  # fmt: skip
HEADERS = "libonnxruntime-dev/trixie"
"""ONNX Runtime's C header, which its wheels lack; the table behind it only ever grows."""
LISTS_MB, PACKAGES_MB, DISK_MB = 18.4, 13.0, 190
"""As measured once: what is said before anything is downloaded."""
USELESS = ("usr/share", "usr/lib/cmake", "usr/lib/pkgconfig", "usr/lib/python3.11/test", "usr/lib/python3.11/idlelib",
    "usr/lib/python3.11/lib2to3", "usr/lib/python3.11/pydoc_data", "usr/lib/python3.11/turtledemo",
    "lib/systemd", "lib/udev", "usr/lib/aarch64-linux-gnu/gconv", "usr/lib/aarch64-linux-gnu/perl-base")  # fmt: skip
WARM_UP = "import numpy, tokenizers, psutil, tqdm, json, ctypes, platform, subprocess, onnxruntime"
LITERT = "ai_edge_litert.interpreter"

Ask = Callable[[str], bool]
Say = Callable[[str], None]


def arm64_folder(folder: Path | None = None) -> Path:
    """Where userland and boards are: `folder`, or `arm64` in the user's cache."""
    return folder.absolute() if folder else cache_folder() / "arm64"


def find_userland(folder: Path | None = None) -> Path:
    """The root of a complete userland. Raises TargetError when there is none."""
    root = arm64_folder(folder) / "userland"
    if not (root / STAMP).is_file():
        raise TargetError("there is no arm64 userland yet: run `penjing target setup qemu`")
    return root


def set_up_userland(folder: Path | None = None, ask: Ask = lambda question: False, say: Say = print) -> Path:
    """Builds the userland unless a complete one with the wanted packages is there; gives its root.

    `ask` is given the question with what will be downloaded, before anything is. Raises TargetError when it says no, a
    tool of this machine is missing, or a download fails; OutputError when the folder cannot be written.
    """
    base, wanted = arm64_folder(folder), _wanted()
    root = base / "userland"
    if _stamp(root) == wanted:
        say(f"the arm64 userland is there: {root}")
        return root
    check_setup_tools()
    wheels = wanted_wheels()
    total = LISTS_MB + PACKAGES_MB + wheels_mb(wheels)
    question = (
        f"The arm64 userland needs about {total:.0f} MB from the network: Debian's package lists ({LISTS_MB:.0f} MB),"
        f" {len(PACKAGES) + 1} Debian packages ({PACKAGES_MB:.0f} MB: {', '.join((*PACKAGES, HEADERS))}) and"
        f" {len(wheels)} wheels ({wheels_mb(wheels):.0f} MB: {', '.join(wheels)})."
        f" It takes about {DISK_MB} MB in {root}. Download?"
    )
    if not ask(question):
        raise TargetError("nothing was downloaded: answer yes, or add --yes, to set up the arm64 userland")
    with writing(base, "set PENJING_CACHE"):
        _build(base, root, wanted, say)
    say(f"the arm64 userland is ready: {root} ({folder_mb(root):.0f} MB)")
    return root


def folder_mb(folder: Path) -> float:
    """What the folder takes on disk, in MB (1e6 bytes), links not followed."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 1e6


def _wanted() -> dict[str, object]:
    return {"version": VERSION, "packages": [*PACKAGES, HEADERS], "wheels": list(wanted_wheels())}


def _stamp(root: Path) -> object:
    try:
        return json.loads((root / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _build(base: Path, root: Path, wanted: dict[str, object], say: Say) -> None:
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".userland-", dir=base) as temporary:
        part, state = Path(temporary) / "root", Path(temporary) / "apt"
        part.mkdir()
        state.mkdir()
        say("reading Debian's package lists")
        _unpack_packages(open_apt(state, SUITES), part, say)
        say("downloading wheels")
        install_wheels(wanted_wheels(), part / "opt" / "site")
        say("building the plugin, the markers and the native runner")
        build_programs(part)
        _furnish(part)
        _try_out(part, Path(temporary))
        (part / STAMP).write_text(json.dumps(wanted, indent=1), encoding="utf-8")
        _replace(part, root, Path(temporary) / "old")


def _unpack_packages(apt: PrivateApt, root: Path, say: Say) -> None:
    apt.update()
    names = (*PACKAGES, HEADERS)
    sizes = apt.sizes(names)
    say(f"downloading {len(names)} Debian packages ({sum(sizes.values()) / 1e6:.1f} MB)")
    apt.unpack(names, root)
    for name in USELESS:
        shutil.rmtree(root / name, ignore_errors=True)
    for path in root.glob("usr/lib/python3.11/config-*"):
        shutil.rmtree(path)


def _furnish(root: Path) -> None:
    """What maintainer scripts and an installation would have made: accounts, folders, a shell and its commands."""
    for name in (
        "etc",
        "dev",
        "proc",
        "sys",
        "run",
        "root",
        "tmp",
        "usr/bin",
        "usr/local/lib/python3.11/dist-packages",
    ):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="utf-8")
    (root / "etc" / "group").write_text("root:x:0:\n", encoding="utf-8")
    (root / "usr/local/lib/python3.11/dist-packages/site.pth").write_text("/opt/site\n", encoding="utf-8")
    (root / "usr/bin/python3").symlink_to("python3.11")
    for applet in Emulator(root, "max").run(["/bin/busybox", "--list"]).split():
        place = root / "bin" / applet
        if not place.exists() and not (root / "usr/bin" / applet).exists():
            place.symlink_to("busybox")


def _try_out(root: Path, temporary: Path) -> None:
    """Imports what runs will import: a userland that cannot is refused, and the byte code is there from then on."""
    board = BOARDS["cortex-a72"]
    there = Emulator(board_root(board, root, temporary / "boards"), board.qemu_cpu)
    imports = [WARM_UP] + ([f"import {LITERT}"] if (root / "opt/site/ai_edge_litert").is_dir() else [])
    there.run([PYTHON, "-c", "; ".join(imports)], {"PYTHONDONTWRITEBYTECODE": ""})


def _replace(part: Path, root: Path, old: Path) -> None:
    if root.exists():
        os.replace(root, old)
    os.replace(part, root)
