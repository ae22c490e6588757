"""Results to JSON values and back, and values that are none of ours."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pytest

from penjing.benchmarks.plain import from_plain, to_plain


@dataclass(frozen=True)
class Part:
    """A piece of the example."""

    name: str
    times: tuple[float, ...]


@dataclass(frozen=True)
class Whole:
    """An example of everything that results hold."""

    parts: tuple[Part, ...]
    count: int
    sure: bool
    limits: dict[str, float]
    reason: str | None = None


def test_a_result_survives_json() -> None:
    whole = Whole((Part("a", (1.5, math.inf)),), 3, True, {"p50": 2.0})
    back = from_plain(Whole, json.loads(json.dumps(to_plain(whole), allow_nan=False)))
    assert math.isnan(back.parts[0].times[1])  # JSON has no infinity
    assert (back.parts[0].name, back.count, back.sure, back.limits, back.reason) == ("a", 3, True, {"p50": 2.0}, None)


@pytest.mark.parametrize(
    "change", [{"count": "3"}, {"count": 3.5}, {"count": True}, {"sure": 1}, {"reason": 7}, {"parts": [{"name": 1}]}]
)
def test_a_value_of_another_kind_is_refused(change: dict[str, object]) -> None:
    plain = to_plain(Whole((), 3, True, {}))
    with pytest.raises(TypeError):
        from_plain(Whole, {**plain, **change})
