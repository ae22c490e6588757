"""The plan of learned masks: model and masks are trained together, with the recovery's settings, until they fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..compress.distill.alignment import Alignment, write_alignment
from ..compress.distill.phases import Lessons, transfer_loss, validate
from ..compress.models.checkpoint import save_student
from ..compress.prune.learned import learn_masks
from ..compress.prune.make_plan import Budget, cost_with_rows
from ..compress.prune.plan import PruningPlan, fingerprint_of
from ..compress.prune.units import Encoder
from ..compress.training import TrainingPlan
from ..runtime.errors import PruningError
from .sections import Recipe
from .workspace import CHECKPOINTS


def learn_plan(
    recipe: Recipe,
    model: Encoder,
    plan: PruningPlan,
    budget: Budget,
    lessons: Lessons,
    alignment: Alignment,
    folder: Path,
) -> PruningPlan:
    """The plan of the trained `model`, which is saved with its alignment into `folder`.

    `plan` says how the model came to its widths and layers; those are cut in it already, its rows are not.
    """
    settings = None if recipe.prune is None else recipe.prune.recovery
    if recipe.prune is None or settings is None:
        raise PruningError("learned masks need prune.recovery: it says how long they and the model train")
    steps = TrainingPlan(
        settings.transfer_epochs, settings.batch_size, settings.transfer_learning_rate, settings.warmup,
        settings.evaluations_per_epoch, recipe.distill.seed,
    )  # fmt: skip

    cost = cost_with_rows(budget, plan.vocabulary, model.num_labels)
    checkpoints = folder / CHECKPOINTS / "masks"
    checkpoints.mkdir(parents=True, exist_ok=True)
    layers, masks = learn_masks(
        model, lessons.texts.lengths, transfer_loss(lessons, settings, alignment), lambda: validate(model, lessons),
        steps, cost, budget.limit, checkpoints, "learned masks", recipe.prune.multiple,
    )  # fmt: skip
    model.cpu()
    save_student(model, folder)
    write_alignment(alignment, folder)
    return replace(plan, fingerprint=fingerprint_of(model), layers=layers, masks=masks, widths={}, tensors={})
