"""The stages that measure a sentence encoder's bundles on this machine and write the report."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from ...benchmarks.plan import Plan, subjects_of
from ...benchmarks.results import Run
from ...benchmarks.targets.local import measure
from ...compress.embedding.teacher import read_sentence_encoder
from ...compress.models.checkpoint import count_parameters
from ...export.verify import wilson_interval
from ...runtime.bundle import open_bundle
from ...runtime.manifest import MANIFEST_NAME
from ..proof import TORCH
from ..report import Curve, CurvePoint, DataSummary, ModelRow, Report, Share, write_report
from ..ship import BUNDLE, TEACHER_BUNDLE, model_files
from ..text_files import read_json, write_json
from ..workspace import Workspace, file_digest, in_first_process
from .fit import read_split
from .proof import Made, Proof, VectorProof, load_sentence_student
from .sections import EmbeddingRecipe

STUDENT, TEACHER = "student", "teacher"
ENGINES = {".onnx": "ONNX", ".tflite": "TFLite"}


def measure_embedding(recipe: EmbeddingRecipe, space: Workspace, made: Made) -> Path:
    """`run.json`: every file of both bundles in one interleaved run."""
    bundles = {STUDENT: space.root / BUNDLE, TEACHER: space.root / TEACHER_BUNDLE}

    def work(folder: Path) -> None:
        texts = [pair.first for pair in read_split(made.data, "validation")][: recipe.benchmark.texts]
        settings = recipe.benchmark.model_dump(exclude={"texts"})
        subjects = subjects_of([(role, open_bundle(bundle)) for role, bundle in bundles.items()], _label)
        run = measure(subjects, Plan(texts=tuple(texts), seed=recipe.seed, **settings))
        write_json(folder / "run.json", run.to_json())

    digests = [file_digest(bundle / MANIFEST_NAME) for bundle in bundles.values()]
    settings = {"benchmark": recipe.benchmark.model_dump(), "bundles": digests}
    return space.stage("embedding-measured", work, inputs=[made.data], settings=settings)


def report_embedding(recipe: EmbeddingRecipe, space: Workspace, made: Made, measured: Path | None) -> None:
    """`report.html`, `report.json` and `report.md` in the output folder. Without `measured`, of a run that failed."""
    in_first_process(lambda: write_report(space.root, _report(recipe, made, measured)))


def _report(recipe: EmbeddingRecipe, made: Made, measured: Path | None) -> Report:
    rows = [
        *_rows(STUDENT, made.files, made.proof, count_parameters(load_sentence_student(made.student))),
        *_rows(TEACHER, made.teacher_files, made.teacher_proof, count_parameters(read_sentence_encoder(made.teacher))),
    ]
    # The file that `penjing.runtime.load` takes: ONNX before TFLite, int8 before fp32.
    best = min(
        (row for row in rows if row.role == STUDENT), key=lambda row: (row.format != "onnx", row.precision != "int8")
    )
    return Report(
        recipe=recipe.name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        student=best.label,
        teacher=next(row.label for row in rows if row.role == TEACHER and row.precision == "fp32"),
        models=tuple(rows),
        agreement=_agreement(made, best.file),
        data=DataSummary(read_json(made.data / "data.json")["rows"], 0),
        curves=_curves(made),
        run=None if measured is None else Run.from_json(read_json(measured / "run.json")),
        failures=made.broken,
    )


def _agreement(made: Made, file: str) -> Share:
    """How often the file finds the same nearest text as the torch teacher."""
    same = np.array(made.proof.neighbours[file]) == np.array(made.teacher_proof.neighbours[TORCH])
    return Share(int(same.sum()), len(same), *wilson_interval(int(same.sum()), len(same)))


def _rows(role: str, folder: Path, proof: Proof, parameters: tuple[int, int]) -> list[ModelRow]:
    """One row a file, judged on the validation pairs."""
    files = model_files(folder)
    return [_row(role, files[p.file], p, parameters) for p in proof.files if p.split == "validation"]


def _row(role: str, path: Path, p: VectorProof, parameters: tuple[int, int]) -> ModelRow:
    return ModelRow(
        label=_label(role, p.file), role=role, file=p.file, format=path.suffix.lstrip("."),
        precision="int8" if ".int8." in p.file else "fp32", bytes=path.stat().st_size,
        metric=p.metric, split=p.split, n=p.n, value=p.value, low=p.low, high=p.high,
        total_parameters=parameters[0], non_embedding_parameters=parameters[1],
        flips=Share(p.flips, p.n, p.flip_low, p.flip_high),
    )  # fmt: skip


def _curves(made: Made) -> tuple[Curve, ...]:
    curves = {
        "teacher: SimCSE": read_json(made.teacher / "history.json"),
        "student: vectors": read_json(made.student / "history.json")["student"],
    }
    return tuple(Curve(name, tuple(CurvePoint(**p) for p in points)) for name, points in curves.items() if points)


def _label(role: str, file: str) -> str:
    return f"{role} {'int8' if '.int8.' in file else 'fp32'} {ENGINES[Path(file).suffix]}"
