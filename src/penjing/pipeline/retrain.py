"""The stage that trains the student for int8, only where plain int8 lost more than the limits allow.

Left out: mending a file whose fp32 form breaks a limit too. That is a fault of the export, which no training removes.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..compress.distill.alignment import read_alignment
from ..compress.distill.learn_quantized import learn_quantized
from ..compress.models.checkpoint import load_student, save_student
from ..compress.training import TrainingPlan
from ..export.verify import check_limits
from .fit import Sources, read_lessons, take_tokenizer
from .proof import Made, Proof, prove_student
from .prune_sections import Learning
from .recipe import AnyRecipe
from .recipe_fit import first_misfit
from .sections import QuantizedTraining, Recipe
from .ship import export_student
from .text_files import read_json, write_json
from .workspace import CHECKPOINTS, Workspace

LOSSES = {"temperature", "logits_weight", "feature_weight", "attention_weight"}


def retrain_for_int8(recipe: Recipe, space: Workspace, sources: Sources, made: Made) -> Made:
    """`made` as it is, or with the student trained for int8, its files and their proof, and `made` as what was before.

    It comes to that where `quantize.training` is set and only int8 files broke a limit.
    """
    training = recipe.quantize.training
    if training is None or not _int8_alone_broke(recipe, made.proof):
        return made
    student = train_quantized(recipe, space, sources, made.student, training)
    files = export_student(recipe, space, student)
    proof = prove_student(recipe, space, sources.data, student, files, made.teacher_proof)
    return replace(made, pruned=replace(made.pruned, student=student), files=files, proof=proof, before=made)


def remedy(recipe: AnyRecipe, made: Any) -> str:
    """What may help against broken limits: training for int8, where int8 is at fault and the recipe may ask for it."""
    if isinstance(recipe, Recipe) and recipe.quantize.training is None and _int8_alone_broke(recipe, made.proof):
        quantize = recipe.quantize.model_copy(update={"training": QuantizedTraining()})
        if first_misfit(recipe.model_copy(update={"quantize": quantize})) is None:
            return 'train for int8 (--set "quantize.training={}") or change limits'
    return "retrain or change limits"


def train_quantized(
    recipe: Recipe, space: Workspace, sources: Sources, student: Path, training: QuantizedTraining
) -> Path:
    """The student after quantization-aware training, its tokenizer, and its `history.json` with that curve more."""
    learning = _last_learning(recipe)

    def work(folder: Path) -> None:
        plan = TrainingPlan(**training.model_dump(), seed=recipe.distill.seed)
        trained, curve = learn_quantized(
            load_student(student), read_lessons(recipe, sources, student), learning, read_alignment(student), plan,
            folder / CHECKPOINTS / "quantized",
        )  # fmt: skip
        save_student(trained.cpu(), folder)
        take_tokenizer(student, folder)
        history = read_json(student / "history.json") | {"quantized": [asdict(point) for point in curve]}
        write_json(folder / "history.json", history)

    settings = {
        "training": training.model_dump(),
        "losses": learning.model_dump(include=LOSSES),
        "seed": recipe.distill.seed,
    }
    inputs = [sources.data, sources.corpus, sources.teacher, sources.outputs, student]
    return space.stage("quantized-student", work, inputs=inputs, settings=settings, collective=True)


def _int8_alone_broke(recipe: Recipe, proof: Proof) -> bool:
    broke = [p.file for p in proof.student if p.split == "validation" and check_limits([p], recipe.limits)]
    return bool(broke) and all(".int8." in file for file in broke)


def _last_learning(recipe: Recipe) -> Learning:
    """The settings by which the student learnt last."""
    return (recipe.prune and recipe.prune.recovery) or recipe.distill
