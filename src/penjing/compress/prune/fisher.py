"""Fisher information of the masks of heads and neurons (Kwon et al. 2022, arXiv 2204.09656, sections 3.2 and 3.3).

The increase of the loss when units are cut is about (1 - m)' F (1 - m) / 2. F is the Fisher information of the model's
own predictions, exact over the classes: E over texts of J' (diag p - p p') J, J being the logits' slopes, so no labels
are needed. The public code squares sums over batches of 32 texts; here every text is squared by itself. Left out:
blocks across layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...runtime.errors import PruningError
from ..tokens import Batch
from .gradients import text_gradients
from .importances import Importances
from .units import Encoder, Factors, UnitMasks

MOST_EXACT_CLASSES = 8
"""With more, a class is drawn for each text, with a fixed seed; exactness costs classes - 1 backward passes."""
MOST_PASSES = 10


@dataclass(frozen=True)
class MaskGradients:
    """`heads[layer]` [rows, heads] and `neurons[layer][feed-forward]` [rows, width], scaled so that `rows.T @ rows` is
    that part's block of the Fisher information. A text has classes - 1 rows."""

    heads: tuple[Tensor, ...]
    neurons: tuple[tuple[Tensor, ...], ...]


def mask_gradients(model: Encoder, batches: Sequence[Batch]) -> MaskGradients:
    """Gradients of every text of `batches`, at the uncut model."""
    if not batches:
        raise PruningError("there are no calibration texts: the Fisher information needs some, 2,000 are plenty")
    source = torch.Generator().manual_seed(0)
    found = [part for batch in batches for part in text_gradients(model, batch, lambda z: fisher_roots(z, source))]
    texts = sum(len(batch.input_ids) for batch in batches)
    rows = [torch.cat(parts) / texts**0.5 for parts in zip(*(part.all for part in found), strict=True)]
    whole = found[0].with_values(rows)
    return MaskGradients(whole.heads, whole.neurons)


def fisher_roots(logits: Tensor, source: torch.Generator) -> list[Tensor]:
    """Directions d, each [batch, labels], whose outer products add up to diag p - p p' for every text: the covariance
    of the score. It has rank labels - 1. With many labels one direction, right on average."""
    p = logits.double().softmax(-1)
    if p.shape[1] > MOST_EXACT_CLASSES:
        drawn = torch.multinomial(p.cpu(), 1, generator=source).flatten().to(p.device)
        return [(F.one_hot(drawn, p.shape[1]) - p).to(logits.dtype)]
    values, vectors = torch.linalg.eigh(torch.diag_embed(p) - p[:, :, None] * p[:, None, :])
    roots = vectors * values.clamp_min(0).sqrt()[:, None, :]
    return [root.to(logits.dtype) for root in roots.unbind(2)[1:]]


def diagonal_fisher(gradients: MaskGradients) -> Importances:
    """The diagonal: each unit by itself."""
    neurons = tuple(tuple(g.square().sum(0) for g in layer) for layer in gradients.neurons)
    return Importances(tuple(g.square().sum(0) for g in gradients.heads), neurons)


def rearrange(masks: UnitMasks, gradients: MaskGradients) -> UnitMasks:
    """Swaps kept and cut units inside each layer, counts unchanged, while (1 - m)' F (1 - m) of the block falls.

    Units that make up for one another show only here. Factors must be 0 and 1.
    """
    heads = tuple(_rearranged(m, g) for m, g in zip(masks.heads, gradients.heads, strict=True))
    neurons = tuple(
        tuple(_rearranged(m, g) for m, g in zip(parts, rows, strict=True))
        for parts, rows in zip(masks.neurons, gradients.neurons, strict=True)
    )
    return UnitMasks(heads, neurons)


def _rearranged(factors: Factors, rows: Tensor) -> Factors:
    block = (rows.T @ rows).double().numpy()
    cut = np.array([factor == 0 for factor in factors])
    for _ in range(MOST_PASSES):
        if cut.all() or not cut.any() or not _swap(cut, block):
            break
    return tuple(float(not c) for c in cut)


def _swap(cut: NDArray[np.bool_], block: NDArray[np.float64]) -> bool:
    """One pass over the kept units, the cheapest first: each is cut and the one of all cut that is best kept is put
    back, it or another. True if anything changed."""
    diagonal = block.diagonal()
    reach = block @ cut  # of each unit, the cut ones' column sums: what changes when it is cut or put back
    changed = False
    for unit in [i for i in np.argsort(diagonal, kind="stable") if not cut[i]]:
        reach += block[unit]
        cut[unit] = True
        saved = np.where(cut, 2 * reach - diagonal, -np.inf)
        best = unit if saved[unit] >= saved.max() * (1 - 1e-9) else int(saved.argmax())
        reach -= block[best]
        cut[best] = False
        changed |= best != unit
    return changed
