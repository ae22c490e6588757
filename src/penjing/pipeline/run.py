"""A run from recipe to report, as a table of contents: one call an arrow, the same for text and for detectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime.errors import ExportError
from .detection.fit import fit_detector
from .detection.judge import measure_detector, report_detector
from .detection.proof import Made as MadeDetector
from .detection.proof import prove_detector
from .detection.samples import read_samples
from .detection.sections import DetectorRecipe
from .detection.ship import describe_detector, export_detector, ship_detector
from .fit import Sources, ask_teacher, read_corpora, read_data, train_student, train_teacher
from .judge import measure_bundles, write_reports
from .proof import Made, prove_student, prove_teacher
from .prune import plan_cut, prune_student
from .recipe import AnyRecipe
from .retrain import retrain_for_int8
from .sections import Recipe
from .ship import export_student, export_teacher, ship_bundles
from .workspace import Workspace


@dataclass(frozen=True)
class Line:
    """The arrows of one kind of recipe: `make` proves what it makes, and its `.broken` says which limits were broken;
    `ship` returns the bundle; `report` gets None for what was not measured."""

    make: Callable[[Any, Workspace], Any]
    ship: Callable[[Any, Workspace, Any], Path]
    measure: Callable[[Any, Workspace, Any], Path]
    report: Callable[[Any, Workspace, Any, Path | None], None]


def run_recipe(recipe: AnyRecipe, out: Path) -> Path:
    """Does every stage that is not done yet and returns the bundle, `out/bundle`; the report lies beside it.

    Raises PenjingError for bad input, an output folder that cannot be written, or a file beyond its limits; then the
    report says which file, by how much, and where it goes wrong first.
    """
    space, line = Workspace(out), DETECTION if isinstance(recipe, DetectorRecipe) else TEXT
    with space.locked():
        made = line.make(recipe, space)
        if made.broken:
            line.report(recipe, space, made, None)
            sentences = "; ".join(made.broken)
            raise ExportError(f"{sentences}; see {out / 'report.html'}, then retrain or change limits")
        bundle = line.ship(recipe, space, made)
        measured = line.measure(recipe, space, made)
        line.report(recipe, space, made, measured)
    return bundle


def make_and_prove(recipe: Recipe, space: Workspace) -> Made:
    """Everything up to the proof: what has to be right before anything is shipped or measured."""
    sources = make_sources(recipe, space)
    student = train_student(recipe, space, sources)
    pruned = prune_student(recipe, space, sources, student)
    files = export_student(recipe, space, pruned.student)
    teacher_files = export_teacher(recipe, space, sources.teacher)
    teacher_proof = prove_teacher(recipe, space, sources.data, sources.teacher, teacher_files)
    proof = prove_student(recipe, space, sources.data, pruned.student, files, teacher_proof)
    made = Made(sources.data, sources.teacher, pruned, files, teacher_files, teacher_proof, proof)
    return retrain_for_int8(recipe, space, sources, made)


def make_sources(recipe: Recipe, space: Workspace) -> Sources:
    """What every student learns from: text, the teacher, and what it says of the text."""
    data = read_data(recipe, space)
    corpus = read_corpora(recipe, space)
    teacher = train_teacher(recipe, space, data)
    return Sources(data, corpus, teacher, ask_teacher(recipe, space, data, corpus, teacher))


def make_detector(recipe: DetectorRecipe, space: Workspace) -> MadeDetector:
    """The same of a detector: its teacher is the fitted detector, its student the small network that may replace it."""
    data = read_samples(recipe, space)
    fitted = fit_detector(recipe, space, data)
    files = export_detector(recipe, space, data, fitted)
    proof = prove_detector(recipe, space, data, fitted, files)
    return MadeDetector(data, fitted, describe_detector(recipe, space, data, files, proof), proof)


def plan_first_round(recipe: Recipe, out: Path) -> Path:
    """Everything up to the first plan of a cut, whose folder is returned. Nothing is cut."""
    space = Workspace(out)
    with space.locked():
        sources = make_sources(recipe, space)
        return plan_cut(recipe, space, sources, train_student(recipe, space, sources), 0)


TEXT = Line(make_and_prove, ship_bundles, measure_bundles, write_reports)
DETECTION = Line(make_detector, ship_detector, measure_detector, report_detector)
