"""The memory of this process as the operating system tells it, and an engine's arena as the engine tells it.

Light to import: a child that is measured imports it first. MB are 1e6 bytes everywhere. Left out: who used what (by the
stages of a process, `memory_use.py`), and memory of a GPU.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Feed = Mapping[str, Any]
ARENA_KEY = "mem_arena_held"
"""Where ONNX Runtime's profiler says how much the allocator holds after a node; 1.31 does, older ones may not."""


def peak_rss_mb() -> float | None:
    """Largest resident set of this process so far, in MB (1e6 bytes); None where the system does not say.

    Linux's `ru_maxrss` is wrong for our use: a process that a large one started begins with the large one's peak.
    `VmHWM` belongs to the program that runs now.
    """
    if sys.platform.startswith("linux"):
        return _mb(_kilobytes(Path("/proc/self/status")), "VmHWM")
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def memory_now(file: Path | None = None, process: Path = Path("/proc/self")) -> dict[str, float | None]:
    """What a process holds now, in MB: `rss_mb`, `pss_mb`, `private_dirty_mb`, `mapped_file_mb`, and `peak_mb` so far.

    `private_dirty_mb` is what only this process has and no file could give back: heap, stack, relocated data.
    `mapped_file_mb` are resident pages of files, libraries and a mapped model among them, which the system may drop
    and read again; `model_file_mb` those of `file` alone. Private dirty and mapped make up nearly all of `rss_mb`;
    `pss_mb` counts a page shared by n processes as 1/n. All but the peak are None where the kernel has no
    `smaps_rollup` (before Linux 4.14, other systems, some sandboxes).
    """
    rollup, status = _kilobytes(process / "smaps_rollup"), _kilobytes(process / "status")
    mapped = None
    if {"Rss", "Anonymous"} <= rollup.keys():
        mapped = (rollup["Rss"] - rollup["Anonymous"] - status.get("RssShmem", 0)) * 1024 / 1e6
    return {
        "rss_mb": _mb(rollup, "Rss"),
        "pss_mb": _mb(rollup, "Pss"),
        "private_dirty_mb": _mb(rollup, "Private_Dirty"),
        "mapped_file_mb": mapped,
        "peak_mb": _mb(status, "VmHWM") if status else peak_rss_mb(),
        "model_file_mb": _resident_mb(process, file) if mapped is not None and file is not None else None,
    }


def _resident_mb(process: Path, file: Path) -> float:
    """Resident pages of the mappings of one file; 0 when it is not mapped."""
    total, inside, name = 0, False, f" {file.resolve()}"
    for line in _lines(process / "smaps"):
        if line[:1] in "0123456789abcdef":  # a mapping's own line; those of its figures begin with a capital
            inside = line.endswith(name)
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total * 1024 / 1e6


def _kilobytes(path: Path) -> dict[str, int]:
    """The lines `Name:  123 kB` of a file under /proc."""
    fields = (line.split() for line in _lines(path))
    return {f[0].rstrip(":"): int(f[1]) for f in fields if len(f) == 3 and f[2] == "kB" and f[1].isdigit()}


def _lines(path: Path) -> list[str]:
    """The lines of a file; none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _mb(values: Mapping[str, int], name: str) -> float | None:
    return values[name] * 1024 / 1e6 if name in values else None


def onnx_arena_mb(path: Path, feeds: Iterable[Feed], threads: int) -> float | None:
    """What ONNX Runtime's CPU allocator has taken from the system after running `feeds`, in MB.

    The weights that live in it are part of it, and what it took in advance. From the profiler, because the Python
    package has no call for `OrtApi::AllocatorGetStats`; None when this ONNX Runtime's profiler does not tell it.
    """
    import json
    import tempfile

    from ..runtime.onnx_engine import import_onnxruntime

    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for feed in feeds:
            session.run(None, dict(feed))
        written = Path(session.end_profiling())
        del session  # Windows cannot remove a folder with an open file
        events = json.loads(written.read_text(encoding="utf-8"))
    held = [int(event["args"][ARENA_KEY]) for event in events if ARENA_KEY in event.get("args", {})]
    return max(held) / 1e6 if held else None


def tflite_arena_mb(interpreter: Any, model: Path) -> float | None:
    """What the tensors of a LiteRT interpreter occupy outside the file `model`, in MB; shared places count once.

    A lower bound: tensors inside the XNNPACK delegate have no place of their own, and XNNPACK's workspace and packed
    weights are told by nobody. From the tensors' addresses, because the Python package has no call for the planner's
    figure; None where it has changed its insides, or the system does not say where the model is mapped.
    """
    mapped = _mapped_places(model)
    places: list[tuple[int, int]] = []
    try:
        inside = interpreter._interpreter
        for graph in range(interpreter.num_subgraphs()):
            for detail in interpreter.get_tensor_details(graph):
                try:
                    array = inside.tensor(interpreter, detail["index"], graph)
                except (RuntimeError, ValueError):  # a tensor without data: never used, or the delegate's
                    continue
                start = array.__array_interface__["data"][0]
                places.append((start, start + array.nbytes))
    except (AttributeError, TypeError):
        return None
    outside = [place for place in places if not any(low <= place[0] < high for low, high in mapped)]
    return _covered(outside) / 1e6 if mapped else None


def _mapped_places(model: Path) -> list[tuple[int, int]]:
    """Where the file is mapped into this process: address ranges."""
    lines = _lines(Path("/proc/self/maps"))
    ranges = (line.split()[0].split("-") for line in lines if line.endswith(f" {model.resolve()}"))
    return [(int(low, 16), int(high, 16)) for low, high in ranges]


def _covered(places: Iterable[tuple[int, int]]) -> int:
    """Bytes in at least one of the ranges."""
    total, reached = 0, 0
    for start, end in sorted(places):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
