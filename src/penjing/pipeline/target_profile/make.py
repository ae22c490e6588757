"""A profile from beginning to end: export the students, measure their files on the target, fit.

Exported files are the same for every target and are kept; rows are kept as they come, by all that decides them. Left
out: TFLite files on phones, which have no runner for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path

from ...benchmarks.machine import ENGINE_PACKAGES
from ...benchmarks.processor import describe_processor
from ...benchmarks.remote.address import SCHEME as BOARD
from ...benchmarks.remote.board_times import describe_board, time_on_board
from ...benchmarks.targets import KNOWN
from ...benchmarks.targets.adb import SCHEME as PHONE
from ...benchmarks.targets.phone_times import describe_phone, time_on_phone
from ...runtime.errors import TargetError
from .count_files import EMULATED, count_files, emulated_core, emulated_versions
from .files import ModelFile, make_files, models_folder, operators_of
from .fit import Fit, fit_rows
from .operators import Operator
from .profile import Measured, Profile, Unit, kind_of
from .rows import Place, Row, RowFile, fastest
from .shapes import Drawn
from .time_files import time_files

WEIGHT_BYTES = {"fp32": 4, "int8": 1}


@dataclass(frozen=True)
class Meter:
    """How a target is measured: what its numbers are, on which device, by which engines' versions, and the function
    that gives rows."""

    unit: Unit
    device: str
    versions: Mapping[str, str]
    measure: Callable[[Sequence[ModelFile], RowFile], list[Row]]


def meter_of(target: str) -> Meter:
    """Raises TargetError for a target that gives no profile, cannot be reached, or lacks a tool or an engine."""
    if target == "local":
        versions = {package: version(package) for package in ENGINE_PACKAGES.values()}
        return Meter("ms", describe_processor().name, versions, time_files)
    if target.startswith(EMULATED):
        core = emulated_core(target)
        device, versions = f"emulated {core.board.title}", emulated_versions(core)
        return Meter("instructions", device, versions, lambda files, rows: count_files(target, files, rows))
    if target.startswith(BOARD):
        machine = describe_board(target)
        return Meter("ms", machine.cpu, machine.packages, partial(time_files, source=partial(time_on_board, target)))
    if target.startswith(PHONE):
        machine = describe_phone(target)
        return Meter("ms", machine.cpu, machine.packages, partial(_time_onnx, target))
    raise TargetError(f"no profile of {target!r}: give one of {KNOWN}")


def _time_onnx(phone: str, files: Sequence[ModelFile], rows: RowFile) -> list[Row]:
    """On a phone, whose runner takes no others."""
    return time_files([file for file in files if file.engine == "onnx"], rows, source=partial(time_on_phone, phone))


def make_profile(target: str, students: Sequence[Drawn], folder: Path) -> Profile:
    """Exports what is missing in `folder`, measures what its rows lack, and fits.

    Raises TargetError, ExportError, EngineError or OutputError; what was measured until then is kept.
    """
    meter, started = meter_of(target), datetime.now(timezone.utc).isoformat(timespec="seconds")
    files = make_files(students, folder)
    rows = meter.measure(files, row_file(folder, target, meter, students))
    values = fastest(rows)
    lengths = [place.length for place in values]
    return Profile(
        target, meter.unit, meter.device, meter.versions, started, (min(lengths), max(lengths)),
        fit_table(values, students), tuple(Measured(place, value) for place, value in values.items()),
    )  # fmt: skip


def row_file(folder: Path, name: str, meter: Meter, students: Sequence[Drawn]) -> RowFile:
    """Rows of another device, engine or set of files lie in another file."""
    identity = repr((meter.device, sorted(meter.versions.items()), models_folder(folder, students).name)).encode()
    plain = "".join(c if c.isalnum() else "-" for c in name)
    return RowFile(folder / f"{plain}-{hashlib.sha256(identity).hexdigest()[:12]}.jsonl")


def fit_table(values: Mapping[Place, float], students: Sequence[Drawn]) -> dict[str, Fit]:
    """A fit for each engine and precision among the places."""
    counted = operators_at(values, students)
    kinds = dict.fromkeys((place.engine, place.precision) for place in values)
    found = {}
    for engine, precision in kinds:
        chosen = [place for place in values if (place.engine, place.precision) == (engine, precision)]
        found[kind_of(engine, precision)] = fit_rows(
            [counted[place.student, place.length] for place in chosen], [values[place] for place in chosen],
            [place.student for place in chosen], WEIGHT_BYTES[precision],
        )  # fmt: skip
    return found


def operators_at(places: Iterable[Place], students: Sequence[Drawn]) -> dict[tuple[str, int], tuple[Operator, ...]]:
    """What runs at every place, by the student's name and the length."""
    wanted = {(place.student, place.length) for place in places}
    found = {}
    for student in students:
        counted = operators_of(student, sorted(length for name, length in wanted if name == student.name))
        found.update({(student.name, length): operators for length, operators in counted.items()})
    return found
