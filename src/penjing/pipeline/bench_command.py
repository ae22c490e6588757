"""`penjing bench`: measures bundles on one target or several. Left out: measuring itself (`benchmarks/targets/`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..runtime.bundle import open_bundle
from ..runtime.errors import DataError, OutputError, PenjingError, TargetError, writing
from .extras import require
from .terminal import note

if TYPE_CHECKING:
    from ..benchmarks.plan import Plan, Subject
    from ..benchmarks.results import Run

PACED_REPEATS = 1
"""One call a round, because every call takes a second."""

TARGET_HELP = "local, qemu:CPU, ssh://[user@]host[:port], adb://[serial], or a name of targets.yaml. Repeatable."


def bench(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="One or more bundles' folders.")],
    target: Annotated[list[str] | None, typer.Option(metavar="TARGET", help=f"{TARGET_HELP} local if none.")] = None,
    targets: Annotated[Path | None, typer.Option(metavar="FILE", help="Every device of a targets.yaml.")] = None,
    mode: Annotated[
        Literal["burst", "paced", "sustained"],
        typer.Option(help="Calls back to back, one a second as an app asks, or back to back for minutes."),
    ] = "burst",
    length: Annotated[
        list[int] | None, typer.Option(min=2, help="Tokens of a text; repeatable. 32 and 128 if none.")
    ] = None,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="Repeatable. 1 and 2 if not given.")] = None,
    cores: Annotated[
        str | None, typer.Option(metavar="0,1", help="The cores that the measured process may use; all if not given.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long a sustained run lasts.")] = 600,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write everything, raw samples too; of several targets, NAME.TARGET.json each."),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write pages with pictures, one a target.")] = None,
) -> None:
    """Measures every model file of the bundles, side by side in one interleaved run on each target.

    The texts, or a detector's samples, are the goldens of the first bundle. A difference below the noise floor is
    called none, and every figure has a verdict on whether it may be believed. Emulated cores give parity with this
    machine and instructions per inference, no time.

    \b
    Examples:
      penjing bench runs/assistant/bundle
      penjing bench runs/a/bundle runs/b/bundle --length 64 --threads 1 --json bench.json
      penjing bench runs/assistant/bundle --target local --target qemu:cortex-a72 --report pages
      penjing bench runs/assistant/bundle --target ssh://pi@192.168.1.7 --mode sustained --threads 4
      penjing bench runs/bearings/bundle --targets targets.yaml --mode paced
    """
    require("benchmarks")
    from ..benchmarks.plan import subjects_of
    from .devices import chosen_targets

    chosen = chosen_targets(target or [], targets)
    for out in (json_file, report):
        _check_folder(out)
    opened = [open_bundle(folder) for folder in bundles]
    plan = _plan(opened, length, tuple(threads or (1, 2)), mode, _cores(cores), seconds)
    many = len(opened) > 1
    subjects = subjects_of(
        [(str(bundle.folder), bundle) for bundle in opened],
        lambda folder, file: f"{folder}: {file}" if many else file,
    )
    runs: dict[str, Run] = {}
    failed: list[str] = []
    for name, address in chosen.items():
        try:
            runs[name] = _measure(name, address, subjects, plan, json_file, len(chosen) > 1)
        except PenjingError as error:
            if len(chosen) == 1:
                raise
            note(f"{name}: {error}")
            failed.append(name)
    if report is not None and runs:
        _write_report(runs, report)
    if failed:
        raise TargetError(f"{len(failed)} of {len(chosen)} targets were not measured: {', '.join(failed)}, see above")


def _measure(
    name: str, address: str, subjects: Sequence[Subject], plan: Plan, json_file: Path | None, many: bool
) -> Run:
    """Measures on one target, writes and prints what came of it."""
    from ..benchmarks.targets import measure_on
    from .bench_tables import print_run

    if many:
        note(f"measuring on {name}" + ("" if name == address else f" ({address})"))
    run = measure_on(address, subjects, plan)
    if json_file is not None:
        place = json_file.with_name(f"{json_file.stem}.{_file_name(name)}.json") if many else json_file
        _write(place, json.dumps(run.to_json(), allow_nan=False) + "\n")
    print_run(run)
    return run


def _plan(
    opened: Sequence[object], length: list[int] | None, threads: tuple[int, ...], mode: str,
    cores: tuple[int, ...] | None, seconds: float,
) -> Plan:  # fmt: skip
    from dataclasses import replace

    from .golden_plan import golden_plan

    plan = golden_plan(opened, length, threads)  # type: ignore[arg-type]
    repeats = PACED_REPEATS if mode == "paced" else plan.repeats
    return replace(plan, mode=mode, cores=cores, seconds=seconds, repeats=repeats)  # type: ignore[arg-type]


def _cores(words: str | None) -> tuple[int, ...] | None:
    if words is None:
        return None
    parts = [part.strip() for part in words.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise DataError(f"--cores {words!r}: give numbers with commas, such as 0,1")
    return tuple(sorted({int(part) for part in parts}))


def _check_folder(out: Path | None) -> None:
    if out is not None and not out.absolute().parent.is_dir():
        raise OutputError(f"no folder {out.absolute().parent} for {out.name}: make it, or choose another")


def _write_report(runs: dict[str, Run], folder: Path) -> None:
    from .report.target_pages import write_target_report

    page = write_target_report(list(runs.values()), list(runs), folder)
    note(f"report: {page}")


def _write(path: Path, text: str) -> None:
    with writing(path, "choose another"):
        path.write_text(text, encoding="utf-8")


def _file_name(name: str) -> str:
    """An address as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name).strip("-")
