"""Which machine a measurement is from: everything that would explain another number elsewhere.

Left out: temperature and clock over time, which virtual machines do not show.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

ISA_FEATURES = (
    "sse4_1", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8",
    "asimd", "asimddp", "asimdhp", "fphp", "i8mm", "bf16", "sve", "sve2", "sme",
)  # fmt: skip
"""Instruction sets that decide how fast the engines' kernels are, in the kernel's spelling."""

PACKAGES = ("numpy", "tokenizers", "onnxruntime", "ai-edge-litert", "torch", "transformers")


@dataclass(frozen=True)
class MachineDescription:
    """`cores` the process may use; `memory_mb` in 1e6 bytes; `packages` name -> version of what is installed.

    `load_average` is the system's over one minute, `busy_share` the share of all cores in use by anything during half
    a second before the measurements: the first remembers our own earlier stages, the second does not.
    """

    cpu: str
    architecture: str
    cores: int
    isa: tuple[str, ...]
    memory_mb: int
    virtual: bool
    system: str
    python: str
    packages: Mapping[str, str]
    governor: str | None
    load_average: float | None
    busy_share: float


def describe_machine() -> MachineDescription:
    """Describes the machine this runs on. Takes half a second to see how busy it is."""
    info = _cpu_info()
    features = set(info.get("flags", info.get("Features", "")).split())
    return MachineDescription(
        cpu=info.get("model name") or _mac("machdep.cpu.brand_string") or platform.processor() or "unknown",
        architecture=platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1,
        isa=tuple(name for name in ISA_FEATURES if name in features),
        memory_mb=round(psutil.virtual_memory().total / 1e6),
        virtual="hypervisor" in features,
        system=platform.platform(terse=True),
        python=platform.python_version(),
        packages=_versions(),
        governor=_read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        busy_share=round(psutil.cpu_percent(interval=0.5) / 100, 3),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu_info() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty where there is no such file."""
    text = _read("/proc/cpuinfo") or ""
    lines = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in lines}


def _mac(name: str) -> str | None:
    if sys.platform != "darwin":
        return None
    return subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False).stdout.strip() or None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
