"""The units in which a folded residual stream is computed: each channel's own, so that 8 bits serve them all.

A stream whose norms were folded away may have channels that differ hundredfold; one range of 8 bits then leaves most of
them a few steps. It may be kept in any unit a channel (`folded.Stream`), at no cost and without changing the function:
cross-layer equalization (Nagel et al. 2019, arXiv 1906.04721, section 4.1), here of the whole stream at once. The unit
is that of the stream's end and, by a quarter, of its start: where all readers and writers of a block share a unit,
evening the end alone makes the first blocks uneven. Measured on made-up text, so that no data is needed. Left out:
streams inside a block.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .bert import Bert
from .mobilebert import MobileBert

TEXTS, TOKENS = 64, 16
OF_THE_END = 0.75
"""How much the end of the stream decides; of 0.35 to 1, which were tried, 0.65 to 0.8 lost least in int8."""
LEAST = 1e-4
"""Of the largest unit: a channel that carries nothing keeps a scale to divide by."""


@torch.no_grad()
def stream_units(encoder: MobileBert, scale: Tensor, shift: Tensor) -> Tensor:
    """[hidden]: of each channel the root mean square of the folded stream, which is (last states - shift) / scale at
    its end and the embeddings at its start; the mean of both logarithms, by OF_THE_END. Of an even stream, ones.

    `scale` and `shift` [hidden] are what the NoNorms on the way make of it.
    """
    hidden = encoder(*made_up_texts(encoder)).hidden
    start, end = (_size(states) for states in (hidden[0], (hidden[-1] - shift) / scale.abs().clamp_min(LEAST)))
    units: Tensor = end**OF_THE_END * start ** (1 - OF_THE_END)
    return units.clamp_min(LEAST * float(units.max()) or 1.0)


def _size(states: Tensor) -> Tensor:
    return states.square().mean((0, 1)).sqrt()


def made_up_texts(encoder: MobileBert | Bert) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, mask and types [TEXTS, TOKENS] of words drawn from the whole vocabulary, always the same."""
    table = encoder.embeddings.word_embeddings
    tokens = min(TOKENS, encoder.embeddings.position_embeddings.num_embeddings)
    source = torch.Generator().manual_seed(0)
    ids = torch.randint(0, table.num_embeddings, (TEXTS, tokens), generator=source).to(table.weight.device)
    return ids, torch.ones_like(ids), torch.zeros_like(ids)
