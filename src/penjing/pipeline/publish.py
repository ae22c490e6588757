"""Published figures: runs a built-in recipe with several student seeds and writes its claims to docs/results.

    python -m penjing.pipeline.publish sst2 --seeds 1 2 3 --out runs/sst2 --to docs/results/sst2.json

A claim is a figure with its target, whether it was met, and the command that makes it again (DESIGN, section 5). Left
out: judging; a missed target is written down as missed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..benchmarks.measurement import Condition
from ..benchmarks.results import Run
from ..compress.models.checkpoint import load_student
from ..compress.models.folded import inference_form
from ..export.quantize import quantize_tflite
from ..export.to_tflite import export_tflite
from .claims import make_claim, t_interval
from .proof import Made, Proof
from .recipe import load_recipe, recipe_to_yaml
from .report import Report
from .run import make_and_prove, run_recipe
from .sections import Recipe
from .text_files import read_json, write_json
from .workspace import Workspace

Claims = Iterator[dict[str, Any]]


def main() -> None:
    """Reads the command line and publishes."""
    parser = argparse.ArgumentParser(description="Run a recipe with several seeds and write its claims.")
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    publish(arguments.recipe, arguments.seeds, arguments.out, arguments.to)


def publish(name: str, seeds: Sequence[int], out: Path, target: Path) -> None:
    """Proves the student of every seed, runs the first one to its report, and writes the claims to `target`."""
    space = Workspace(out)
    recipes = [load_recipe(name, (f"distill.seed={seed}",)) for seed in seeds]
    with space.locked():
        made = [make_and_prove(recipe, space) for recipe in recipes]
        ratio = _signatures_cost(recipes[0], space, made[0])
    run_recipe(recipes[0], out)
    report = Report.from_json(read_json(out / "report.json"))
    command = f"python -m penjing.pipeline.publish {name} --seeds {' '.join(map(str, seeds))} --out {out} --to {target}"
    claims = [*_quality(name, made), *_sizes(name, report, ratio), *_speed(name, report)]
    result = {
        "claims": [{**claim, "command": command} for claim in claims],
        "recipe": recipe_to_yaml(recipes[0]),
        "seeds": list(seeds),
        "proofs": {str(seed): asdict(m.proof) for seed, m in zip(seeds, made, strict=True)},
        "curves": {str(seed): read_json(m.student / "history.json") for seed, m in zip(seeds, made, strict=True)},
        "teacher_curve": read_json(made[0].teacher / "history.json"),
        "run": None if report.run is None else _rounded_samples(report.run.to_json()),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(target, result)


def _quality(name: str, made: Sequence[Made]) -> Claims:
    for split, teacher_target, student_target in (("validation", "0.895", "0.888"), ("test", None, None)):
        judged = {p.split: p for p in made[0].proof.teacher_torch}
        if split not in judged:
            continue
        teacher = judged[split]
        values = [p.value for m in made for p in m.proof.student_torch if p.split == split]
        targets = (teacher_target, student_target) if name == "sst2" else (None, None)
        span = teacher.low, teacher.high
        yield _claim(f"{name}.teacher.{split}", teacher.value, "accuracy", span, teacher.n, ">=", targets[0])
        mean, interval = float(np.mean(values)), t_interval(values)
        yield _claim(f"{name}.student.{split}", mean, "accuracy", interval, teacher.n, ">=", targets[1])
    starts = [float(read_json(m.student / "history.json")["start"]) for m in made]
    n = made[0].proof.agreement_n
    yield _claim(f"{name}.student.start", float(np.mean(starts)), "accuracy", t_interval(starts), n, ">=", None)
    files = [p for m in made for p in m.proof.student if p.split == "validation"]
    drop = max(_drop(m.proof, kind) for m in made for kind in ("onnx", "tflite"))
    yield _claim(f"{name}.int8.drop", max(0.0, drop), "share", None, files[0].n, "<=", "0.005")
    worst = max(files, key=lambda p: p.flips)
    span = worst.flip_low, worst.flip_high
    yield _claim(f"{name}.flips", worst.flips / worst.n, "share", span, worst.n, "<=", "0.015")
    agreed, n = made[0].proof.agreement["model.int8.onnx"], made[0].proof.agreement_n
    yield _claim(f"{name}.agreement", agreed / n, "share", None, n, ">=", None)


def _sizes(name: str, report: Report, ratio: float) -> Claims:
    rows = {row.file: row for row in report.models if row.role == "student"}
    parameters = next(iter(rows.values())).total_parameters or 0
    yield _claim(f"{name}.student.parameters", parameters, "parameters", None, 1, "<=", "6100000")
    for file, row in rows.items():
        limit = "7" if file == "model.int8.onnx" else None
        yield _claim(f"{name}.{file}.size", row.bytes / 1e6, "MB", None, 1, "<=", limit)
    for kind in ("onnx", "tflite"):
        share = rows[f"model.int8.{kind}"].bytes / rows[f"model.{kind}"].bytes
        yield _claim(f"{name}.int8.{kind}.share", share, "share", None, 1, "<=", "0.3")
    yield _claim(f"{name}.signatures", ratio, "x", None, 1, "<=", "1.1")


def _speed(name: str, report: Report) -> Claims:
    run = report.run
    assert run is not None
    student, warm = "student int8 ONNX", Condition("warm", 128, 1)
    for teacher, target in (("teacher fp32 ONNX", "5"), ("teacher int8 ONNX", "2.2")):
        found = run.comparison(student, teacher, warm)
        if found is not None:
            identity = f"{name}.speed.{teacher.split()[1]}"
            yield _claim(identity, found.ratio, "x", (found.low, found.high), run.settings.rounds, ">=", target)
    for subject in (student, "teacher fp32 ONNX"):
        measured = run.find(subject, warm)
        if measured is not None:
            identity = f"{name}.{subject.split()[0]}.p50"
            yield _claim(identity, measured.p50, "ms", measured.p50_interval, len(measured.samples_ms), "<=", None)
    for cost in run.wrapper:
        if cost.subject == student:
            yield _claim(f"{name}.wrapper", cost.overhead, "x", (cost.low, cost.high), cost.n, "<=", "1.1")
    yield from _cold(name, run, student)


def _cold(name: str, run: Run, student: str) -> Claims:
    found = {m.subject: m for m in run.measurements if m.condition.kind in ("cold", "import")}
    own, peer = found[student], found["transformers pipeline"]
    n = len(own.samples_ms)
    yield _claim(f"{name}.cold.speed", peer.p50 / own.p50, "x", None, n, ">=", "8")
    if own.peak_rss_mb and peer.peak_rss_mb:
        yield _claim(f"{name}.cold.memory", peer.peak_rss_mb / own.peak_rss_mb, "x", None, n, ">=", "4")
    loaded = found["import penjing.runtime"]
    yield _claim(f"{name}.import", loaded.p50, "ms", loaded.p50_interval, len(loaded.samples_ms), "<", "150")


def _claim(
    identity: str, value: float, unit: str, interval: tuple[float, float] | None, n: int, sign: str, target: str | None
) -> dict[str, Any]:
    compared = {"<=": float.__le__, ">=": float.__ge__, "<": float.__lt__}[sign]
    met = True if target is None else bool(compared(float(value), float(target)))
    stated = {"target": None if target is None else f"{sign} {target}", "met": met}
    claim = make_claim(identity, value, unit, interval, n) | stated
    return claim if met else {**claim, "why": "missed in this run; see the samples in `run`"}


def _drop(proof: Proof, kind: str) -> float:
    """How far the int8 file's accuracy lies below its own fp32 file's, on the validation text."""
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


def _rounded_samples(run: dict[str, Any]) -> dict[str, Any]:
    """Rounds samples to the microsecond: the file stays readable and loses nothing that was measured."""

    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 5)
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items()}
        return [rounded(item) for item in value] if isinstance(value, list) else value

    plain: dict[str, Any] = rounded(run)
    return plain


if __name__ == "__main__":
    main()
