"""The plans of the methods that train while they choose, learned masks and slimming, with the recovery's settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..compress.distill.alignment import Alignment, write_alignment
from ..compress.distill.lessons import Lessons, validate
from ..compress.distill.method import transfer_plan
from ..compress.distill.methods.mobilebert import transfer_loss
from ..compress.models.checkpoint import save_student
from ..compress.prune.learned import learn_masks
from ..compress.prune.make_plan import Budget, cost_with_rows, search_cost
from ..compress.prune.plan import PruningPlan, fingerprint_of
from ..compress.prune.slim_encoder import DEFAULT_PENALTY, slim_neurons
from ..compress.prune.units import Encoder
from ..runtime.errors import PruningError
from .sections import Recipe
from .workspace import CHECKPOINTS

TRAINED = ("learned", "slimming")
"""The values of `prune.units` that train."""


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
    prune = recipe.prune
    if prune is None or prune.recovery is None:
        raise PruningError("learned masks and slimming need prune.recovery: it says how long they and the model train")
    checkpoints = folder / CHECKPOINTS / "masks"
    checkpoints.mkdir(parents=True, exist_ok=True)
    loss = transfer_loss(lessons, prune.recovery, alignment)
    steps = transfer_plan(prune.recovery, recipe.distill.seed)
    training = (model, lessons.texts.lengths, loss, lambda: validate(model, lessons), steps)
    layers = tuple(range(len(model.config.layers)))
    if prune.units == "slimming":
        cost, strength = search_cost(model, budget, plan.vocabulary), prune.penalty or DEFAULT_PENALTY
        masks = slim_neurons(*training, cost, budget.limit, strength, checkpoints, "slimming", prune.multiple)
    else:
        cost = cost_with_rows(budget, plan.vocabulary, model.num_labels)
        layers, masks = learn_masks(*training, cost, budget.limit, checkpoints, "learned masks", prune.multiple)
    model.cpu()
    save_student(model, folder)
    write_alignment(alignment, folder)
    return replace(plan, fingerprint=fingerprint_of(model), layers=layers, masks=masks, widths={}, tensors={})
