"""Event n-gram surprisal: how unexpected a session's events are, each after those before it.

Information-theoretic techniques in Chandola, Banerjee and Kumar 2009, section 8, as a Markov chain: -log P(event | the
events before it) in nats, read from a table. Each context counts one more event, spread as the next shorter context
says, so that an unseen context falls back to it; events without context have add-one smoothing. 0 pads a session's end.
It also stands before the first event, and the first 0 after the last is an event, the end: a session that is cut short
surprises. Left out: times between events.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ...runtime.errors import TrainingError
from .scaling import Samples, check_fit, float_tensor

OverEvents = Literal["rms", "max", "mean"]
LARGEST_ID = 65_535
LARGEST_TABLE = 1 << 22
"""Entries: 16 MiB of float32."""
UNKNOWN = 1
"""The place in the vocabulary of every id that training never saw; 0 is the padding's."""


class Ngram(nn.Module):
    """samples [batch, window, 1] of event ids to the root mean square, largest or mean surprisal [batch].

    `places` [largest id + 3] holds the vocabulary's place of each id from -1 to one beyond the largest, `surprisal`
    [vocabulary ** order] has the event as its fastest index and the oldest event before it as its slowest.
    """

    places: Tensor
    surprisal: Tensor

    def __init__(self, places: NDArray[np.int64], surprisal: NDArray[np.float64], over_events: OverEvents) -> None:
        super().__init__()
        self.order, self.vocabulary, self.over_events = surprisal.ndim, surprisal.shape[0], over_events
        self.register_buffer("places", torch.tensor(places))
        self.register_buffer("surprisal", float_tensor(surprisal.reshape(-1)))

    def forward(self, samples: Tensor) -> Tensor:
        # Ids out of range, negative ones too, come to lie on the ends of `places`, which are unknown.
        ids = samples[:, :, 0].round().clamp(-1, len(self.places) - 2).long() + 1
        events = self.places[ids]
        index = events
        for back in range(1, self.order):
            index = index + self.vocabulary**back * F.pad(events, (back, 0))[:, : events.shape[1]]
        surprisals = self.surprisal[index]
        if self.over_events == "max":
            return surprisals.amax(1)
        count = (events > 0).to(surprisals.dtype).sum(1).clamp(min=1)
        if self.over_events == "mean":
            return surprisals.sum(1) / count
        return (surprisals.square().sum(1) / count).sqrt()


def fit_ngram(
    samples: Samples, *, order: Literal[1, 2, 3] = 2, over_events: OverEvents = "rms", seed: int = 0
) -> Ngram:
    """Fits on sessions [n, window, 1] of whole ids from 1 to 65,535, padded with 0 at their end.

    `order` counts the event itself: 2 are bigrams. `seed` is not used. Raises TrainingError.
    """
    check_fit(samples, "ngram")
    if order not in (1, 2, 3):
        raise TrainingError(f"ngram: order is {order}: give 1, 2 or 3")
    ids = _ids_of(samples)
    known = np.unique(ids[ids > 0])
    places = np.full(int(known.max()) + 3, UNKNOWN)
    places[1] = 0
    places[known + 1] = np.arange(2, len(known) + 2)
    vocabulary = len(known) + 2
    if vocabulary**order > LARGEST_TABLE:
        raise TrainingError(
            f"ngram: {len(known)} event ids make a table of {vocabulary**order} entries, the limit is {LARGEST_TABLE}:"
            " set a lower order or fewer templates"
        )
    return Ngram(places, surprisal_table(places[ids + 1], vocabulary, order), over_events)


def surprisal_table(events: NDArray[np.int64], vocabulary: int, order: int) -> NDArray[np.float64]:
    """-log P [vocabulary] * order of `events` [n, window], places in the vocabulary; 0 where nothing happens."""
    back = max(order - 1, 1)
    padded = np.hstack([np.zeros((len(events), back), dtype=np.int64), events])
    places = [padded[:, i : i + events.shape[1]].reshape(-1) for i in range(back + 1)]
    happens = (places[-1] > 0) | ((places[-2] > 0) & (order > 1))
    probability: NDArray[np.float64] = np.full((), 1 / vocabulary)
    for length in range(1, order + 1):
        counts = np.zeros((vocabulary,) * length)
        np.add.at(counts, tuple(column[happens] for column in places[-length:]), 1)
        weight = vocabulary if length == 1 else 1
        probability = (counts + weight * probability) / (counts.sum(axis=-1, keepdims=True) + weight)
    surprisal: NDArray[np.float64] = -np.log(probability)
    surprisal[(..., 0, 0) if order > 1 else 0] = 0
    return surprisal


def _ids_of(samples: Samples) -> NDArray[np.int64]:
    """[n, window]; raises TrainingError that names what is wrong."""
    if samples.shape[2] != 1:
        raise TrainingError(f"ngram reads one event id a sample, these have {samples.shape[2]} channels: give only ids")
    ids = samples[:, :, 0].astype(np.int64)
    if (ids != samples[:, :, 0]).any() or ids.min() < 0 or ids.max() > LARGEST_ID:
        raise TrainingError(f"ngram: event ids are whole numbers from 1 to {LARGEST_ID}, and 0 pads: number them so")
    if not ids.any():
        raise TrainingError("ngram: the sessions hold only padding (0): number the events from 1")
    if ((ids[:, :-1] == 0) & (ids[:, 1:] > 0)).any():
        raise TrainingError("ngram: a session has 0 before an event, but 0 pads the end only: number events from 1")
    return ids
