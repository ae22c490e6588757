"""Published figures: runs a built-in recipe with several student seeds and writes its claims to docs/results.

    python -m penjing.pipeline.publish sst2 --seeds 1 2 3 --out runs/sst2 --to docs/results/sst2.json

A claim is a figure with its target (`targets.py`), whether it was met, and the command that makes it again (DESIGN,
section 5). Recipes that share an output folder share a teacher. Left out: judging; a missed target is written down as
missed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..compress.data import Split
from ..compress.models.checkpoint import load_student
from ..compress.models.folded import inference_form
from ..compress.teacher import load_teacher
from ..export.quantize import quantize_tflite
from ..export.to_tflite import export_tflite
from .claims import t_interval, to_microseconds
from .embedding.publish import embedding_result
from .embedding.sections import EmbeddingRecipe
from .goals import tokenized
from .proof import SPLITS, Made, Proof, torch_rows
from .prune import SUMMARY_NAME
from .recipe import load_recipe, load_text_recipe, recipe_to_yaml
from .report import Report
from .report_claims import Claims, size_claims, speed_claims
from .run import make_and_prove, run_recipe
from .sections import Recipe
from .targets import stated
from .text_files import read_json, read_split, write_json
from .workspace import Workspace


def main() -> None:
    """Reads the command line and publishes."""
    parser = argparse.ArgumentParser(description="Run a recipe with several seeds and write its claims.")
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--label", help="what claims are called, if not as the recipe: such as another machine's")
    arguments = parser.parse_args()
    publish(arguments.recipe, arguments.seeds, arguments.out, arguments.to, arguments.label)


def publish(name: str, seeds: Sequence[int], out: Path, target: Path, label: str | None = None) -> None:
    """Proves the student of every seed, runs the first one to its report, and writes the claims to `target`.

    Claims are called `label`.something, or by the recipe's own name, whose targets judge them either way.
    """
    overrides = [(f"distill.seed={seed}",) for seed in seeds]
    recipes = [load_recipe(name, changed) for changed in overrides]
    encoders = [recipe for recipe in recipes if isinstance(recipe, EmbeddingRecipe)]
    if encoders:
        result = embedding_result(encoders, out)
    else:
        result = text_result([load_text_recipe(name, changed) for changed in overrides], out)
    command = (
        f"python -m penjing.pipeline.publish {name} --seeds {' '.join(map(str, seeds))}"
        f" --out {out.as_posix()} --to {target.as_posix()}" + (f" --label {label}" if label else "")
    )
    own = recipes[0].name
    claims = [{**c, "id": (label or own) + c["id"].removeprefix(own), "command": command} for c in result["claims"]]
    run = None if result["run"] is None else to_microseconds(result["run"].to_json())
    written = {**result, "claims": claims, "recipe": recipe_to_yaml(recipes[0]), "seeds": list(seeds), "run": run}
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(target, written)


def text_result(recipes: Sequence[Recipe], out: Path) -> dict[str, Any]:
    """The claims of a recipe of text, whose copies differ by the student's seed, and what they were taken from."""
    space, name = Workspace(out), recipes[0].name
    with space.locked():
        made = [make_and_prove(recipe, space) for recipe in recipes]
        ratio = _signatures_cost(recipes[0], space, made[0])
    run_recipe(recipes[0], out)
    report = Report.from_json(read_json(out / "report.json"))
    claims = [
        *_quality(name, made),
        *_nearest(recipes[0], made),
        *_cutting(name, made),
        *size_claims(name, report),
        stated(f"{name}.signatures", ratio, "x", None, 1),
        *speed_claims(name, report),
    ]
    seeds = [str(recipe.distill.seed) for recipe in recipes]
    return {
        "claims": claims,
        "proofs": {seed: asdict(m.proof) for seed, m in zip(seeds, made, strict=True)},
        "curves": {seed: read_json(m.student / "history.json") for seed, m in zip(seeds, made, strict=True)},
        "teacher_curve": read_json(made[0].teacher / "history.json"),
        "run": report.run,
    }


def _quality(name: str, made: Sequence[Made]) -> Claims:
    for teacher in made[0].proof.teacher_torch:
        split = teacher.split
        values = [p.value for m in made for p in m.proof.student_torch if p.split == split]
        mean = float(np.mean(values))
        yield stated(f"{name}.teacher.{split}", teacher.value, teacher.metric, (teacher.low, teacher.high), teacher.n)
        yield stated(f"{name}.student.{split}", mean, teacher.metric, t_interval(values), teacher.n)
        if split == "validation":
            yield stated(f"{name}.loss", teacher.value - mean, "share", None, teacher.n)
    starts = [float(read_json(m.student / "history.json")["start"]) for m in made]
    n, metric = made[0].proof.agreement_n, made[0].proof.teacher_torch[0].metric
    yield stated(f"{name}.student.start", float(np.mean(starts)), metric, t_interval(starts), n)
    files = [p for m in made for p in m.proof.student if p.split == "validation"]
    drop = max(_drop(m.proof, kind) for m in made for kind in ("onnx", "tflite"))
    yield stated(f"{name}.int8.drop", max(0.0, drop), "share", None, files[0].n)
    worst = max(files, key=lambda p: p.flips)
    yield stated(f"{name}.flips", worst.flips / worst.n, "share", (worst.flip_low, worst.flip_high), worst.n)
    agreed = made[0].proof.agreement["model.int8.onnx"]
    yield stated(f"{name}.agreement", agreed / n, "share", None, n)


def _nearest(recipe: Recipe, made: Sequence[Made]) -> Claims:
    """Where texts are rejected: how often the nearest label is right, rejected or not, on the last split in scope."""
    if recipe.task.out_of_scope is None:
        return
    split = [p.split for p in made[0].proof.student_torch if p.split in SPLITS][-1]
    rows = read_split(made[0].data / f"{split}.jsonl")
    sides = (("teacher", load_teacher, [made[0].teacher]), ("student", load_student, [m.student for m in made]))
    for role, load, folders in sides:
        values = [_accuracy(recipe, rows, folder, load(folder)) for folder in folders]
        name = f"{recipe.name}.{role}.{split}.nearest"
        yield stated(name, float(np.mean(values)), "accuracy", t_interval(values), len(rows.texts))


def _accuracy(recipe: Recipe, rows: Split, folder: Path, model: Any) -> float:
    logits = np.array(torch_rows(model, tokenized(recipe, rows, folder)))
    return float((logits.argmax(1) == np.array(rows.labels)).mean())


def _cutting(name: str, made: Sequence[Made]) -> Claims:
    """How long plan, cut and recovery took, the slowest seed; nothing for a recipe that cuts nothing."""
    seconds = [
        sum(read_json(plan / SUMMARY_NAME).get("seconds", 0) for plan in m.pruned.plans)
        + read_json(m.student / "history.json")["seconds"]
        for m in made
        if m.pruned.plans
    ]
    if seconds:
        yield stated(f"{name}.minutes", max(seconds) / 60, "min", None, len(seconds))


def _drop(proof: Proof, kind: str) -> float:
    """How far the int8 file's metric lies below its own fp32 file's, on the validation text."""
    values = {p.file: p.value for p in proof.student if p.split == "validation"}
    return values[f"model.{kind}"] - values[f"model.int8.{kind}"]


def _signatures_cost(recipe: Recipe, space: Workspace, made: Made) -> float:
    """Size of the int8 TFLite file with all signatures over that of one with the longest alone."""

    def work(folder: Path) -> None:
        model = inference_form(load_student(made.student), recipe.task.max_length)
        export_tflite(model, folder / "one.tflite", sequence_lengths=(recipe.task.max_length,))
        quantize_tflite(folder / "one.tflite", folder / "one.int8.tflite")

    one = space.stage("one-signature", work, inputs=[made.student], settings={"length": recipe.task.max_length})
    all_bytes, one_bytes = ((p).stat().st_size for p in (made.files / "model.int8.tflite", one / "one.int8.tflite"))
    return all_bytes / one_bytes


if __name__ == "__main__":
    main()
