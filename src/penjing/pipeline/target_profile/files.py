"""The model files of drawn students, made as a student's are: ONNX and TFLite, fp32 and int8, random weights.

Every file appears whole or not at all, and one that is there is not made again, so an interrupted run goes on. Exports
run in processes side by side, since nothing is timed meanwhile. Left out: removing the files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm import tqdm

from ...compress.models.folded import inference_form
from ...compress.models.mobilebert import MobileBertClassifier
from ...export.quantize import quantize_onnx, quantize_tflite
from ...export.to_onnx import export_onnx
from ...export.to_tflite import export_tflite
from ...runtime.errors import OutputError
from .operators import Operator, count_operators
from .shapes import Drawn

ENGINES, PRECISIONS = ("onnx", "tflite"), ("fp32", "int8")
EXPORTERS = ("penjing", "torch", "onnx", "onnxscript", "onnxruntime", "litert-torch", "ai-edge-quantizer")
OPSET = 18
MOST_PROCESSES = 4
"""Each holds torch and a converter: over 1 GB."""


@dataclass(frozen=True)
class ModelFile:
    """One file of a drawn student."""

    student: Drawn
    engine: str
    precision: str
    path: Path

    @property
    def lengths(self) -> tuple[int, ...]:
        """At which it is measured."""
        return self.student.lengths[self.engine]


def model_files(students: Sequence[Drawn], folder: Path) -> list[ModelFile]:
    """All files of the students, made or not."""
    return [
        ModelFile(s, engine, precision, folder / f"{s.name}{'.int8' * (precision == 'int8')}.{engine}")
        for s in students for engine in ENGINES for precision in PRECISIONS
    ]  # fmt: skip


def models_folder(base: Path, students: Sequence[Drawn]) -> Path:
    """Where the files of these students are, as these versions of the exporters make them."""
    identity = repr((tuple(students), [(package, version(package)) for package in EXPORTERS])).encode()
    return base / f"models-{hashlib.sha256(identity).hexdigest()[:12]}"


def make_files(students: Sequence[Drawn], base: Path) -> list[ModelFile]:
    """All files of the students, those that are missing exported into their folder in `base`.

    Raises ExportError when one cannot be made, OutputError when the folder cannot.
    """
    folder = models_folder(base, students)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({error.strerror}): free space or set PENJING_CACHE") from None
    files = model_files(students, folder)
    missing = {file.student.name for file in files if not file.path.is_file()}
    wanted = [student for student in students if student.name in missing]
    processes = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, MOST_PROCESSES)
    with tqdm(
        total=len(students), initial=len(students) - len(wanted), desc="export", disable=None, leave=False
    ) as bar:
        if len(wanted) <= 2 or processes == 1:
            for student in wanted:
                export_student(student, folder)
                bar.update()
        else:
            _export_side_by_side(wanted, folder, processes, bar)
    return files


def random_model(student: Drawn) -> MobileBertClassifier:
    """The student before it has learned anything."""
    torch.manual_seed(0)
    return MobileBertClassifier(student.config, student.labels).eval()


def operators_of(student: Drawn, lengths: Iterable[int]) -> dict[int, tuple[Operator, ...]]:
    """What its form for devices runs at each length."""
    model = inference_form(random_model(student), student.longest)
    return {length: count_operators(model, length) for length in lengths}


def export_student(student: Drawn, folder: Path) -> None:
    """Makes the files that are missing. Raises ExportError."""
    model = inference_form(random_model(student), student.longest)
    onnx, onnx8, tflite, tflite8 = (file.path for file in model_files([student], folder))
    if not onnx.is_file():
        export_onnx(model, onnx, opset=OPSET)
    if not onnx8.is_file():
        quantize_onnx(onnx, onnx8)
    if not tflite.is_file():
        export_tflite(model, tflite, sequence_lengths=student.lengths["tflite"])
    if not tflite8.is_file():
        quantize_tflite(tflite, tflite8)


def _export_side_by_side(students: Sequence[Drawn], folder: Path, processes: int, bar: tqdm[None]) -> None:
    context = get_context("spawn")  # a fork of a process with torch's threads may hang
    with ProcessPoolExecutor(processes, context, initializer=_one_thread) as pool:
        jobs = [pool.submit(_export_silently, student, folder) for student in students]
        try:
            for job in as_completed(jobs):
                job.result()
                bar.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one_thread() -> None:
    torch.set_num_threads(1)


def _export_silently(student: Drawn, folder: Path) -> None:
    with _quiet_streams():
        export_student(student, folder)


@contextmanager
def _quiet_streams() -> Iterator[None]:
    """The converters' C++ writes notes to the process's own stderr, past Python."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
