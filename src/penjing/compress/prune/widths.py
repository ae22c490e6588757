"""Widths: the hidden, bottleneck and embedding sizes, cut after what the states hold on calibration text.

Any of BERT's (`refit_bert.py`) and those of MobileBERTs with NoNorm and shared bottlenecks (`cut_words.py`, then
`slice_mobilebert.py`). A plan holds the narrow model's weights, so replaying the cut needs no data and gives the same
bits. Left out: widths that differ from layer to layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...runtime.errors import PruningError
from ..models.bert import BertClassifier, BertShape
from ..models.mobilebert import MobileBertClassifier
from ..tokens import Batch
from ..training import device_of
from .cut_words import cut_words
from .refit_bert import refit_bert
from .slice_mobilebert import slice_mobilebert
from .units import Encoder, Shape

BASIS = "hidden_basis"
SMALLEST = {"hidden": 2, "bottleneck": 1, "embedding": 1}
"""A norm over one channel gives nothing but its shift."""


@torch.no_grad()
def plan_widths(model: Encoder, batches: Sequence[Batch], sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """What `cut_widths` needs for these `sizes` ("hidden", "bottleneck", "embedding"; those not named stay).

    That is the narrow model's weights by name and, where the hidden states change, `hidden_basis`. Raises PruningError
    for a model or a size that cannot be cut, no texts, or states that are not finite on them.
    """
    check_sizes(model, sizes)
    model.eval()
    small, basis = _narrowed(model, batches, sizes)
    tensors = {name: value.detach().cpu().clone() for name, value in small.state_dict().items()}
    if basis is not None:
        tensors[BASIS] = basis.cpu()
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise PruningError(
                f"cutting widths to {dict(sizes)} gives values of {name} that are not finite: the model's weights or"
                " its states on the calibration text are too large; train it again or cut less"
            )
    return tensors


@torch.no_grad()
def cut_widths(model: Encoder, sizes: Mapping[str, int], tensors: Mapping[str, Tensor]) -> Encoder:
    """The narrow model, in eval mode. Raises PruningError when the tensors are not of this model and these sizes."""
    check_sizes(model, sizes)
    small: Encoder = type(model)(shape_with(model.config, sizes), model.num_labels)  # type: ignore[arg-type]
    weights = {name: value for name, value in tensors.items() if name != BASIS}
    wanted = {name: tuple(value.shape) for name, value in small.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if wanted != found:
        wrong = min(name for name in {**wanted, **found} if wanted.get(name) != found.get(name))
        raise PruningError(
            f"the plan's tensors do not fit the widths {dict(sizes)}: {wrong} is {found.get(wrong, 'missing')}, wanted"
            f" is {wanted.get(wrong, 'nothing')}; make the plan again with `penjing prune plan`"
        )
    small.load_state_dict(weights)
    return small.to(device_of(model)).eval()


def hidden_basis(tensors: Mapping[str, Tensor]) -> Tensor | None:
    """[dense hidden, new hidden]: maps the dense model's hidden states to the narrow one's; None where they stay.

    Exact up to what is cut off; of a MobileBERT also up to scale, which differs from layer to layer.
    """
    return tensors.get(BASIS)


def shape_with(shape: Shape, sizes: Mapping[str, int]) -> Shape:
    """The shape with these sizes. A BERT's word table is never wider than its hidden states."""
    named: dict[str, Any] = {f"{name}_size": size for name, size in sizes.items()}
    if isinstance(shape, BertShape):
        named.setdefault("embedding_size", min(shape.embedding_size, named.get("hidden_size", shape.hidden_size)))
    return replace(shape, **named)


def check_sizes(model: Encoder, sizes: Mapping[str, int]) -> None:
    """Raises PruningError when the model has no such width, cannot be cut in it, or a size is out of range."""
    kind = "BERT" if isinstance(model, BertClassifier) else "MobileBERT"
    names = [name for name in SMALLEST if hasattr(model.config, f"{name}_size")]
    for name, size in sizes.items():
        if name not in names:
            raise PruningError(f"{name!r} is no width of a {kind} model: in prune.widths name {', '.join(names)}")
        dense = getattr(model.config, f"{name}_size")
        if not SMALLEST[name] <= size <= dense:
            raise PruningError(
                f"the {name} size {size} cannot be cut out of {dense}: set prune.widths.{name} to"
                f" {SMALLEST[name]} to {dense}"
            )
    hidden = sizes.get("hidden", model.config.hidden_size)
    if isinstance(model, MobileBertClassifier):
        _check_mobilebert(model)
    elif sizes.get("embedding", 0) > hidden:
        raise PruningError(
            f"the embedding size {sizes['embedding']} is above the hidden size {hidden}, which gains nothing: set"
            f" prune.widths.embedding to {hidden} or less, or leave it out"
        )


def _check_mobilebert(model: MobileBertClassifier) -> None:
    config = model.config
    if (config.norm, config.attention_input, config.pooler) != ("no_norm", "shared", False):
        raise PruningError(
            f"the widths of a MobileBERT with norm {config.norm!r}, attention_input {config.attention_input!r} and"
            f" pooler {config.pooler} cannot be cut: those of BERT models and of MobileBERTs with 'no_norm', 'shared'"
            " and no pooler can; cut layers, heads, neurons or the vocabulary instead"
        )


def _narrowed(model: Encoder, batches: Sequence[Batch], sizes: Mapping[str, int]) -> tuple[Encoder, Tensor | None]:
    """The narrow model, and the basis of its hidden states if these change."""
    shape: Any = shape_with(model.config, sizes)
    if isinstance(model, BertClassifier):
        small, basis = refit_bert(model, batches, shape)
        return small, basis if "hidden" in sizes else None
    if "embedding" in sizes:
        model = cut_words(model, batches, sizes["embedding"])
    if set(sizes) <= {"embedding"}:
        return model, None
    return slice_mobilebert(model, batches, shape)
