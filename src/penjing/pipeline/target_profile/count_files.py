"""How many instructions model files take on an emulated core, which no other program can disturb: once is enough.

Left out: time, which an emulator does not give.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Literal, cast

from tqdm import tqdm

from ...benchmarks.arm64.core import Core, open_core
from ...benchmarks.arm64.count_file import count_file
from ...benchmarks.file_times import feed
from ...benchmarks.machine import ENGINE_PACKAGES
from ...benchmarks.processor import usable_cores
from .files import ModelFile
from .rows import Place, Row, RowFile
from .time_files import places

EMULATED = "qemu:"
INFERENCES = 1


def emulated_core(target: str) -> Core:
    """Of a target such as qemu:cortex-a72. Raises TargetError for an unknown core, or without emulator or userland."""
    return open_core(target.removeprefix(EMULATED))


def emulated_versions(core: Core) -> dict[str, str]:
    """Of the engines in the userland."""
    return {name: core.packages[name] for name in ENGINE_PACKAGES.values() if name in core.packages}


def count_files(target: str, files: Sequence[ModelFile], rows: RowFile) -> list[Row]:
    """The rows of all files, those that `rows` holds already and new ones, which are added to it.

    Raises TargetError when the emulator cannot run a file; what was counted until then is kept.
    """
    core, found = target.removeprefix(EMULATED), rows.read()
    done = {row.place for row in found}
    jobs = [(file, missing) for file in files if (missing := [p for p in places(file) if p not in done])]
    with (
        ThreadPoolExecutor(usable_cores()) as pool,
        tqdm(
            total=len(files), initial=len(files) - len(jobs), desc="count", unit="file", disable=None, leave=False
        ) as bar,
    ):
        counts = [pool.submit(_count, file, missing, core) for file, missing in jobs]
        try:
            for counted in as_completed(counts):
                rows.add(counted.result())
                found += counted.result()
                bar.update()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    wanted = {place for file in files for place in places(file)}
    return [row for row in found if row.place in wanted]


def _count(file: ModelFile, wanted: Sequence[Place], core: str) -> list[Row]:
    kind = cast(Literal["onnx", "tflite"], file.engine)
    counts = count_file(file.path, kind, [feed(place.length) for place in wanted], core, inferences=INFERENCES)
    return [Row(place, 0, float(count)) for place, count in zip(wanted, counts, strict=True)]
