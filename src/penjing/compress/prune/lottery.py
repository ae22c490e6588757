"""Iterative magnitude pruning: the search for winning lottery tickets, and their controls.

Train, take out the smallest surviving weights of all matrices together, rewind the survivors, train again (Frankle and
Carbin 2019, arXiv 1803.03635, section 1; from pre-trained weights: Chen et al. 2020, arXiv 2007.12223, section 3, and
2021, arXiv 2012.06908). Three ways to rewind: to the starting weights; to an early step (Frankle et al. 2020,
arXiv 1912.05671; `from_early_step`); the learning rate alone, while the weights go on (Renda et al. 2020, arXiv
2003.02389; `keep_weights`). Different from the public BERT code: a round rewinds everything, head included, and has its
own optimizer and its own schedule down to zero. Left out: structured units, and how a model is trained and scored; the
caller gives both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor, nn

from ...runtime.errors import PruningError
from .weight_masks import Masks, apply_masks, bare_state, full_masks, shuffle_weights, smallest_removed

MakeModel = Callable[[], nn.Module]
"""A new model in its starting weights, the same each time: pre-trained ones, or random ones of one seed."""


class Train(Protocol):
    """Trains in place with a new optimizer, and gives the score on held-out data (higher is better).

    Does the steps from `start_step` up to `stop_step` (None: the last) of its one schedule, which ends at a rate of 0.
    """

    def __call__(self, model: nn.Module, start_step: int, stop_step: int | None) -> float: ...


@dataclass(frozen=True)
class Lottery:
    """What all rounds share: the starting weights, the training, the names of the parameters that may be pruned.

    Every round starts at `start_step` of the schedule, from `make_model()`; with `keep_weights`, from where the round
    before ended (learning-rate rewinding).
    """

    make_model: MakeModel
    train: Train
    names: tuple[str, ...]
    start_step: int = 0
    keep_weights: bool = False


@dataclass(frozen=True)
class Round:
    """One training under `masks`: its score, and the weights it ended with (zeros where the masks are False)."""

    masks: Masks
    score: float
    weights: Mapping[str, Tensor]


def draw(lottery: Lottery, sparsities: Sequence[float]) -> Iterator[Round]:
    """The dense round, then one round for each of the rising `sparsities`, each pruned from the one before."""
    done = play_round(lottery, full_masks(lottery.make_model(), lottery.names))
    yield done
    for sparsity in sparsities:
        done = play_round(lottery, smallest_removed(done.weights, done.masks, sparsity), done.weights)
        yield done


def play_round(lottery: Lottery, masks: Masks, before: Mapping[str, Tensor] | None = None) -> Round:
    """One round under `masks`; `before` are the weights of the round before, read only with `keep_weights`.

    Also a control or a transfer: masks from elsewhere, another `make_model`, or masks for some of the parameters only.
    """
    model = lottery.make_model()
    if lottery.keep_weights and before is not None:
        model.load_state_dict(before)
    apply_masks(model, masks)
    score = lottery.train(model, lottery.start_step, None)
    return Round(masks, score, bare_state(model))


def from_early_step(lottery: Lottery, step: int) -> Lottery:
    """The same lottery, rewound to `step` of the dense training instead of to its start."""
    model = lottery.make_model()
    lottery.train(model, lottery.start_step, step)
    early = bare_state(model)
    return replace(lottery, make_model=lambda: _with_weights(lottery.make_model(), early), start_step=step)


def with_shuffled_weights(lottery: Lottery, seed: int) -> Lottery:
    """The control whose starting weights stand at other places within each prunable tensor; the others stay.

    The public BERT code exchanges whole layers instead, which keeps every matrix as it was trained.
    """

    def make_shuffled() -> nn.Module:
        model = lottery.make_model()
        shuffle_weights(model, lottery.names, seed)
        return model

    return replace(lottery, make_model=make_shuffled)


def shares_of_remaining(rate: float, rounds: int) -> tuple[float, ...]:
    """Sparsities when each round takes `rate` of what is left: 1 - (1 - rate)^n."""
    _check(rate, rounds, 0 < rate < 1)
    return tuple(1 - (1 - rate) ** n for n in range(1, rounds + 1))


def shares_of_original(rate: float, rounds: int) -> tuple[float, ...]:
    """Sparsities when each round takes `rate` of what there was at first: n * rate."""
    _check(rate, rounds, rate > 0 and rate * rounds < 1)
    return tuple(round(rate * n, 12) for n in range(1, rounds + 1))


def _check(rate: float, rounds: int, fits: bool) -> None:
    if not fits or rounds < 1:
        raise PruningError(
            f"{rounds} rounds of {rate:g} leave no network: take one round or more and a share between 0 and 1 that"
            " leaves weights over"
        )


def _with_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    model.load_state_dict(weights)
    return model
