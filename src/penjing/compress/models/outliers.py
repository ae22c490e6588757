"""Products one or two of whose inputs are far larger than all others, and would take most of the range of 8 bits.

BERT's states and neurons have such channels (Bondarenko et al. 2021, arXiv 2109.12948, section 3). An int8 file gives a
product's inputs one range, so they are divided before it and their weights multiplied, which changes no result:
SmoothQuant (Xiao et al. 2023, arXiv 2211.10438, section 4), of outliers alone, since each division is a pass over the
values. Which they are is seen on made-up text, so that no data is needed. Left out: MobileBERT, whose stream has units
a channel at no cost (`stream_units.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .affine import linear
from .bert import BertClassifier
from .stream_units import made_up_texts

OTHERS = 2
"""How many channels may be outliers: the next one gives the range."""
FAR = 2.0
"""Nothing is divided unless the largest is so many times the range of the others."""

Peaks = dict[nn.Module, Tensor]
"""By linear layer, the largest size that each of its inputs was seen to have, [inputs]."""


@torch.no_grad()
def input_peaks(model: BertClassifier) -> Peaks:
    """Of every linear layer of `model` that reads states of made-up texts."""
    peaks: Peaks = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        peaks[layer] = inputs[0].flatten(0, -2).abs().amax(0)

    hooks = [each.register_forward_pre_hook(note) for each in model.modules() if isinstance(each, nn.Linear)]
    try:
        model(*made_up_texts(model.bert))
    finally:
        for hook in hooks:
            hook.remove()
    return peaks


def without_outliers(layer: nn.Linear, peaks: Tensor) -> nn.Module:
    """`layer` itself where its inputs are even, else an `EvenedLinear` that gives the same."""
    if len(peaks) <= OTHERS:
        return layer
    others = peaks.sort(descending=True).values[OTHERS]
    if peaks.max() < FAR * others or not others:
        return layer
    return EvenedLinear(layer, (peaks / others).clamp_min(1))


class EvenedLinear(nn.Module):
    """`layer` of the same inputs, which are divided by `units` [inputs] first."""

    def __init__(self, layer: nn.Linear, units: Tensor) -> None:
        super().__init__()
        self.product = linear((layer.weight * units, layer.bias))
        self.shares: Tensor
        self.register_buffer("shares", 1 / units)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.product(x * self.shares)
        return out
