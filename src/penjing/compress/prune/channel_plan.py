"""The plan of cutting channels out of a convolutional model: shown, saved and checked before anything is cut.

What `plan.py` is for encoders, for `SmallCnn` and `ConvAutoencoder`. A plan fits the model it was made for and no
other, so it cannot be applied twice. Left out: choosing (`slimming.py`) and cutting (`cut_channels.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from ...runtime.errors import PruningError
from ..models.conv_files import ConvModel
from .plan import fingerprint_of

REMAKE = "make a new plan with choose_channels"


@dataclass(frozen=True)
class LayerCut:
    """Of the `width` channels that `layer` writes, those `kept`, in ascending order.

    `saved` are the parameters that this cut saves when the layers before it are cut already, so they add up. Raises
    PruningError unless `kept` are different channels of the layer, one at least.
    """

    layer: str
    width: int
    kept: tuple[int, ...]
    saved: int

    def __post_init__(self) -> None:
        numbers = (self.width, self.saved, *self.kept)
        if not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
            raise _bad(self.layer, "holds something that is not a whole number")
        if not self.kept:
            raise _bad(self.layer, "keeps no channel; each layer must keep one at least")
        if list(self.kept) != sorted(set(self.kept)):
            raise _bad(self.layer, "names a channel twice or out of order")
        if self.kept[0] < 0 or self.kept[-1] >= self.width:
            raise _bad(self.layer, f"keeps channels {self.kept[0]} to {self.kept[-1]} of 0 to {self.width - 1}")

    @property
    def cut(self) -> tuple[int, ...]:
        """The channels that go."""
        return tuple(sorted(set(range(self.width)) - set(self.kept)))


@dataclass(frozen=True)
class ChannelPlan:
    """What stays of each layer of the model of this class and `fingerprint`, in the order of the layers."""

    model: str
    fingerprint: str
    layers: tuple[LayerCut, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Of every layer once the plan is applied."""
        return tuple(len(layer.kept) for layer in self.layers)

    @property
    def cut_share(self) -> float:
        """Channels that go, as a share of all."""
        return 1 - sum(self.widths) / sum(layer.width for layer in self.layers)

    def table_rows(self) -> list[tuple[str, int, int, int]]:
        """(layer, channels kept, channels cut, parameters saved), a row a layer."""
        return [(c.layer, len(c.kept), c.width - len(c.kept), c.saved) for c in self.layers]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> ChannelPlan:
        """What `to_json` wrote. Raises PruningError for anything else."""
        try:
            raw = json.loads(text)
            layers = tuple(LayerCut(c["layer"], c["width"], tuple(c["kept"]), c["saved"]) for c in raw["layers"])
            return ChannelPlan(str(raw["model"]), str(raw["fingerprint"]), layers)
        except (ValueError, KeyError, TypeError) as error:
            raise PruningError(f"this is not a channel plan ({error}): {REMAKE}") from None


def plan_channels(model: ConvModel, kept: Mapping[str, Sequence[int]]) -> ChannelPlan:
    """The plan that keeps these channels of `model`, by the names of its blocks.

    Raises PruningError when a block is missing or unknown, or its channels are not its own.
    """
    blocks = model.blocks()
    if kept.keys() != blocks.keys():
        raise PruningError(f"channels are given for {sorted(kept)}, {type(model).__name__} has {sorted(blocks)}")
    shapes = [block.conv.weight.shape for block in blocks.values()] + [model.last().weight.shape]
    cuts, inputs = [], shapes[0][1]
    for name, (width, _, *kernel), (readers, _, *next_kernel) in zip(blocks, shapes, shapes[1:], strict=False):
        chosen = tuple(kept[name])
        # A channel's own kernels, its scale and shift, and what the next layer holds to read it.
        each = inputs * math.prod(kernel) + 2 + readers * math.prod(next_kernel)
        cuts.append(LayerCut(name, width, chosen, (width - len(chosen)) * each))
        inputs = len(chosen)
    return ChannelPlan(type(model).__name__, fingerprint_of(cast(Any, model)), tuple(cuts))


def check_channels(plan: ChannelPlan, model: ConvModel) -> None:
    """Raises PruningError when the plan is not one for `model`: another model's, applied already, or edited."""
    blocks = model.blocks()
    widths = tuple(block.norm.num_features for block in blocks.values())
    name = type(model).__name__
    if (plan.model, len(plan.layers)) != (name, len(widths)):
        raise PruningError(
            f"the plan is for a {plan.model} of {len(plan.layers)} layers, the model is a {name} of {len(widths)}:"
            f" {REMAKE}"
        )
    if widths == plan.widths != tuple(layer.width for layer in plan.layers):
        raise PruningError(f"the model has the widths {widths} already that this plan leaves: {REMAKE} to cut further")
    found = fingerprint_of(cast(Any, model))
    if plan.fingerprint != found:
        raise PruningError(f"the plan was made for the model {plan.fingerprint}, this one is {found}: {REMAKE}")
    wanted = plan_channels(model, {layer.layer: layer.kept for layer in plan.layers})
    if plan != wanted:
        raise PruningError(f"the plan's layers, widths or savings are not those of the model: {REMAKE}")


def _bad(layer: str, problem: str) -> PruningError:
    return PruningError(f"the plan of {layer!r} {problem}: {REMAKE}")
