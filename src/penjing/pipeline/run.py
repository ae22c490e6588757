"""A run from recipe to report, as a table of contents: one call an arrow."""

from __future__ import annotations

from pathlib import Path

from ..runtime.errors import ExportError
from .fit import ask_teacher, read_corpora, read_data, train_student, train_teacher
from .judge import measure_bundles, write_reports
from .proof import prove_files
from .recipe import Recipe
from .ship import export_student, export_teacher, ship_bundles
from .workspace import Workspace, is_first_process


def run_recipe(recipe: Recipe, out: Path) -> Path:
    """Does every stage that is not done yet and returns the bundle, `out/bundle`; the report lies beside it.

    Raises PenjingError for bad input, an output folder that cannot be written, or a file beyond its limits; then the
    report says which file, by how much, and where it goes wrong first.
    """
    space = Workspace(out)
    with space.locked():
        data = read_data(recipe, space)
        corpus = read_corpora(recipe, space)
        teacher = train_teacher(recipe, space, data)
        outputs = ask_teacher(recipe, space, data, corpus, teacher)
        student = train_student(recipe, space, data, corpus, teacher, outputs)
        files = export_student(recipe, space, student)
        teacher_files = export_teacher(recipe, space, teacher)
        proof = prove_files(recipe, space, data, teacher, student, files, teacher_files)
        if proof.broken:
            if is_first_process():
                write_reports(recipe, space, data, teacher, student, files, teacher_files, proof, measured=None)
            raise ExportError(f"{'; '.join(proof.broken)}; see {out / 'report.html'}, then retrain or change limits")
        shipped = ship_bundles(recipe, space, data, teacher, student, files, teacher_files, proof)
        measured = measure_bundles(recipe, space, data, teacher, shipped)
        if is_first_process():
            write_reports(recipe, space, data, teacher, student, files, teacher_files, proof, measured)
    return shipped.student
