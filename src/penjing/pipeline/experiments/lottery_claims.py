"""A lottery's curve as claims (DESIGN, section 5): the winning ticket, its controls, and what its sparsity buys.

Intervals are 95% Student intervals over the seeds, of a mean or of the difference seed by seed. Left out: judging by
one seed; no claim is made of a kind that was not trained.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...compress.prune.lottery_curve import (
    CONTROLS,
    TICKETS,
    Curve,
    differences,
    unbroken_sparsity,
    winning_score,
    winning_sparsity,
)
from ..claims import against, make_claim, t_interval

Claims = Iterator[dict[str, Any]]
CLEARLY_WORSE = "interval above 0"
CRITERION = (
    "the highest sparsity whose mean score over the seeds is at least the dense mean less one sample standard deviation"
    " of the dense scores"
)


def lottery_claims(name: str, curve: Curve, target: float) -> Claims:
    """The dense score, the winning tickets, controls; `target` is the sparsity asked of the ticket that is rewound to
    its start and, where there are other ways to rewind, of the best of all.
    """
    dense = list(curve.scores("dense", 0.0).values())
    yield make_claim(f"{name}.dense", statistics.fmean(dense), curve.metric, t_interval(dense), curve.n)
    for kind in (*TICKETS, "transferred_mask"):
        if curve.sparsities(kind):
            yield from _ticket(name, curve, kind, target if kind == "ticket" else None)
    if any(curve.sparsities(kind) for kind in TICKETS[1:]):
        yield _best(name, curve, target)
    judged = winning_sparsity(curve) or 0.0
    for control in CONTROLS:
        # Where the controls were trained nearest below the winning ticket; above, the ticket itself does not win.
        known = curve.sparsities(control)
        at = max((s for s in known if s <= judged), default=known[0])
        yield _control(name, curve, control, at)
    if curve.sparsities("longer_dense"):
        yield _longer(name, curve)


def size_claims(name: str, sizes: Mapping[float, Sequence[Mapping[str, Any]]], winning: float | None) -> Claims:
    """Coded bytes of the winning ticket, and their share of the dense model's coded bytes. `sizes`: by sparsity."""
    if winning is None or winning not in sizes:
        return
    for sparse, dense in zip(sizes[winning], sizes[0.0], strict=True):
        precision = sparse["precision"]
        yield make_claim(f"{name}.ticket.{precision}.coded", sparse["coded"] / 1e6, "MB", None, 1)
        yield make_claim(f"{name}.ticket.{precision}.share", sparse["coded"] / dense["coded"], "share", None, 1)


def _ticket(name: str, curve: Curve, kind: str, target: float | None) -> Claims:
    won = winning_sparsity(curve, kind)
    sparsity = 0.0 if won is None else won
    claim = make_claim(f"{name}.{kind}", sparsity, "share", None, len(curve.scores(kind, curve.sparsities(kind)[0])))
    yield claim if target is None else against(claim, f">= {target:g}", _why(curve, kind, sparsity))
    yield make_claim(f"{name}.{kind}.unbroken", unbroken_sparsity(curve, kind) or 0.0, "share", None, claim["n"])
    if won is not None:
        scores = list(curve.scores(kind, won).values())
        yield make_claim(f"{name}.{kind}.score", statistics.fmean(scores), curve.metric, t_interval(scores), curve.n)


def _best(name: str, curve: Curve, target: float) -> dict[str, Any]:
    won, kind = max((winning_sparsity(curve, kind) or 0.0, kind) for kind in TICKETS if curve.sparsities(kind))
    claim = make_claim(f"{name}.best_ticket", won, "share", None, len(curve.scores("dense", 0.0)))
    return {**against(claim, f">= {target:g}", _why(curve, kind, won)), "kind": kind}


def _why(curve: Curve, kind: str, sparsity: float) -> str:
    sparser = next((s for s in curve.sparsities(kind) if s > sparsity), None)
    if sparser is None:
        return "every round wins, and none was sparser"
    mean = curve.mean(kind, sparser)
    return f"the mean at {sparser:.1%}, the next round, is {mean:.4f}; {winning_score(curve):.4f} is needed"


def _longer(name: str, curve: Curve) -> dict[str, Any]:
    """How much better the `rate_ticket` is than a dense model that has learnt as long; without a target."""
    at = winning_sparsity(curve, "rate_ticket") or curve.sparsities("rate_ticket")[0]
    found = differences(curve, "rate_ticket", "longer_dense", at)
    claim = make_claim(
        f"{name}.rate_ticket.above.longer_dense", statistics.fmean(found), curve.metric, t_interval(found), curve.n
    )
    return claim | {"sparsity": at}


def _control(name: str, curve: Curve, control: str, sparsity: float) -> dict[str, Any]:
    found = differences(curve, "ticket", control, sparsity)
    span = t_interval(found)
    claim = make_claim(f"{name}.above.{control}", statistics.fmean(found), curve.metric, span, curve.n)
    claim |= {"target": CLEARLY_WORSE, "met": span is not None and span[0] > 0, "sparsity": sparsity}
    if not claim["met"]:
        claim["why"] = f"at {sparsity:.1%} the seeds do not tell the ticket and this control apart"
    return claim
