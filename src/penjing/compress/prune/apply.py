"""The one place where a plan is applied: checks, cuts, and checks again.

A new, physically smaller model comes out; the old one stays as it is. Factors other than 0 and 1 are folded into the
output matrices. Left out: choosing what to cut, and the tokenizer's files, which `tokenizer_cut.py` rewrites.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ...runtime.errors import PruningError
from ..models.bert import BertClassifier
from .costs import shape_after
from .plan import PruningPlan, check_plan
from .units import Encoder, UnitMasks, applied, as_tensors, body_of, layers_of
from .vocabulary import VocabularyCut
from .widths import cut_widths

Mend = Callable[[Encoder, Encoder], None]
TOLERANCE = 1e-5
"""Between the cut model and the masked one, relative to the largest logit where that is above 1."""


@torch.no_grad()
def apply_plan(model: Encoder, plan: PruningPlan, mend: Mend | None = None) -> Encoder:
    """The smaller model, in eval mode. Raises PruningError when the plan does not fit or the outcome is not right.

    `mend(whole, small)` may change the small model's weights after its units are cut and before its rows are: it sees
    the model with all of its units too, on the same tokens.
    """
    check_plan(plan, model)
    model = copy.deepcopy(model).eval()
    sliced = cut_widths(model, plan.widths, plan.tensors) if plan.widths else model
    whole = keep_layers(sliced, plan.layers)
    small = cut_units(whole, plan.masks)
    _check_units(whole, small, plan.masks)
    if mend is not None:
        mend(whole, small)
    if plan.vocabulary is None:
        return small
    last = cut_rows(small, plan.vocabulary)
    _check_rows(small, last, plan.vocabulary)
    return last


def keep_layers(model: Encoder, layers: tuple[int, ...]) -> Encoder:
    """The model with these of its layers, in order."""
    if len(layers) == len(model.config.layers):
        return model
    small = copy.deepcopy(model)
    encoder = body_of(small).encoder
    encoder.layer = nn.ModuleList(encoder.layer[index] for index in layers)
    small.config = replace(small.config, layers=tuple(small.config.layers[i] for i in layers))
    return small


def cut_units(model: Encoder, masks: UnitMasks) -> Encoder:
    """The model without the heads and neurons whose factor is 0."""
    small = _empty_like(model, shape_after(model.config, masks))
    weights = dict(model.state_dict())
    for index, (layer, shape) in enumerate(zip(layers_of(model), model.config.layers, strict=True)):
        prefix = next(name for name, module in model.named_modules() if module is layer)
        _cut_heads(weights, f"{prefix}.attention", masks.heads[index], shape.head_size)
        names = {module: name for name, module in layer.named_modules()}
        for (up, down), factors in zip(layer.stacked(), masks.neurons[index], strict=True):
            _cut_neurons(weights, f"{prefix}.{names[up]}.dense", f"{prefix}.{names[down]}.dense", factors)
    small.load_state_dict(weights)
    small.eval()
    return small


def cut_rows(model: Encoder, cut: VocabularyCut) -> Encoder:
    """The model with only the kept rows of its word table."""
    words = "bert" if isinstance(model, BertClassifier) else "mobilebert"
    name = f"{words}.embeddings.word_embeddings.weight"
    weights = dict(model.state_dict())
    kept = torch.tensor(cut.kept)
    weights[name] = weights[name][kept]
    pad = int((kept == model.config.pad_id).nonzero()[0])
    small = _empty_like(model, replace(model.config, vocab_size=len(cut.kept), pad_id=pad))
    small.load_state_dict(weights)
    small.eval()
    return small


def probe(vocab_size: int, pad_id: int, kept: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, mask and types [4, 16] of made-up texts, one of them padded, from the kept rows."""
    source = torch.Generator().manual_seed(0)
    rows = torch.arange(vocab_size) if kept is None else kept
    ids = rows[torch.randint(len(rows), (4, 16), generator=source)]
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    ids[1, 9:] = pad_id
    return ids, mask, torch.zeros_like(ids)


def _cut_heads(weights: dict[str, Tensor], place: str, factors: tuple[float, ...], size: int) -> None:
    scale = torch.tensor(factors)
    kept = scale.nonzero().flatten()
    rows = (kept[:, None] * size + torch.arange(size)).flatten()
    for part in ("query", "key", "value"):
        for kind in ("weight", "bias"):
            name = f"{place}.self.{part}.{kind}"
            weights[name] = weights[name][rows]
    name = f"{place}.output.dense.weight"
    weights[name] = weights[name][:, rows] * scale[kept].repeat_interleave(size)


def _cut_neurons(weights: dict[str, Tensor], up: str, down: str, factors: tuple[float, ...]) -> None:
    scale = torch.tensor(factors)
    kept = scale.nonzero().flatten()
    weights[f"{up}.weight"], weights[f"{up}.bias"] = weights[f"{up}.weight"][kept], weights[f"{up}.bias"][kept]
    weights[f"{down}.weight"] = weights[f"{down}.weight"][:, kept] * scale[kept]


def _check_units(whole: Encoder, small: Encoder, masks: UnitMasks) -> None:
    inputs = probe(whole.config.vocab_size, whole.config.pad_id)
    with applied(whole, as_tensors(masks)):
        wanted = whole(*inputs)
    _check_equal(wanted, small(*inputs), "heads and neurons")


def _check_rows(whole: Encoder, small: Encoder, cut: VocabularyCut) -> None:
    kept = torch.tensor(cut.kept)
    ids, mask, types = probe(cut.old_size, whole.config.pad_id, kept)
    _check_equal(whole(ids, mask, types), small(torch.searchsorted(kept, ids), mask, types), "the vocabulary")


def _check_equal(wanted: Tensor, found: Tensor, part: str) -> None:
    difference = (wanted - found).abs().max().item()
    allowed = TOLERANCE * max(1.0, wanted.abs().max().item())
    if not difference <= allowed:
        raise PruningError(
            f"after cutting {part} the logits differ by {difference:.2g} from the masked model's, allowed is"
            f" {allowed:.2g}: the weights may hold values that are not finite; report this with the plan"
        )


def _empty_like(model: Encoder, shape: Any) -> Encoder:
    return type(model)(shape, model.num_labels)
