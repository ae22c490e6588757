"""A run from recipe to report, as a table of contents: one call an arrow."""

from __future__ import annotations

from pathlib import Path

from ..runtime.errors import ExportError
from .fit import Sources, ask_teacher, read_corpora, read_data, train_student, train_teacher
from .judge import measure_bundles, write_reports
from .proof import Made, prove_student, prove_teacher
from .prune import plan_cut, prune_student
from .retrain import retrain_for_int8
from .sections import Recipe
from .ship import export_student, export_teacher, ship_bundles
from .workspace import Workspace


def run_recipe(recipe: Recipe, out: Path) -> Path:
    """Does every stage that is not done yet and returns the bundle, `out/bundle`; the report lies beside it.

    Raises PenjingError for bad input, an output folder that cannot be written, or a file beyond its limits; then the
    report says which file, by how much, and where it goes wrong first.
    """
    space = Workspace(out)
    with space.locked():
        made = make_and_prove(recipe, space)
        if made.proof.broken:
            write_reports(recipe, space, made, measured=None)
            sentences = "; ".join(made.proof.broken)
            raise ExportError(f"{sentences}; see {out / 'report.html'}, then retrain or change limits")
        shipped = ship_bundles(recipe, space, made)
        measured = measure_bundles(recipe, space, made, shipped)
        write_reports(recipe, space, made, measured)
    return shipped.student


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


def plan_first_round(recipe: Recipe, out: Path) -> Path:
    """Everything up to the first plan of a cut, whose folder is returned. Nothing is cut."""
    space = Workspace(out)
    with space.locked():
        sources = make_sources(recipe, space)
        return plan_cut(recipe, space, sources, train_student(recipe, space, sources), 0)
