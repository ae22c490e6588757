"""k of n, and a least distance: as a plain loop decides, however the series is cut."""

from __future__ import annotations

import numpy as np
import pytest

from penjing.runtime.errors import BundleError
from penjing.runtime.policy import AlarmPolicy, decide, no_votes

POLICIES = (AlarmPolicy(), AlarmPolicy(2, 3), AlarmPolicy(1, 1, 5), AlarmPolicy(3, 5, 2), AlarmPolicy(4, 4, 40))


def one_by_one(policy: AlarmPolicy, above: list[bool]) -> list[bool]:
    """The definition, read aloud."""
    alarms = list[bool]()
    for i in range(len(above)):
        enough = sum(above[max(0, i - policy.of + 1) : i + 1]) >= policy.count
        last = max((j for j in range(i) if alarms[j]), default=None)
        alarms.append(enough and (last is None or i - last >= policy.gap))
    return alarms


@pytest.mark.parametrize("policy", POLICIES)
def test_any_cut_of_a_series_gives_the_alarms_of_the_definition(policy: AlarmPolicy) -> None:
    source = np.random.default_rng(0)
    above = source.random(300) < 0.5
    expected = one_by_one(policy, above.tolist())
    assert any(expected) and not all(expected)
    for cuts in ([], [0, 0, 1, 2, 3], sorted(source.integers(0, 300, 40).tolist()), list(range(300))):
        votes, alarms = no_votes(policy), list[bool]()
        for part in np.split(above, cuts):
            found, votes = decide(policy, part, votes)
            alarms += found.tolist()
        assert alarms == expected


def test_a_worked_example() -> None:
    above = np.array([1, 0, 1, 1, 1, 0, 0, 1, 1], bool)
    assert decide(AlarmPolicy(2, 3), above, no_votes(AlarmPolicy(2, 3)))[0].astype(int).tolist() == [
        0, 0, 1, 1, 1, 1, 0, 0, 1,
    ]  # fmt: skip
    spaced, votes = decide(AlarmPolicy(2, 3, 3), above, no_votes(AlarmPolicy(2, 3, 3)))
    assert spaced.astype(int).tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert votes.recent == (True, True) and votes.since == 1


@pytest.mark.parametrize("values", [(0, 1, 0), (2, 1, 0), (1, 1, -1)])
def test_a_policy_that_is_none_is_refused(values: tuple[int, int, int]) -> None:
    with pytest.raises(BundleError, match="give 1 <= count <= of"):
        AlarmPolicy(*values)
    with pytest.raises(BundleError, match="policy lacks or misstates 'gap'"):
        AlarmPolicy.from_plain({"count": 1, "of": 1})
