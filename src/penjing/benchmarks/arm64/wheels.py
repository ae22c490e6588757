"""The Python packages of the userland: the engines in this machine's versions, for aarch64.

uv or pip resolve and unpack them as for another platform; nothing of theirs runs here. What no engine needs is deleted:
tests, a GPU's accelerator, tools. Left out: other versions than those installed here, since parity compares engines.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...runtime.errors import TargetError
from ..last_line import last_line

PYTHON = "3.11"
"""Debian bookworm's."""
ENGINES = {"onnxruntime": 21.4, "ai-edge-litert": 15.4}
HELPERS = {
    "numpy": 16.0, "tokenizers": 3.3, "protobuf": 0.4, "flatbuffers": 0.03, "packaging": 0.08,
    "backports-strenum": 0.01, "typing-extensions": 0.05, "tqdm": 0.08, "psutil": 0.3,
}  # fmt: skip
"""Package -> MB to download, as measured once; they differ little from version to version."""
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
USELESS = (
    "ai_edge_litert/libLiteRtWebGpuAccelerator.so", "ai_edge_litert/tools", "ai_edge_litert/vendors",
    "numpy/f2py", "numpy/distutils", "onnxruntime/transformers", "onnxruntime/tools", "onnxruntime/quantization",
    "onnxruntime/datasets", "bin",
)  # fmt: skip
INSTALL_SECONDS = 600


def wanted_wheels() -> tuple[str, ...]:
    """Each package with the version installed here, such as numpy==2.4.6; engines that are not here are left out."""
    pinned = []
    for name in (*ENGINES, *HELPERS):
        try:
            pinned.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            pinned += [] if name in ENGINES else [name]
    return tuple(pinned)


def wheels_mb(wheels: tuple[str, ...]) -> float:
    """About how many MB (1e6 bytes) they take to download."""
    return sum({**ENGINES, **HELPERS}[wheel.split("==")[0]] for wheel in wheels)


def install_wheels(wheels: tuple[str, ...], site: Path) -> None:
    """Downloads and unpacks the wheels into `site`. Raises TargetError without uv and pip, or when they fail."""
    done = _install(wheels, site)
    if done.returncode:  # a helper may have no wheel for this Python in that version: the engines' versions must stay
        shutil.rmtree(site, ignore_errors=True)
        names = tuple(wheel if wheel.split("==")[0] in ENGINES else wheel.split("==")[0] for wheel in wheels)
        done = _install(names, site)
    if done.returncode:
        raise TargetError(
            f"the aarch64 wheels could not be had ({last_line(done.stderr, 200)}): check the network, try again"
        )
    for name in USELESS:
        path = site / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in [*site.glob("**/tests"), *site.glob("**/__pycache__")]:
        shutil.rmtree(path, ignore_errors=True)


def _install(wheels: tuple[str, ...], site: Path) -> subprocess.CompletedProcess[str]:
    common = ["--target", str(site), "--python-version", PYTHON, "--no-deps", "--only-binary", ":all:"]
    if uv := shutil.which("uv"):
        chosen = ["--python-platform", "aarch64-manylinux_2_28", "--link-mode", "copy", "--python", sys.executable]
        command = [uv, "pip", "install", *common, *chosen]
    elif subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        chosen = [word for platform in PLATFORMS for word in ("--platform", platform)]
        command = [sys.executable, "-m", "pip", "install", "--no-compile", *common, *chosen]
    else:
        raise TargetError(
            "neither uv nor pip is here, which fetch the wheels: install uv, or run `python -m ensurepip`"
        )
    return subprocess.run(
        [*command, *wheels], capture_output=True, text=True, errors="replace", check=False, timeout=INSTALL_SECONDS
    )
