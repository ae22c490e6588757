"""Quality against sparsity: the points that a lottery gives, and the highest sparsity that still wins.

The published criterion (Chen et al. 2020, arXiv 2007.12223, section 3): a subnetwork is a winning ticket when its score
is within one standard deviation of the full model's. Here exactly: its mean over the seeds is at least the dense mean
less the dense sample standard deviation (n - 1), each over all seeds of its kind. Left out: intervals and pictures.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...runtime.errors import PruningError

TICKETS = ("ticket", "early_ticket", "rate_ticket")
"""Found masks on their own weights: rewound to the start, to an early step, or in the learning rate alone."""
CONTROLS = ("random_mask", "random_weights", "shuffled_weights")
"""A random mask on the starting weights; the ticket's mask on newly drawn weights, and on the shuffled ones."""
KINDS = ("dense", *TICKETS, *CONTROLS, "transferred_mask", "longer_dense")
"""`transferred_mask`: a mask found on another task. `longer_dense`: the dense model with its learning rate rewound as
often as the `rate_ticket` of that sparsity, which has learnt as long."""


@dataclass(frozen=True)
class Point:
    """The score of one training; `sparsity` is the share of the prunable weights that is gone (0 for dense)."""

    kind: str
    sparsity: float
    seed: int
    score: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PruningError(f"{self.kind!r} is no kind of point: use one of {', '.join(KINDS)}")
        if not 0 <= self.sparsity < 1:
            raise PruningError(f"a sparsity of {self.sparsity:g} is outside [0, 1): it is a share, not a percentage")


@dataclass(frozen=True)
class Curve:
    """All points of one experiment; `metric` names the score and `n` is how many examples it was measured on."""

    metric: str
    n: int
    points: tuple[Point, ...]

    def scores(self, kind: str, sparsity: float) -> dict[int, float]:
        """Seed -> score."""
        return {p.seed: p.score for p in self.points if p.kind == kind and p.sparsity == sparsity}

    def sparsities(self, kind: str) -> tuple[float, ...]:
        """Where `kind` was measured, ascending."""
        return tuple(sorted({p.sparsity for p in self.points if p.kind == kind}))

    def mean(self, kind: str, sparsity: float) -> float:
        """Mean score over the seeds."""
        return statistics.fmean(self.scores(kind, sparsity).values())

    def deviation(self, kind: str, sparsity: float) -> float:
        """Sample standard deviation over the seeds; 0 for one seed."""
        values = list(self.scores(kind, sparsity).values())
        return statistics.stdev(values) if len(values) > 1 else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(raw: dict[str, Any]) -> Curve:
        return Curve(raw["metric"], raw["n"], tuple(Point(**point) for point in raw["points"]))


def winning_score(curve: Curve) -> float:
    """The mean that a winning ticket needs. Raises PruningError unless the dense model was trained with two seeds."""
    if len(curve.scores("dense", 0.0)) < 2:
        raise PruningError("the winning ticket needs the spread of the dense model: train it with two seeds or more")
    return curve.mean("dense", 0.0) - curve.deviation("dense", 0.0)


def winning_sparsity(curve: Curve, kind: str = "ticket") -> float | None:
    """The highest sparsity at which `kind` wins; None when it wins nowhere."""
    wins = [s for s in curve.sparsities(kind) if curve.mean(kind, s) >= winning_score(curve)]
    return max(wins, default=None)


def unbroken_sparsity(curve: Curve, kind: str = "ticket") -> float | None:
    """The highest sparsity up to which every measured point wins; None when the first does not.

    Stricter than the published criterion: a point that wins by luck beyond one that failed does not count.
    """
    reached = None
    for sparsity in curve.sparsities(kind):
        if curve.mean(kind, sparsity) < winning_score(curve):
            break
        reached = sparsity
    return reached


def differences(curve: Curve, kind: str, other: str, sparsity: float) -> Sequence[float]:
    """Score of `kind` less that of `other`, for every seed that both have."""
    ours, theirs = curve.scores(kind, sparsity), curve.scores(other, sparsity)
    return [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
