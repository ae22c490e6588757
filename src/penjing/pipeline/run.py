"""A run from recipe to report, as a table of contents: one call an arrow, the same for text and for detectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime.errors import ExportError
from .ask import ask_teacher, read_words
from .assistant import with_assistant
from .augmented import augment_corpus
from .detection.fit import fit_detector
from .detection.judge import measure_detector, report_detector
from .detection.proof import Made as MadeDetector
from .detection.proof import prove_detector
from .detection.samples import read_samples
from .detection.sections import DetectorRecipe
from .detection.ship import describe_detector, export_detector, ship_detector
from .embedding.fit import make_sources as make_embedding_sources
from .embedding.fit import train_sentence_student
from .embedding.judge import measure_embedding, report_embedding
from .embedding.proof import Made as MadeEmbedding
from .embedding.proof import prove_encoder, prove_sentence_student
from .embedding.sections import EmbeddingRecipe
from .embedding.ship import export_encoder, export_sentence_student, ship_embedding
from .fit import Sources, train_student, train_teacher
from .general import teach_generally
from .judge import measure_bundles, write_reports
from .method_check import check_method
from .proof import Made, prove_student, prove_teacher
from .prune import check_plannable, plan_to_show, prune_student
from .reading import read_corpora, read_data
from .recipe import AnyRecipe
from .retrain import remedy, retrain_for_int8
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
    return run_in(recipe, Workspace(out))


def run_in(recipe: AnyRecipe, space: Workspace, *, timed: bool = True) -> Path:
    """The same in a working folder that is already one. Not `timed`, where other work would spoil every latency."""
    line = LINES.get(type(recipe), TEXT)
    with space.locked():
        made = line.make(recipe, space)
        if made.broken:
            line.report(recipe, space, made, None)
            sentences = "; ".join(made.broken)
            raise ExportError(f"{sentences}; see {space.root / 'report.html'}, then {remedy(recipe, made)}")
        bundle = line.ship(recipe, space, made)
        measured = line.measure(recipe, space, made) if timed else None
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
    check_method(recipe)
    data = read_data(recipe, space)
    corpus = augment_corpus(recipe, space, data, read_corpora(recipe, space, data))
    words = read_words(recipe, space, data, corpus)
    teacher = train_teacher(recipe, space, data, corpus)
    if recipe.teacher.inverted_bottleneck is not None:
        return with_assistant(recipe, space, data, corpus, teacher)
    outputs = ask_teacher(recipe, space, data, corpus, teacher)
    return Sources(data, corpus, teacher, outputs, general=teach_generally(recipe, space, data), words=words)


def make_detector(recipe: DetectorRecipe, space: Workspace) -> MadeDetector:
    """The same of a detector: its teacher is the fitted detector, its student the small network that may replace it."""
    data = read_samples(recipe, space)
    fitted = fit_detector(recipe, space, data)
    files = export_detector(recipe, space, data, fitted)
    proof = prove_detector(recipe, space, data, fitted, files)
    return MadeDetector(data, fitted, describe_detector(recipe, space, data, files, proof), proof)


def make_embedding(recipe: EmbeddingRecipe, space: Workspace) -> MadeEmbedding:
    """The same of a sentence encoder: its student learns its teacher's vectors."""
    sources = make_embedding_sources(recipe, space)
    student = train_sentence_student(recipe, space, sources)
    files = export_sentence_student(recipe, space, student)
    teacher_files = export_encoder(recipe, space, sources.teacher)
    teacher_proof = prove_encoder(recipe, space, sources.data, sources.teacher, teacher_files)
    proof = prove_sentence_student(recipe, space, sources.data, student, files)
    return MadeEmbedding(sources.data, sources.teacher, student, files, teacher_files, proof, teacher_proof)


def plan_first_round(recipe: Recipe, out: Path) -> Path:
    """Everything up to the first plan of a cut, whose folder is returned. Nothing is cut.

    Raises PruningError, before anything is computed, for a recipe that has no plan.
    """
    check_plannable(recipe)
    space = Workspace(out)
    with space.locked():
        sources = make_sources(recipe, space)
        return plan_to_show(recipe, space, sources, train_student(recipe, space, sources))


TEXT = Line(make_and_prove, ship_bundles, measure_bundles, write_reports)
DETECTION = Line(make_detector, ship_detector, measure_detector, report_detector)
EMBEDDING = Line(make_embedding, ship_embedding, measure_embedding, report_embedding)
LINES: dict[type, Line] = {DetectorRecipe: DETECTION, EmbeddingRecipe: EMBEDDING}
"""By the kind of recipe; text for others."""
