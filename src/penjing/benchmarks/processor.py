"""The processor under the engines: its name and the instruction sets that decide how fast their kernels are.

Needs nothing but Python, so that `penjing doctor` can say it on any machine. Left out: memory and load (`machine.py`).
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ISA_FEATURES = (
    "sse4_1", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8",
    "asimd", "asimddp", "asimdhp", "fphp", "i8mm", "bf16", "sve", "sve2", "sme",
)  # fmt: skip
"""In the kernel's spelling; ARM's are below x86's."""
ENGINES_NEED = {"aarch64": "asimd", "armv7l": "neon"}
"""By `uname -m`: what the published engines are built for; without it the first inference would be SIGILL."""


@dataclass(frozen=True)
class Processor:
    """`cores` are those that this process may use, `isa` the instruction sets of ISA_FEATURES that it has."""

    name: str
    architecture: str
    cores: int
    isa: tuple[str, ...]
    virtual: bool


def describe_processor() -> Processor:
    """Describes the processor this runs on."""
    info = _cpu_info()
    features = set(info.get("flags", info.get("Features", "")).split())
    return Processor(
        name=info.get("model name")
        or _board()
        or _mac("machdep.cpu.brand_string")
        or platform.processor()
        or platform.machine(),
        architecture=platform.machine(),
        cores=usable_cores(),
        isa=tuple(name for name in ISA_FEATURES if name in features),
        virtual="hypervisor" in features,
    )


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_small(path: str) -> str | None:
    """The stripped text of a small file, such as the kernel shows; None where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _cpu_info() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty where there is no such file."""
    text = read_small("/proc/cpuinfo") or ""
    lines = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in lines}


def _board() -> str:
    """An ARM board's name; its kernel names no processor in words."""
    return (read_small("/proc/device-tree/model") or "").rstrip("\0")


def _mac(name: str) -> str | None:
    if sys.platform != "darwin":
        return None
    return subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False).stdout.strip() or None
