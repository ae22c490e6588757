"""Fake quantization: a student computes with values rounded as int8 files round them, and gradients pass as if not.

After Jacob et al. 2018 (arXiv 1712.05877, section 3) with straight-through gradients (Bengio et al. 2013, arXiv
1308.3432). It rounds as `export/quantize.py` makes ONNX files, the harsher of our two: weights in 7 bits, symmetric,
with a scale an output; rows of embedding tables in 8 bits with a scale a row; the input of every product in 8 bits,
asymmetric, with one range a text, which holds zero. TFLite's weights have a bit more and its activations a scale a
token. And it rounds what `inference_form` computes: queries and keys of MobileBERT read the block's input through one
composed matrix, and of the last layer only the [CLS] row runs, so its rows have ranges of their own.

Approximated: padding counts in a text's range. A MobileBERT whose norms can be folded must have them folded already
(`prune/fold_norms.without_norms`), as they scale the columns of what is quantized. Left out: static quantization, and
learnt ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .models.affine import Affine, affine, compose
from .models.bert import BertClassifier
from .models.folded import fold_norm, is_foldable
from .models.mobilebert import MobileBertClassifier, NormedLinear
from .prune.units import Encoder, layers_of

WEIGHT_LEVELS = 64
"""Either side of zero: what onnxruntime calls a reduced range, 7 bits."""
ROW_LEVELS = 127
ACTIVATION_STEPS = 255
FEWEST_ROWS = 16
"""Embedding tables of fewer rows stay float in the files (`export/quantize_tables.py`)."""

Forward = Callable[..., Tensor]


@contextmanager
def fake_quantized(model: Encoder) -> Iterator[None]:
    """Inside the block the model computes with rounded values; its weights stay as they are and get the gradients.

    No parameter, buffer or name changes. Blocks may not be nested.
    """
    forwards = _forwards(model)
    for module, forward in forwards.items():
        module.__dict__["forward"] = forward  # goes before the method of the class
    try:
        yield
    finally:
        for module in forwards:
            del module.__dict__["forward"]


def round_rows(rows: Tensor, levels: int) -> Tensor:
    """[..., size] to multiples of each row's largest value / levels; a row of zeros stays zeros.

    Example with 64 levels: [6.4, 0.26, -0.04] becomes [6.4, 0.3, 0.0].
    """
    with torch.no_grad():
        scale = _not_zero(rows.abs().amax(-1, keepdim=True) / levels)
        rounded = (rows / scale).round() * scale
    return _straight_through(rows, rounded)


def round_activations(x: Tensor, a_token: bool = False) -> Tensor:
    """[texts, ..., size] to the 256 values from the smallest to the largest of a text, or of a token with `a_token`.

    The range is widened to hold zero, which stays zero: ONNX's DynamicQuantizeLinear, for each text alone.
    """
    with torch.no_grad():
        dims = (-1,) if a_token else tuple(range(1, x.ndim))
        low, high = x.amin(dims, keepdim=True).clamp_max(0), x.amax(dims, keepdim=True).clamp_min(0)
        scale = _not_zero((high - low) / ACTIVATION_STEPS)
        zero = (-low / scale).round()
        rounded = (((x / scale).round() + zero).clamp(0, ACTIVATION_STEPS) - zero) * scale
    return _straight_through(x, rounded)


def _forwards(model: Encoder) -> dict[nn.Module, Forward]:
    """What each module that is quantized does instead."""
    rows_alone = _rows_alone(model)
    forwards: dict[nn.Module, Forward] = {}
    for module in model.modules():
        if isinstance(module, nn.Linear):
            forwards[module] = partial(_linear, module, module in rows_alone)
        elif isinstance(module, nn.Embedding) and module.num_embeddings >= FEWEST_ROWS:
            forwards[module] = partial(_embedding, module)
    if isinstance(model, MobileBertClassifier) and is_foldable(model):
        for layer in layers_of(model):
            shared, own = layer.bottleneck.attention, layer.attention.self
            forwards[shared] = _unchanged
            for projection in (own.query, own.key):
                forwards[projection] = partial(_composed, projection, shared, projection in rows_alone)
    return forwards


def _rows_alone(model: Encoder) -> set[nn.Module]:
    """The products of the last layer that see the [CLS] row alone: all but keys and values."""
    if not isinstance(model, BertClassifier) and not is_foldable(model):
        return set()
    last = layers_of(model)[-1]
    return set(last.modules()) - {last.attention.self.key, last.attention.self.value}


def _linear(layer: nn.Linear, a_token: bool, x: Tensor) -> Tensor:
    return _product(x, affine(layer), a_token)


def _composed(layer: nn.Linear, shared: NormedLinear, a_token: bool, x: Tensor) -> Tensor:
    with _full_precision(x):
        return _product(x, compose(affine(layer), fold_norm(shared)), a_token)


def _unchanged(x: Tensor) -> Tensor:
    return x


def _embedding(table: nn.Embedding, ids: Tensor) -> Tensor:
    return round_rows(F.embedding(ids, table.weight, table.padding_idx), ROW_LEVELS)


def _product(x: Tensor, layer: Affine, a_token: bool) -> Tensor:
    weight, bias = layer
    with _full_precision(x):
        return F.linear(round_activations(x.float(), a_token), round_rows(weight, WEIGHT_LEVELS), bias)


def _full_precision(x: Tensor) -> torch.autocast:
    """bf16 would round once more, and as coarsely as what is imitated."""
    return torch.autocast(x.device.type, enabled=False)


def _straight_through(exact: Tensor, rounded: Tensor) -> Tensor:
    return exact + (rounded - exact).detach()


def _not_zero(scale: Tensor) -> Tensor:
    return torch.where(scale == 0, torch.ones_like(scale), scale)
