"""The front on a worked example."""

from __future__ import annotations

from penjing.pipeline.suite.pareto import on_front


def test_a_worked_example() -> None:
    """Loss, megabytes, milliseconds: c is beaten by b in all, d by a in one while equal in the others."""
    points = {"a": (0.10, 5, 8), "b": (0.12, 3, 9), "c": (0.13, 4, 9), "d": (0.10, 5, 9), "e": (0.30, 1, 20)}
    assert dict(zip(points, on_front(list(points.values())), strict=True)) == {
        "a": True, "b": True, "c": False, "d": False, "e": True,
    }  # fmt: skip


def test_equal_points_are_on_it_together() -> None:
    assert on_front([(1, 2), (1, 2), (2, 2)]) == [True, True, False]


def test_nothing_has_no_front() -> None:
    assert on_front([]) == []
