"""A cut model is run beside the dense one, layer by layer, to correct its output matrices where they stand.

At each output matrix (of the attention, of every feed-forward), its inputs and what the dense model's residual sum has
more than the cut model's are gathered into normal equations; the caller solves them and changes the matrix, and only
then the next one is looked at, so that each makes up for the errors of all before. After Kwon et al. 2022 (arXiv
2204.09656), section 4.3. Left out: how the equations are solved (`rescale.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ...runtime.errors import PruningError
from ..models.encoder import mask_to_scores
from ..tokens import Batch
from ..training import device_of
from .units import Encoder, body_of, layers_of


@dataclass(frozen=True)
class Equations:
    """Of one linear layer: `gram` [inputs + 1, inputs + 1] of its inputs with a 1 appended, and `cross` [inputs + 1,
    outputs] of those with what is missing at its output. Sums over tokens, float64."""

    gram: Tensor
    cross: Tensor


Correct = Callable[[nn.Linear, Equations], None]
"""Changes a linear layer in place."""


@dataclass(frozen=True)
class _Texts:
    """A batch on its way through the layers: both models' states [batch, sequence, hidden], the mask's scores, and
    which tokens count."""

    dense: Tensor
    small: Tensor
    scores: Tensor
    counted: Tensor


@dataclass(frozen=True)
class _Site:
    """At one output matrix, for the tokens that count: its inputs [tokens, inputs] and the sum of its output and the
    residual, before the norm, [tokens, outputs]."""

    inputs: Tensor
    total: Tensor


@torch.no_grad()
def correct_outputs(dense: Encoder, small: Encoder, batches: Sequence[Batch], correct: Correct) -> None:
    """Calls `correct` for every output matrix of `small`, in the order in which they are computed.

    Padding does not count, and in the last layer only the first token does, all that the head reads. Raises
    PruningError when there are no texts or the two models do not have the same layers and hidden size.
    """
    _check_pair(dense, small, batches)
    texts = [_embedded(dense, small, batch.to(device_of(small))) for batch in batches]
    pairs = list(zip(layers_of(dense), layers_of(small), strict=True))
    for old, new in pairs:
        last = new is pairs[-1][1]
        if last:
            texts = [replace(text, counted=_first_token(text.counted)) for text in texts]
        states, totals = zip(*(_totals(old, text) for text in texts), strict=True)
        for site, module in enumerate(_output_modules(new)):
            found = (_run(new, text.small, text)[1][site] for text in texts)
            correct(module.dense, _gathered(found, [total[site] for total in totals]))
        if not last:
            texts = [_advanced(new, text, dense_states) for text, dense_states in zip(texts, states, strict=True)]


def _output_modules(layer: Any) -> list[Any]:
    """What holds a layer's output matrices, in the order in which they are computed."""
    return [layer.attention.output, *(down for _, down in layer.stacked())]


def _run(layer: Any, states: Tensor, text: _Texts) -> tuple[Tensor, list[_Site]]:
    """The layer's output, and what was met at its output matrices."""
    sites: list[_Site] = []

    def catch(module: Any, inputs: tuple[Tensor, Tensor]) -> None:
        features, residual = (value[text.counted] for value in inputs)
        sites.append(_Site(features, module.dense(features) + residual))

    hooks = [module.register_forward_pre_hook(catch) for module in _output_modules(layer)]
    try:
        return layer(states, text.scores)[0], sites
    finally:
        for hook in hooks:
            hook.remove()


def _totals(layer: Any, text: _Texts) -> tuple[Tensor, list[Tensor]]:
    states, sites = _run(layer, text.dense, text)
    return states, [site.total for site in sites]


def _gathered(found: Iterable[_Site], wanted: Sequence[Tensor]) -> Equations:
    gram, cross = torch.zeros(()), torch.zeros(())
    for site, total in zip(found, wanted, strict=True):
        inputs = torch.cat([site.inputs, site.inputs.new_ones(len(total), 1)], 1)
        gram = gram + (inputs.T @ inputs).double()
        cross = cross + (inputs.T @ (total - site.total)).double()
    return Equations(gram, cross)


def _embedded(dense: Encoder, small: Encoder, batch: Batch) -> _Texts:
    old, new = (body_of(model).embeddings(batch.input_ids, batch.token_type_ids) for model in (dense, small))
    return _Texts(old, new, mask_to_scores(batch.attention_mask, old.dtype), batch.attention_mask.bool())


def _advanced(layer: Any, text: _Texts, dense: Tensor) -> _Texts:
    return replace(text, dense=dense, small=layer(text.small, text.scores)[0])


def _first_token(counted: Tensor) -> Tensor:
    first = torch.zeros_like(counted)
    first[:, 0] = True
    return first


def _check_pair(dense: Encoder, small: Encoder, batches: Sequence[Batch]) -> None:
    if not batches:
        raise PruningError("there are no calibration texts: a cut model is corrected on some, 2,000 are plenty")
    old, new = dense.config, small.config
    if (len(old.layers), old.hidden_size) != (len(new.layers), new.hidden_size):
        raise PruningError(
            f"the cut model has {len(new.layers)} layers of hidden size {new.hidden_size}, the other"
            f" {len(old.layers)} of {old.hidden_size}: only heads and neurons can be corrected for, so cut layers and"
            " widths of both first"
        )
