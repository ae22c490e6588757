"""The stages that measure a detector's bundle on this machine and write its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from ...benchmarks.plan import Plan, subjects_of
from ...benchmarks.results import Run
from ...benchmarks.targets.local import measure
from ...compress.samples import SampleSet
from ...export.model_facts import read_model_facts
from ...runtime.bundle import open_bundle
from ...runtime.calibration import few_rows
from ...runtime.manifest import MANIFEST_NAME
from ..report.detection import DetectionReport, DetectorRow, FileRow, ScoredPart
from ..report.detection_page import write_detection_report
from ..report.model import Share
from ..ship import BUNDLE, model_files
from ..text_files import read_json, write_json
from ..workspace import Workspace, file_digest, in_first_process
from .baselines import score_baselines
from .proof import Made, Proof, Scores, read_proof, read_scores
from .quality import FILE, judge_detector, policy_alarms, read_quality
from .samples import read_facts, read_part
from .sections import DetectorRecipe


def measure_detector(recipe: DetectorRecipe, space: Workspace, made: Made) -> Path:
    """`run.json`: every file of the bundle in one interleaved run."""
    bundle = space.root / BUNDLE

    def work(folder: Path) -> None:
        window, settings = read_facts(made.data)["window"], recipe.benchmark
        plan = Plan(
            samples=read_part(made.data, "test").rows[: settings.samples].astype(np.float32), lengths=(window,),
            threads=settings.threads, rounds=settings.rounds, repeats=settings.repeats,
            cold_rounds=settings.cold_rounds, seed=recipe.seed,
        )  # fmt: skip
        subjects = subjects_of([("", open_bundle(bundle))], lambda _, file: file)
        write_json(folder / "run.json", measure(subjects, plan).to_json())

    settings = {"benchmark": recipe.benchmark.model_dump(), "bundle": file_digest(bundle / MANIFEST_NAME)}
    return space.stage("detector-measured", work, inputs=[made.data], settings=settings)


def report_detector(recipe: DetectorRecipe, space: Workspace, made: Made, measured: Path | None) -> None:
    """`report.html`, `report.json` and `report.md` in the output folder. Without `measured`, of a run that failed."""
    rows = read_quality(judge_detector(recipe, space, made))
    baselines = read_scores(score_baselines(recipe, space, made.data), "test")
    in_first_process(lambda: write_detection_report(space.root, _report(recipe, made, rows, baselines, measured)))


def _report(
    recipe: DetectorRecipe, made: Made, rows: tuple[DetectorRow, ...], baselines: Mapping[str, Scores],
    measured: Path | None,
) -> DetectionReport:  # fmt: skip
    facts, proof, fitted = read_facts(made.data), read_proof(made.proof), read_json(made.fitted / "fit.json")
    best = preferred(rows)
    test, scores = read_part(made.data, "test"), read_scores(made.proof, "test")[best.label]
    few = few_rows(proof.thresholds[best.label])
    verdict = fitted["verdict"]
    return DetectionReport(
        recipe=recipe.name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        detector=f"{recipe.detector.kind}, {fitted['numbers']:,} numbers, fitted in {fitted['seconds']:.1f} s",
        regime="normal samples alone" if recipe.data.regime == "normals" else "samples with anomalies among them",
        rows=facts["rows"], features=tuple(facts["features"]), window=facts["window"],
        asked=f"{recipe.alarms.method} threshold, asked {recipe.alarms.false_alarms:.2%}",
        best=best.label, models=rows, files=_files(made, proof),
        verdict=verdict and f"{'shipped' if verdict['passed'] else 'not shipped'}: {verdict['sentence']}",
        notes=(*facts["notes"], *((few,) if few else ())),
        scores=tuple(_scored(recipe, best, test, scores, baselines)),
        labels=() if test.labels is None else tuple((~test.normal).tolist()),
        times=() if test.times is None else tuple(test.times.tolist()),
        run=None if measured is None else Run.from_json(read_json(measured / "run.json")),
        failures=proof.broken,
    )  # fmt: skip


def preferred(rows: tuple[DetectorRow, ...]) -> DetectorRow:
    """The file that `penjing.runtime.load` takes: ONNX before TFLite, int8 before fp32."""
    files = [row for row in rows if row.role == FILE]
    return min(files, key=lambda row: (not row.label.endswith(".onnx"), ".int8." not in row.label))


def _files(made: Made, proof: Proof) -> tuple[FileRow, ...]:
    paths = model_files(made.files)
    return tuple(
        FileRow(
            p.file, paths[p.file].stat().st_size, read_model_facts(paths[p.file]).nodes, p.n, p.difference, p.rank,
            Share(p.flips, p.normals, p.flip_low, p.flip_high),
        )
        for p in proof.files
    )  # fmt: skip


def _scored(
    recipe: DetectorRecipe, best: DetectorRow, test: SampleSet, scores: Scores, others: Mapping[str, Scores]
) -> Iterator[ScoredPart]:
    """The best file's scores, of a series with its alarms and the channel that is farthest out, then the baselines'."""
    rounded = tuple(np.round(scores, 6).tolist())
    part = ScoredPart(best.label, rounded, best.threshold)
    if recipe.data.kind == "series":
        rows = test.rows[:, -1]
        spread = np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1)
        channel = int((np.abs(rows[scores.argmax()] - np.median(rows, axis=0)) / spread).argmax())
        alarms = tuple(policy_alarms(recipe, scores > best.threshold).tolist())
        part = replace(part, alarms=alarms, channel=test.features[channel], values=tuple(rows[:, channel].tolist()))
    yield part
    for label, found in others.items():
        yield ScoredPart(label, tuple(np.round(found, 6).tolist()), 0.0)
