"""Which machine a measurement is from: everything that would explain another number elsewhere.

Left out: temperature and clock over time, which virtual machines do not show.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import psutil

from .processor import describe_processor, read_small

PACKAGES = ("penjing", "numpy", "tokenizers", "onnxruntime", "ai-edge-litert", "torch", "transformers")
ENGINE_PACKAGES = {"onnx": "onnxruntime", "tflite": "ai-edge-litert"}
"""Engine -> its package, as PyPI names it."""


@dataclass(frozen=True)
class MachineDescription:
    """`cores` the process may use; `memory_mb` in 1e6 bytes; `packages` name -> version of what is installed.

    `load_average` is the system's over one minute, `busy_share` the share of all cores in use by anything during half
    a second before the measurements: the first remembers our own earlier stages, the second does not. None where the
    system does not tell, as on a phone.
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
    busy_share: float | None


def describe_machine() -> MachineDescription:
    """Describes the machine this runs on. Takes half a second to see how busy it is."""
    processor = describe_processor()
    return MachineDescription(
        cpu=processor.name,
        architecture=processor.architecture,
        cores=processor.cores,
        isa=processor.isa,
        memory_mb=round(psutil.virtual_memory().total / 1e6),
        virtual=processor.virtual,
        system=platform.platform(terse=True),
        python=platform.python_version(),
        packages=_versions(),
        governor=read_small("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
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
