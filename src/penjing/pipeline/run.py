"""A run from recipe to report, as a table of contents: one call an arrow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..runtime.errors import ExportError
from .fit import ask_teacher, read_corpora, read_data, train_student, train_teacher
from .judge import measure_bundles, write_reports
from .proof import Proof, prove_files
from .recipe import Recipe
from .ship import export_student, export_teacher, ship_bundles
from .workspace import Workspace, is_first_process


@dataclass(frozen=True)
class Made:
    """The folders of the stages up to the proof."""

    data: Path
    teacher: Path
    student: Path
    files: Path
    teacher_files: Path
    proof: Proof


def run_recipe(recipe: Recipe, out: Path) -> Path:
    """Does every stage that is not done yet and returns the bundle, `out/bundle`; the report lies beside it.

    Raises PenjingError for bad input, an output folder that cannot be written, or a file beyond its limits; then the
    report says which file, by how much, and where it goes wrong first.
    """
    space = Workspace(out)
    with space.locked():
        made = make_and_prove(recipe, space)
        if made.proof.broken:
            if is_first_process():
                write_reports(recipe, space, made.data, made.teacher, made.student, made.files, made.teacher_files,
                              made.proof, measured=None)  # fmt: skip
            sentences = "; ".join(made.proof.broken)
            raise ExportError(f"{sentences}; see {out / 'report.html'}, then retrain or change limits")
        shipped = ship_bundles(recipe, space, made.data, made.teacher, made.student, made.files, made.teacher_files,
                               made.proof)  # fmt: skip
        measured = measure_bundles(recipe, space, made.data, made.teacher, shipped)
        if is_first_process():
            write_reports(recipe, space, made.data, made.teacher, made.student, made.files, made.teacher_files,
                          made.proof, measured)  # fmt: skip
    return shipped.student


def make_and_prove(recipe: Recipe, space: Workspace) -> Made:
    """Everything up to the proof: what has to be right before anything is shipped or measured."""
    data = read_data(recipe, space)
    corpus = read_corpora(recipe, space)
    teacher = train_teacher(recipe, space, data)
    outputs = ask_teacher(recipe, space, data, corpus, teacher)
    student = train_student(recipe, space, data, corpus, teacher, outputs)
    files = export_student(recipe, space, student)
    teacher_files = export_teacher(recipe, space, teacher)
    proof = prove_files(recipe, space, data, teacher, student, files, teacher_files)
    return Made(data, teacher, student, files, teacher_files, proof)
