"""Cuts channels out of a convolutional model, and checks that the smaller one does what the masked one does.

A channel whose scale is zero is not silent: it is relu(shift) everywhere. That constant goes where it is read: into the
running mean of the next batch norm, or the bias of the last layer. With zero padding it would be no constant, since the
border reads zeros instead, and the fold would be off by up to half a kernel from each border (measured in
tests/compress/test_slimming.py); our models pad a layer only by repeating the edge, or where it reads the data, so here
the fold is exact everywhere. Left out: choosing the channels (`slimming.py`), and the fine-tuning that must follow: the
fold is exact for scales of zero, and trained ones are only near it.
"""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor

from ...runtime.errors import PruningError
from ..models.conv_autoencoder import ConvAutoencoder
from ..models.small_cnn import SmallCnn
from .channel_plan import ChannelPlan, check_channels

Model = TypeVar("Model", SmallCnn, ConvAutoencoder)

TOLERANCE = 1e-5
"""Between the cut model and the masked one, relative to the largest output where that is above 1."""


@torch.no_grad()
def slim(model: Model, plan: ChannelPlan) -> Model:
    """The smaller model, in eval mode; `model` stays as it is.

    Raises PruningError when the plan does not fit, or outputs differ from the masked model's by more than TOLERANCE.
    Both are compared in float64: a channel that hardly varies has a batch norm that enlarges any rounding 300-fold.
    """
    whole = masked(model, plan).double()
    small = type(model)(model.config.with_widths(plan.widths)).to(model.last().weight.device).double().eval()
    first = next(iter(whole.blocks().values())).conv
    inputs, constants = list(range(first.in_channels)), first.weight.new_zeros(first.in_channels)
    for old, new, cut in zip(whole.blocks().values(), small.blocks().values(), plan.layers, strict=True):
        kept = list(cut.kept)
        new.conv.weight.copy_(old.conv.weight[kept][:, inputs])
        state = old.norm.state_dict()
        new.norm.load_state_dict({name: value[kept] if value.dim() else value for name, value in state.items()})
        cast(Tensor, new.norm.running_mean).sub_(read_constants(old.conv.weight, constants)[kept])
        inputs, constants = kept, old.norm.bias.relu()
        constants[kept] = 0.0
    last = whole.last()
    small.last().weight.copy_(last.weight[:, inputs])
    cast(Tensor, small.last().bias).copy_(cast(Tensor, last.bias) + read_constants(last.weight, constants))
    _check_same(whole, small)
    return small.to(model.last().weight.dtype)


@torch.no_grad()
def masked(model: Model, plan: ChannelPlan) -> Model:
    """A copy of the same shape, in eval mode, whose cut channels have the scale zero. Raises PruningError as `slim`."""
    check_channels(plan, model)
    copied = copy.deepcopy(model).eval()
    for block, cut in zip(copied.blocks().values(), plan.layers, strict=True):
        block.norm.weight[list(cut.cut)] = 0.0
    return copied


def read_constants(weight: Tensor, constants: Tensor) -> Tensor:
    """What inputs that are constant everywhere [inputs] add to each output of a layer, [outputs, inputs, ...kernel]."""
    return weight.reshape(*weight.shape[:2], -1).sum(2) @ constants


def _check_same(whole: Model, small: Model) -> None:
    inputs = whole.example().to(whole.last().weight)
    wanted = whole(inputs)
    difference = (wanted - small(inputs)).abs().max().item()
    allowed = TOLERANCE * max(1.0, wanted.abs().max().item())
    if not difference <= allowed:
        raise PruningError(
            f"the cut model's outputs differ by {difference:.2g} from the masked model's, allowed is {allowed:.2g}:"
            " the weights may hold values that are not finite; train again from the last good checkpoint"
        )
