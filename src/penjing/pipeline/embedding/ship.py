"""The stages that ship: exported files and the bundles around them. Each is folder(s) in, folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ...compress.embedding.folded import sentence_form
from ...compress.embedding.teacher import read_sentence_encoder
from ...compress.models.checkpoint import count_parameters
from ...export.embedding_bundle import EMBEDDING, write_embedding_bundle
from ...export.quantize import quantize_onnx, quantize_tflite
from ...export.to_onnx import export_onnx
from ...export.to_tflite import export_tflite
from ...runtime.engine import open_engine
from ...runtime.tokenizer import TextTokenizer
from ...runtime.vector_goldens import make_vector_goldens
from ..provenance import provenance
from ..recipe import recipe_to_yaml
from ..ship import BUNDLE, PACKAGES, TEACHER_BUNDLE, model_files, nasty_texts
from ..workspace import Workspace, in_first_process
from .card import embedding_card
from .fit import read_split
from .proof import Made, Proof, distinct_texts, load_sentence_student
from .sections import EmbeddingRecipe

GOLDEN_TEXTS = 24
QUANTIZERS = {".onnx": quantize_onnx, ".tflite": quantize_tflite}


def export_sentence_student(recipe: EmbeddingRecipe, space: Workspace, student: Path) -> Path:
    """`model.onnx`, `model.int8.onnx`, `model.tflite`, `model.int8.tflite`: those that the recipe asks for."""

    def work(folder: Path) -> None:
        model = sentence_form(load_sentence_student(student), recipe.task.max_length)
        for suffix in recipe.export.formats:
            _write_files(recipe, model, folder / f"model.{suffix}", recipe.quantize.precisions)

    settings = {
        "export": recipe.export.model_dump(), "quantize": recipe.quantize.model_dump(),
        "max_length": recipe.task.max_length,
    }  # fmt: skip
    return space.stage("sentence-files", work, inputs=[student], settings=settings)


def export_encoder(recipe: EmbeddingRecipe, space: Workspace, teacher: Path) -> Path:
    """The teacher's own `model.onnx` and `model.int8.onnx`, which the student is measured beside."""

    def work(folder: Path) -> None:
        _write_files(recipe, read_sentence_encoder(teacher), folder / "model.onnx", ("fp32", "int8"))

    return space.stage("encoder-files", work, inputs=[teacher], settings={"opset": recipe.export.opset})


def ship_embedding(recipe: EmbeddingRecipe, space: Workspace, made: Made) -> Path:
    """Packs `bundle` (the student), which is returned, and `teacher-bundle`; they are replaced whole."""
    in_first_process(lambda: _pack_both(recipe, space, made))
    return space.root / BUNDLE


def _pack_both(recipe: EmbeddingRecipe, space: Workspace, made: Made) -> None:
    student = load_sentence_student(made.student)
    teacher = read_sentence_encoder(made.teacher)
    card = embedding_card(recipe, count_parameters(student), student.inner.num_labels, made)
    teacher_card = f"# {recipe.name}: the teacher\n\nPacked only to measure the student beside it.\n"
    own = (made.student, made.files, made.proof, student.inner.num_labels, recipe.task.cuts, card)
    taught = (made.teacher, made.teacher_files, made.teacher_proof, teacher.size, (), teacher_card)
    _pack(recipe, made, space.root / BUNDLE, *own)
    _pack(recipe, made, space.root / TEACHER_BUNDLE, *taught)


def _pack(
    recipe: EmbeddingRecipe, made: Made, folder: Path, origin: Path, files: Path, proof: Proof, size: int,
    cuts: tuple[int, ...], readme: str,
) -> None:  # fmt: skip
    models, length = model_files(files), recipe.task.max_length
    engines = {name: open_engine(path, path.suffix.lstrip(".")) for name, path in models.items()}
    real = distinct_texts(read_split(made.data, "validation"))[0][:GOLDEN_TEXTS]
    texts = [*real, *nasty_texts(real[0], length)]
    write_embedding_bundle(
        folder, name=recipe.name, size=size, cuts=cuts, model_files=models, tokenizer_folder=origin,
        recipe_yaml=recipe_to_yaml(recipe),
        sequence_lengths=recipe.export.sequence_lengths if "model.tflite" in models else (),
        max_length=length, quality=[file.quality for file in proof.files],
        goldens=make_vector_goldens(texts, TextTokenizer(origin, length), engines),
        provenance=_origin(recipe), readme=readme,
    )  # fmt: skip


def _origin(recipe: EmbeddingRecipe) -> dict[str, Any]:
    """What the bundle says beyond every bundle: teacher, the student's seed."""
    return {
        **provenance(recipe, PACKAGES), "teacher": Path(recipe.teacher.model).name, "student_seed": recipe.distill.seed
    }  # fmt: skip


def _write_files(recipe: EmbeddingRecipe, model: nn.Module, path: Path, precisions: tuple[str, ...]) -> None:
    """The file at `path` and its int8 form beside it; fp32 alone is taken away again where nobody asked for it."""
    if path.suffix == ".onnx":
        export_onnx(model, path, opset=recipe.export.opset, signature=EMBEDDING)
    else:
        export_tflite(model, path, sequence_lengths=recipe.export.sequence_lengths, signature=EMBEDDING)
    if "int8" in precisions:
        QUANTIZERS[path.suffix](path, path.with_name(f"{path.stem}.int8{path.suffix}"))
    if "fp32" not in precisions:
        path.unlink()
