"""Which weights of an encoder may become zero, so that they are zero in every file that is made of it.

Prunable are the matrices of the layers, as in BERT's lottery (Chen et al. 2020, arXiv 2007.12223); embeddings, head and
pooler stay dense. A matrix that the form for devices multiplies with another is left out too: a product of sparse
matrices is dense. Those are MobileBERT's queries and keys and the bottleneck that they share. Left out: the masks
themselves (`weight_masks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ..models.folded import inference_form, merges_queries
from .sparse_bytes import CodedSize, coded_size
from .units import Encoder, body_of, layers_of
from .weight_masks import Masks, full_masks, smallest_removed


def sparse_matrices(model: Encoder) -> tuple[str, ...]:
    """The names of the prunable parameters, in the model's order."""
    merged = [m for layer in layers_of(model) for m in _merged(layer)] if merges_queries(model) else []
    linears = {m for m in body_of(model).encoder.modules() if isinstance(m, nn.Linear)} - set(merged)
    return tuple(f"{name}.weight" for name, module in model.named_modules() if module in linears)


def sparser_masks(model: Encoder, masks: Masks | None, sparsity: float) -> Masks:
    """`masks`, or full ones, less the smallest surviving weights of all prunable matrices together.

    `sparsity` is the share of all their weights that is gone afterwards. Raises PruningError as `smallest_removed`.
    """
    before = full_masks(model, sparse_matrices(model)) if masks is None else masks
    return smallest_removed(dict(model.named_parameters()), before, sparsity)


def device_sizes(model: Encoder, max_length: int) -> tuple[CodedSize, CodedSize]:
    """Dense and coded bytes of the weights that the exported files hold, in fp32 and in int8."""
    weights: Mapping[str, Tensor] = inference_form(model, max_length).state_dict()
    return coded_size(weights, "fp32"), coded_size(weights, "int8")


def _merged(layer: nn.Module) -> list[nn.Linear]:
    names = ("attention.self.query", "attention.self.key", "bottleneck.attention.dense")
    return [module for name, module in layer.named_modules() if name in names and isinstance(module, nn.Linear)]
