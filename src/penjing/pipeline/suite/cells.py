"""One cell of the table with one seed: a folder with a bundle, its report, the recipe, and `cell.json`.

A cell that fails says so in its `cell.json`, and is tried again when the suite runs again; one that is done is left
alone as long as its recipe, its data and Penjing are the same. Left out: where cells run (`runners.py`, `on_ray.py`)
and latencies, which are measured when nothing else runs (`times.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ... import __version__
from ...benchmarks.plain import from_plain, to_plain
from ...runtime.bundle import Bundle, open_bundle
from ...runtime.errors import PenjingError
from ..recipe import AnyRecipe, load_recipe, recipe_to_yaml, resolve_path
from ..run import run_in
from ..ship import BUNDLE, TEACHER_BUNDLE
from ..text_files import read_json, write_json
from ..workspace import file_digest
from .shared import SharedWorkspace

RECIPE_NAME, CELL_NAME, ERROR_NAME = "recipe.yaml", "cell.json", "error.txt"


@dataclass(frozen=True)
class Job:
    """A cell to make with a seed: its `folder`, the `stages` that all share, and a hash of all that decides it."""

    cell: str
    seed: int
    folder: str
    stages: str
    identity: str

    @property
    def label(self) -> str:
        """For people, and for what is timed."""
        return f"{self.cell}, seed {self.seed}"


@dataclass(frozen=True)
class FileFigure:
    """One model file of the bundle on one split of held-out data: its metric with the 95% interval over that data."""

    file: str
    bytes: int
    metric: str
    split: str
    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CellResult:
    """What came of a job; `error` says why it failed, in one line.

    `file` is the one that the runtime takes. `parameters` are all, `non_embedding` those without tables; None where the
    report does not say. `stages` are the seconds that each took, whoever made it, and `minutes` their sum: what the
    cell would take alone. `p50_ms` is the file's median latency under `condition`, None until all cells are timed.
    """

    cell: str
    seed: int
    identity: str
    error: str = ""
    file: str = ""
    figures: tuple[FileFigure, ...] = ()
    parameters: int | None = None
    non_embedding: int | None = None
    minutes: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    p50_ms: float | None = None
    condition: str = ""

    @property
    def figure(self) -> FileFigure:
        """Of the file that the runtime takes: on the test split where there is one, since no epoch was chosen by it."""
        own = [figure for figure in self.figures if figure.file == self.file]
        return next((figure for figure in own if figure.split == "test"), own[0])


def make_job(cell: str, seed: int, recipe: AnyRecipe, out: Path) -> Job:
    """The job, with its recipe written into its folder."""
    folder = out / "cells" / cell / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECIPE_NAME).write_text(recipe_to_yaml(recipe), encoding="utf-8", newline="\n")
    told = json.dumps([__version__, recipe.model_dump(mode="json"), list(_digests(recipe.model_dump(mode="json")))])
    identity = hashlib.sha256(told.encode()).hexdigest()[:16]
    return Job(cell, seed, str(folder.absolute()), str((out / "stages").absolute()), identity)


def finished(job: Job) -> CellResult | None:
    """What was made of this very job before; None where it has to be made, also because it failed."""
    result = read_result(job)
    bundle = Path(job.folder) / BUNDLE
    return result if result and result.identity == job.identity and not result.error and bundle.is_dir() else None


def read_result(job: Job) -> CellResult | None:
    """The job's `cell.json`; None without one that can be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return from_plain(CellResult, read_json(Path(job.folder) / CELL_NAME))
    return None


def write_result(job: Job, result: CellResult) -> CellResult:
    """Into the job's `cell.json`, whole or not at all."""
    path = Path(job.folder) / CELL_NAME
    part = path.with_name(f".{CELL_NAME}.part")
    write_json(part, to_plain(result))
    os.replace(part, path)
    return result


def run_job(job: Job) -> CellResult:
    """Makes the cell and writes its `cell.json`. Every error but an interrupt becomes a result."""
    space = SharedWorkspace(Path(job.folder), Path(job.stages))
    try:
        bundle = run_in(load_recipe(str(space.root / RECIPE_NAME)), space, timed=False)
        result = _describe(job, open_bundle(bundle), space)
    except Exception as error:
        (space.root / ERROR_NAME).write_text(traceback.format_exc(), encoding="utf-8")
        result = failure(job, str(error) if isinstance(error, PenjingError) else f"{type(error).__name__}: {error}")
    # The same in every cell; what it would be timed for, the cells are timed for beside each other.
    shutil.rmtree(space.root / TEACHER_BUNDLE, ignore_errors=True)
    return write_result(job, result)


def failure(job: Job, reason: str) -> CellResult:
    """The result of a job that failed."""
    return CellResult(job.cell, job.seed, job.identity, error=" ".join(reason.split()) or "no reason was given")


def _describe(job: Job, bundle: Bundle, space: SharedWorkspace) -> CellResult:
    manifest, seconds = bundle.manifest, space.seconds()
    figures = tuple(
        FileFigure(q.file, manifest.files[q.file].bytes, q.metric, q.split, q.n, q.value, q.low, q.high)
        for q in manifest.quality
    )
    parameters, non_embedding = _parameters(space.root / "report.json")
    if not any(figure.file == bundle.model_files[0] for figure in figures):
        return failure(job, f"its bundle says no quality of {bundle.model_files[0]}, so that nothing can be compared")
    return CellResult(
        job.cell, job.seed, job.identity, file=bundle.model_files[0], figures=figures, parameters=parameters,
        non_embedding=non_embedding, minutes=round(sum(seconds.values()) / 60, 3), stages=seconds,
    )  # fmt: skip


def _parameters(report: Path) -> tuple[int | None, int | None]:
    rows = [row for row in read_json(report)["models"] if row.get("total_parameters")]
    return (rows[0]["total_parameters"], rows[0]["non_embedding_parameters"]) if rows else (None, None)


def _digests(plain: Any) -> Iterator[str]:
    """Hashes of the files that the recipe names, so that a changed data file makes its cells anew."""
    if isinstance(plain, str):
        path = resolve_path(plain.partition("::")[0])
        for file in (path, path / "model.safetensors"):
            with suppress(OSError, ValueError):
                if plain and file.is_file():
                    yield _digest(file, file.stat().st_mtime_ns)
    elif isinstance(plain, (list, tuple, dict)):
        for item in plain.values() if isinstance(plain, dict) else plain:
            yield from _digests(item)


@cache
def _digest(file: Path, changed: int) -> str:
    """Once for all cells, however large; `changed` is when the file was written."""
    return file_digest(file)
