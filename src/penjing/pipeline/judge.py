"""The stages that judge: measure the bundles on this machine and write the report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from ..benchmarks.plan import Plan, subjects_of
from ..benchmarks.results import Run
from ..benchmarks.targets.local import measure
from ..compress.models.checkpoint import count_parameters, load_student
from ..compress.teacher import load_teacher
from ..export.verify import FileProof, wilson_interval
from ..runtime.bundle import open_bundle
from ..runtime.manifest import MANIFEST_NAME
from .cuts import cut_rounds
from .goals import questions
from .proof import Made
from .report import Curve, CurvePoint, DataSummary, ModelRow, Report, Share, write_report
from .sections import Recipe
from .ship import BUNDLE, TEACHER_BUNDLE, model_files
from .sparsify import read_sparsity
from .text_files import read_json, read_split, write_json
from .workspace import Workspace, file_digest, in_first_process

STUDENT, TEACHER = "student", "teacher"


def measure_bundles(recipe: Recipe, space: Workspace, made: Made) -> Path:
    """`run.json`: every file of both bundles, and a transformers pipeline on the teacher, in one interleaved run."""
    bundles = {STUDENT: space.root / BUNDLE, TEACHER: space.root / TEACHER_BUNDLE}

    def work(folder: Path) -> None:
        texts = questions(read_split(made.data / "validation.jsonl").first(recipe.benchmark.texts))
        settings = recipe.benchmark.model_dump(exclude={"texts"})
        subjects = subjects_of([(role, open_bundle(bundle)) for role, bundle in bundles.items()], _label)
        peer = made.teacher if transformers_opens_teacher(recipe) else None
        plan = Plan(texts=texts, seed=recipe.seed, transformers_folder=peer, **settings)
        write_json(folder / "run.json", measure(subjects, plan).to_json())

    digests = [file_digest(bundle / MANIFEST_NAME) for bundle in bundles.values()]
    settings = {"benchmark": recipe.benchmark.model_dump(), "bundles": digests}
    return space.stage("measured", work, inputs=[made.data, made.teacher], settings=settings)


def transformers_opens_teacher(recipe: Recipe) -> bool:
    """Whether its pipeline answers as the teacher does: of whole texts, and not with a head on pooled states."""
    few_shot = recipe.teacher.few_shot
    return not recipe.task.meaning.by_word and (few_shot is None or few_shot.method != "head")


def write_reports(recipe: Recipe, space: Workspace, made: Made, measured: Path | None) -> None:
    """`report.html`, `report.json` and `report.md` in the output folder. Without `measured`, of a run that failed."""
    in_first_process(lambda: write_report(space.root, _report(recipe, made, measured)))


def _report(recipe: Recipe, made: Made, measured: Path | None) -> Report:
    proof = made.proof
    rows = [
        *_rows(STUDENT, made.files, proof.student, count_parameters(load_student(made.student))),
        *_rows(TEACHER, made.teacher_files, proof.teacher, count_parameters(load_teacher(made.teacher))),
    ]
    best = _preferred([row for row in rows if row.role == STUDENT])
    low, high = wilson_interval(proof.agreement[best.file], proof.agreement_n)
    summary = read_json(made.data / "data.json")
    run = None if measured is None else Run.from_json(read_json(measured / "run.json"))
    sparsity = read_sparsity(made.student)
    return Report(
        recipe=recipe.name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        student=best.label,
        teacher=next(row.label for row in rows if row.role == TEACHER and row.precision == "fp32"),
        models=tuple(rows),
        agreement=Share(proof.agreement[best.file], proof.agreement_n, low, high),
        data=DataSummary(summary["rows"], summary["duplicates"], tuple(summary["duplicate_examples"])),
        curves=_curves(made.teacher, made.student),
        before=() if made.before is None else _int8_rows(made.before),
        cuts=cut_rounds(made, run),
        coded=() if sparsity is None else (sparsity.fp32, sparsity.int8),
        run=run,
        failures=proof.broken,
    )


def _int8_rows(made: Made) -> tuple[ModelRow, ...]:
    rows = _rows(STUDENT, made.files, made.proof.student, count_parameters(load_student(made.student)))
    return tuple(row for row in rows if row.precision == "int8")


def _rows(role: str, folder: Path, proofs: Sequence[FileProof], parameters: tuple[int, int]) -> list[ModelRow]:
    """One row a file, judged on the validation text."""
    files = model_files(folder)
    return [_row(role, files[p.file], p, parameters) for p in proofs if p.split == "validation"]


def _row(role: str, path: Path, p: FileProof, parameters: tuple[int, int]) -> ModelRow:
    return ModelRow(
        label=_label(role, p.file), role=role, file=p.file, format=path.suffix.lstrip("."),
        precision="int8" if ".int8." in p.file else "fp32", bytes=path.stat().st_size,
        metric=p.metric, split=p.split, n=p.n, value=p.value, low=p.low, high=p.high,
        total_parameters=parameters[0], non_embedding_parameters=parameters[1],
        flips=Share(p.flips, p.n, p.flip_low, p.flip_high), logit_difference=p.logit_difference,
    )  # fmt: skip


def _preferred(rows: Sequence[ModelRow]) -> ModelRow:
    """The file that `penjing.runtime.load` takes: ONNX before TFLite, int8 before fp32."""
    return min(rows, key=lambda row: (row.format != "onnx", row.precision != "int8"))


def _curves(teacher: Path, student: Path) -> tuple[Curve, ...]:
    taught, learnt = read_json(teacher / "history.json"), read_json(student / "history.json")
    phases = [("teacher", taught), ("student: transfer", learnt["transfer"]), ("student: task", learnt["task"])]
    phases.append(("student: quantized", learnt.get("quantized", [])))
    return tuple(Curve(label, tuple(CurvePoint(**point) for point in points)) for label, points in phases if points)


def _label(role: str, file: str) -> str:
    precision = "int8" if ".int8." in file else "fp32"
    engine = {"onnx": "ONNX", "tflite": "TFLite"}[Path(file).suffix.lstrip(".")]
    return f"{role} {precision} {engine}"
