"""Builds stand-ins for Android's libc, libm, libdl, liblog and libandroid, so that an arm64 library runs on Linux.

All functions lie in one library, libc.so; the others only have the version LIBC that the linker asks them for. Left
out: other processors, and functions that the engine does not import.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).parent / "bionic"
COMPILER = "aarch64-linux-gnu-gcc"
LIBRARIES = ("libm.so", "libdl.so", "liblog.so", "libandroid.so")
OTHER_NAMES = {"__errno": "__errno_location", "__gnu_strerror_r": "strerror_r", "strerror_r": "__xpg_strerror_r"}
"""bionic's name -> glibc's."""
OWN = re.compile(r"^EXPORT\((\w+)\);", re.MULTILINE)
"""What bionic.c has itself."""


def build_stand_ins(imported: Sequence[str], out: Path) -> None:
    """Writes them into `out`, with all names of `imports`. Raises CalledProcessError where the compiler fails."""
    own = set(OWN.findall((SOURCE / "bionic.c").read_text(encoding="utf-8")))
    made, versions = out / "trampolines.S", out / "versions"
    made.write_text(trampolines([name for name in imported if name not in own]), encoding="ascii")
    versions.write_text("LIBC { global: *; };\n", encoding="ascii")
    _link(out / "libc.so", versions, str(SOURCE / "bionic.c"), str(made))
    empty = out / "empty.c"
    for name in LIBRARIES:
        empty.write_text(f"const int penjing_{Path(name).stem} = 1;\n", encoding="ascii")
        _link(out / name, versions, str(empty))


def imports(library: Path) -> list[str]:
    """Functions and variables that a library takes from Android's version LIBC."""
    words = ["aarch64-linux-gnu-nm", "-D", "--undefined-only", str(library)]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return re.findall(r"^\s+[Uw] (\w+)@LIBC$", printed, re.MULTILINE)


def trampolines(names: Sequence[str]) -> str:
    """Assembly: a jump for each name to where bionic.c has found it in glibc, and the tables for that."""
    lines = [".text"]
    for i, name in enumerate(names):
        lines += [
            f".type jump_{name}, %function", f"jump_{name}:", f"adrp x16, bionic_targets + {8 * i}",
            f"ldr x16, [x16, :lo12:bionic_targets + {8 * i}]", "br x16", f".symver jump_{name}, {name}@LIBC",
            f".globl jump_{name}",
        ]  # fmt: skip
    lines += [".data", ".balign 8", ".globl bionic_targets", ".hidden bionic_targets", "bionic_targets:"]
    lines += [f".skip {8 * len(names)}", '.section .data.rel.ro, "aw"', ".balign 8"]
    lines += [".globl bionic_names", ".hidden bionic_names", "bionic_names:"]
    lines += [f".quad text_{i}" for i in range(len(names))]
    lines += [".section .rodata", ".balign 4", ".globl bionic_count", ".hidden bionic_count"]
    lines += ["bionic_count:", f".word {len(names)}"]
    lines += [f'text_{i}: .asciz "{OTHER_NAMES.get(name, name)}"' for i, name in enumerate(names)]
    return "\n".join(lines) + "\n"


def _link(out: Path, versions: Path, *sources: str) -> None:
    words = ["-std=gnu11", "-O2", "-Wall", "-shared", "-fPIC", *sources, "-o", str(out), f"-Wl,-soname,{out.name}"]
    subprocess.run([COMPILER, *words, f"-Wl,--version-script={versions}", "-ldl", "-lm"], check=True)
