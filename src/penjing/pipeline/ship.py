"""The stages that ship: export, proof, bundles. Each is folder(s) in, folder out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .. import __version__
from ..compress.models.folded import inference_form
from ..compress.models.mobilebert import MobileBertClassifier, load_student
from ..compress.teacher import load_teacher
from ..compress.tokens import TokenizedTexts, sorted_batches, tokenize
from ..export.bundle import write_bundle
from ..export.quantize import quantize_onnx, quantize_tflite
from ..export.to_onnx import export_onnx
from ..export.to_tflite import export_tflite
from .recipe import Recipe, recipe_to_yaml
from .text_files import read_json, read_split, write_json, write_rows
from .workspace import Workspace


class TeacherForExport(nn.Module):
    """A transformers classifier with the student's signature: three tensors in, logits out."""

    def __init__(self, teacher: Any) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        kinds = {"token_type_ids": token_type_ids} if self.teacher.config.type_vocab_size > 1 else {}
        logits: Tensor = self.teacher(input_ids=input_ids, attention_mask=attention_mask, **kinds).logits
        return logits


def export_student(recipe: Recipe, space: Workspace, student: Path) -> Path:
    """`model.onnx`, `model.int8.onnx`, `model.tflite`, `model.int8.tflite`: those that the recipe asks for."""

    def work(folder: Path) -> None:
        model = inference_form(load_student(student), recipe.task.max_length)
        lengths = recipe.export.sequence_lengths
        if "onnx" in recipe.export.formats:
            _in_precisions(recipe, folder, ".onnx", quantize_onnx, lambda path: export_onnx(model, path, opset=recipe.export.opset))
        if "tflite" in recipe.export.formats:
            _in_precisions(recipe, folder, ".tflite", quantize_tflite, lambda path: export_tflite(model, path, sequence_lengths=lengths))

    settings = {
        "export": recipe.export.model_dump(),
        "quantize": recipe.quantize.model_dump(),
        "max_length": recipe.task.max_length,
    }
    return space.stage("student-files", work, inputs=[student], settings=settings)


def export_teacher(recipe: Recipe, space: Workspace, teacher: Path) -> Path:
    """The teacher's own `model.onnx` and `model.int8.onnx`, which the student is measured beside."""

    def work(folder: Path) -> None:
        path = folder / "model.onnx"
        export_onnx(TeacherForExport(load_teacher(teacher)), path, opset=recipe.export.opset)
        quantize_onnx(path, folder / "model.int8.onnx")

    settings = {"opset": recipe.export.opset}
    return space.stage("teacher-files", work, inputs=[teacher], settings=settings)
