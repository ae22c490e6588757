"""The stages that ship: exported files and the bundles around them. Each is folder(s) in, folder out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..compress.models.checkpoint import count_parameters, load_student
from ..compress.models.folded import SMALLEST_SCALE, inference_form, merges_queries
from ..compress.teacher import load_teacher
from ..export.bundle import write_bundle
from ..export.quantize import quantize_onnx, quantize_tflite
from ..export.to_onnx import export_onnx
from ..export.to_tflite import export_tflite
from ..runtime.engine import open_engine
from ..runtime.goldens import make_goldens, steady_goldens
from ..runtime.tokenizer import TextTokenizer
from .describe import describe_text_files
from .goals import goal_of
from .hugging_face import transformers_config
from .model_card import model_card
from .proof import Made
from .provenance import provenance
from .recipe import recipe_to_yaml
from .sections import Recipe
from .sparsify import Sparsity, read_sparsity
from .terminal import note
from .text_files import read_json, read_split
from .workspace import Workspace, in_first_process

GOLDEN_TEXTS = 32
NASTY_TEXTS = ("Ünïcödé — déjà vu…", "👍🏽 great!!! 🎉", "電影很好看", "a\u0301 b\u200dc", "x" * 150)
"""Goldens beside real text: accents, emoji, Chinese, combining marks, an over-long word."""
PACKAGES = (
    "torch", "transformers", "tokenizers", "onnx", "onnxruntime", "litert-torch", "ai-edge-litert", "ai-edge-quantizer",
)  # fmt: skip
BUNDLE, TEACHER_BUNDLE = "bundle", "teacher-bundle"
"""In the output folder: the student's, and the teacher's, to measure beside it."""
WORD_GOLDENS = 12
"""Of texts with logits for every word, which take room."""


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
        trained = load_student(student)
        model = inference_form(trained, recipe.task.max_length)
        unfolded = model is trained
        if unfolded and merges_queries(trained):
            note(
                f"a NoNorm scale of the student lies within {SMALLEST_SCALE} of zero and cannot be divided out, so its"
                " files keep their norms and are slower: another distill.seed or a lower rate avoids that"
            )
        onnx, tflite = folder / "model.onnx", folder / "model.tflite"
        if "onnx" in recipe.export.formats:
            export_onnx(model, onnx, opset=recipe.export.opset)
            _in_precisions(recipe, onnx, quantize_onnx)
        if "tflite" in recipe.export.formats:
            export_tflite(model, tflite, sequence_lengths=recipe.export.sequence_lengths)
            _in_precisions(recipe, tflite, quantize_tflite)
            describe_text_files(recipe, folder, student)

    settings = {
        "name": recipe.name,
        "export": recipe.export.model_dump(),
        "quantize": recipe.quantize.model_dump(exclude={"training"}, exclude_none=True),
        "max_length": recipe.task.max_length,
    }
    return space.stage("student-files", work, inputs=[student], settings=settings)


def export_teacher(recipe: Recipe, space: Workspace, teacher: Path) -> Path:
    """The teacher's own `model.onnx` and `model.int8.onnx`, which the student is measured beside."""

    def work(folder: Path) -> None:
        path = folder / "model.onnx"
        export_onnx(TeacherForExport(load_teacher(teacher)).eval(), path, opset=recipe.export.opset)
        quantize_onnx(path, folder / "model.int8.onnx")

    return space.stage("teacher-files", work, inputs=[teacher], settings={"opset": recipe.export.opset})


def model_files(folder: Path) -> dict[str, Path]:
    """Name and path of every model file in a stage's folder."""
    return {path.name: path for path in sorted(folder.iterdir()) if path.suffix in (".onnx", ".tflite")}


def ship_bundles(recipe: Recipe, space: Workspace, made: Made) -> Path:
    """Packs `bundle` (the student), which is returned, and `teacher-bundle`; they are replaced whole."""
    in_first_process(lambda: _pack(recipe, space, made))
    return space.root / BUNDLE


def _pack(recipe: Recipe, space: Workspace, made: Made) -> None:
    proof = made.proof
    task, goal = recipe.task.meaning, goal_of(recipe, made.data)
    held_out = read_split(made.data / "validation.jsonl").first(WORD_GOLDENS if task.by_word else GOLDEN_TEXTS)
    beside = nasty_texts(held_out.texts[0], recipe.task.max_length)
    texts = [*held_out.texts, *beside]
    pairs = None if held_out.pairs is None else [*held_out.pairs, *reversed(beside)]
    model = load_student(made.student)
    quality = [file.quality for file in proof.student]
    before = None if made.before is None else made.before.proof
    sparsity = read_sparsity(made.student)
    card = model_card(recipe, count_parameters(model), proof, sparsity, before)
    student_config = transformers_config(recipe, model, goal.outputs)
    teacher_quality = [file.quality for file in proof.teacher]
    teacher_card = f"# {recipe.name}: the teacher\n\nPacked only to measure the student beside it.\n"
    teacher_config = read_json(made.teacher / "config.json")
    for folder, origin, source, config, shown, readme, after in (
        (space.root / BUNDLE, made.student, made.files, student_config, quality, card, proof.after),
        (
            space.root / TEACHER_BUNDLE, made.teacher, made.teacher_files, teacher_config, teacher_quality,
            teacher_card, proof.teacher_after,
        ),
    ):  # fmt: skip
        models = model_files(source)
        tokenizer = TextTokenizer(origin, recipe.task.max_length)
        engines = {name: open_engine(path, path.suffix.lstrip(".")) for name, path in models.items()}
        goldens = make_goldens(texts, tokenizer, engines, goal.outputs, after, pairs)
        write_bundle(
            folder, name=recipe.name, task=recipe.task.kind, labels=goal.outputs, model_files=models,
            tokenizer_folder=origin, config=config, recipe_yaml=recipe_to_yaml(recipe),
            sequence_lengths=recipe.export.sequence_lengths if "model.tflite" in models else (),
            max_length=recipe.task.max_length, quality=shown,
            goldens=steady_goldens(goldens, after),
            provenance=_origin(recipe, sparsity if origin == made.student else None), readme=readme,
            after=after, pair=pairs is not None,
        )  # fmt: skip


def nasty_texts(real: str, max_length: int) -> tuple[str, ...]:
    """Goldens beside real text, the last of them a `real` text that goes on for more words than `max_length` tokens
    hold: a reader that cuts it elsewhere has other tokens at its end."""
    return (*NASTY_TEXTS, " ".join([real] * (1 + max_length // len(real.split()))))


def _origin(recipe: Recipe, sparsity: Sparsity | None) -> dict[str, Any]:
    """What a text bundle says beyond every bundle: teacher, the student's seed, a sparse student's sizes."""
    return {
        **provenance(recipe, PACKAGES),
        "teacher": Path(recipe.teacher.model).name,
        "student_seed": recipe.distill.seed,
        **({} if sparsity is None else {"sparsity": sparsity.provenance()}),
    }


def _in_precisions(recipe: Recipe, source: Path, quantize: Callable[[Path, Path], None]) -> None:
    if "int8" in recipe.quantize.precisions:
        quantize(source, source.with_name(f"{source.stem}.int8{source.suffix}"))
    if "fp32" not in recipe.quantize.precisions:
        source.unlink()
