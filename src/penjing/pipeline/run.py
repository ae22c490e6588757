"""A run from recipe to report, as a table of contents: one call an arrow."""

from __future__ import annotations

from pathlib import Path

from .fit import ask_teacher, read_corpora, read_data, train_student, train_teacher
from .recipe import Recipe
from .ship import export_files, measure_bundles, prove_files, refuse_beyond_limits, ship_bundles, write_reports
from .workspace import Workspace, is_first_process


def run_recipe(recipe: Recipe, out: Path) -> Path:
    """Does every stage that is not done yet and returns the bundle, `out/bundle`; the report lies beside it.

    Raises PenjingError for bad input, an output folder that cannot be written, or a file beyond its limits.
    """
    space = Workspace(out)
    with space.locked():
        data = read_data(recipe, space)
        corpus = read_corpora(recipe, space)
        teacher = train_teacher(recipe, space, data)
        outputs = ask_teacher(recipe, space, data, corpus, teacher)
        student = train_student(recipe, space, data, corpus, teacher, outputs)
        exported = export_files(recipe, space, teacher, student)
        proof = prove_files(recipe, space, data, teacher, student, exported)
        if is_first_process():
            refuse_beyond_limits(recipe, space, data, teacher, student, exported, proof)
        bundles = ship_bundles(recipe, space, data, teacher, student, exported, proof)
        measured = measure_bundles(recipe, space, data, teacher, bundles)
        if is_first_process():
            write_reports(recipe, space, data, teacher, student, proof, bundles, measured)
    return out / "bundle"
