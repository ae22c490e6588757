"""From settings and a budget to a plan: widths first, then layers, then heads and neurons, with the vocabulary's rows
counted in from the start. Nothing is cut; `apply.py` does that.

Left out: the methods themselves (one file each), and those that train while they choose (`learned.py`,
`slim_encoder.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from ..tokens import Batch
from .apply import keep_layers
from .costs import Cost, LatencyTable, cost_of
from .depth import choose_layers, logit_damage
from .fisher import diagonal_fisher, mask_gradients, rearrange
from .plan import PruningPlan, fingerprint_of
from .search import check_budget, linear_cost, search
from .sensitivity import head_sensitivity
from .units import Encoder, Shape, UnitMasks, full_masks
from .vocabulary import VocabularyCut, choose_vocabulary
from .widths import cut_widths, plan_widths


class PruneSettings(Protocol):
    """The `prune` section of a recipe."""

    @property
    def layers(self) -> int | None: ...
    @property
    def units(self) -> str | None: ...
    @property
    def rate(self) -> float | None: ...
    @property
    def multiple(self) -> int: ...
    @property
    def vocabulary(self) -> int | None: ...


LATENCY = "latency_ms"
"""The one field of `Cost` that comes from a table."""


@dataclass(frozen=True)
class Budget:
    """At most `limit` of one of `Cost`'s fields, for a text of `sequence_length` tokens."""

    field: str
    limit: float
    sequence_length: int
    table: LatencyTable | None = None

    def cost(self, shape: Shape, num_labels: int) -> float:
        """What a model of this shape costs, in the budget's unit."""
        if self.field == LATENCY and self.table is not None:
            return self.table.predict(shape)  # the search asks a thousand times; counting the rest takes much longer
        return float(getattr(self.full_cost(shape, num_labels), self.field))

    def full_cost(self, shape: Shape, num_labels: int) -> Cost:
        """Every cost of a model of this shape."""
        return cost_of(shape, num_labels, self.sequence_length, self.table)


@torch.no_grad()
def structure(
    model: Encoder,
    settings: PruneSettings,
    sizes: dict[str, int],
    batches: Sequence[Batch],
    tokenizer_folder: Path,
    texts: Sequence[str],
    unchanged_texts: Sequence[str] = (),
) -> tuple[PruningPlan, Encoder]:
    """The plan up to heads and neurons, of which none are cut yet, and the model that it leads to (rows aside).

    `batches` are calibration texts, `texts` what the vocabulary is chosen from, `unchanged_texts` those whose tokens it
    has to keep.
    """
    tensors = plan_widths(model, batches, sizes) if sizes else {}
    small = cut_widths(model, sizes, tensors) if sizes else model
    layers = tuple(range(len(small.config.layers)))
    if settings.layers is not None:
        layers = choose_layers(small, settings.layers, logit_damage(small, batches))
        small = keep_layers(small, layers)
    vocabulary = None
    if settings.vocabulary is not None:
        vocabulary = choose_vocabulary(
            tokenizer_folder, texts, words=settings.vocabulary, unchanged_texts=unchanged_texts
        )
    method, masks = settings.units or "none", full_masks(small.config)
    return PruningPlan(fingerprint_of(model), method, layers, masks, sizes, vocabulary, tensors), small


def choose_units(
    model: Encoder, settings: PruneSettings, batches: Sequence[Batch], budget: Budget, vocabulary: VocabularyCut | None
) -> UnitMasks:
    """Which heads and neurons stay within the budget. Raises PruningError when it is an impossible one."""
    cost = search_cost(model, budget, vocabulary)
    # An impossible budget is told now, not after minutes of gradients.
    check_budget(model.config, cost, budget.limit, multiple=settings.multiple)
    if settings.units == "sensitivity":
        importances = head_sensitivity(model, batches)
        return search(model.config, importances, cost, budget.limit, multiple=settings.multiple)
    gradients = mask_gradients(model, batches)
    masks = search(model.config, diagonal_fisher(gradients), cost, budget.limit, multiple=settings.multiple)
    return rearrange(masks, gradients)


def search_cost(model: Encoder, budget: Budget, vocabulary: VocabularyCut | None) -> Callable[[Shape], float]:
    """What a shape cut out of the model's costs, fast enough to be asked for every number of units."""
    exact = cost_with_rows(budget, vocabulary, model.num_labels)
    return exact if budget.field == LATENCY else linear_cost(model.config, exact)


def cost_with_rows(budget: Budget, vocabulary: VocabularyCut | None, num_labels: int) -> Callable[[Shape], float]:
    """What a shape costs, in the budget's unit, once its word table has lost its rows too."""
    return lambda shape: budget.cost(rows_left(shape, vocabulary), num_labels)


def rows_left(shape: Shape, vocabulary: VocabularyCut | None) -> Shape:
    """The shape with only the kept rows of its word table."""
    return shape if vocabulary is None else replace(shape, vocab_size=len(vocabulary.kept))
