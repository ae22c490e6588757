"""The Pareto front: what nothing else beats in everything. Left out: which of its points to take."""

from __future__ import annotations

from collections.abc import Sequence

Point = Sequence[float]


def on_front(points: Sequence[Point]) -> list[bool]:
    """Whether each point is on the front; less is better in each of its numbers.

    A point is off it when another is as good in all numbers and better in one; equal points are on it together.
    """
    return [not any(dominates(other, point) for other in points) for point in points]


def dominates(one: Point, other: Point) -> bool:
    """Whether `one` is as good as `other` in everything, and better in something."""
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
