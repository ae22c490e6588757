"""When scores become alarms: k of the last n samples above the threshold, and a least distance between two alarms.

Left out: the threshold itself (`calibration.py`), and alarms that end: an alarm is a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BundleError

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class AlarmPolicy:
    """An alarm needs at least `count` of the last `of` samples above the threshold and the last alarm at least `gap`
    samples ago. Raises BundleError for values out of range.
    """

    count: int = 1
    of: int = 1
    gap: int = 0

    def __post_init__(self) -> None:
        """Checks the three numbers."""
        if not 1 <= self.count <= self.of or self.gap < 0:
            raise BundleError(
                f"an alarm policy of {self.count} of {self.of} samples, gap {self.gap}, is none: give 1 <= count <= of"
                " and a gap of 0 or more"
            )

    def to_plain(self) -> dict[str, int]:
        """As the manifest holds it."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> AlarmPolicy:
        """From the manifest; raises BundleError when something is missing."""
        try:
            return cls(int(plain["count"]), int(plain["of"]), int(plain["gap"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the manifest's policy lacks or misstates {error}: copy the bundle again") from None


@dataclass(frozen=True)
class Votes:
    """What a policy remembers: whether each of the last of - 1 samples was above, and how long ago the alarm was.

    `since` counts the samples from the last alarm to the next sample, so that it is at least 1; None: no alarm yet.
    """

    recent: tuple[bool, ...]
    since: int | None = None


def no_votes(policy: AlarmPolicy) -> Votes:
    """The beginning of a series."""
    return Votes((False,) * (policy.of - 1))


def decide(policy: AlarmPolicy, above: Flags, votes: Votes) -> tuple[Flags, Votes]:
    """Alarms [n] among samples of which `above` [n] tells those above the threshold, and what to remember after them.

    Cutting a series into chunks changes nothing.
    """
    flags = np.concatenate([np.array(votes.recent, np.bool_), above])
    sums = np.concatenate([[0], np.cumsum(flags)])
    candidates = np.flatnonzero(sums[policy.of :] - sums[: -policy.of] >= policy.count)
    alarms = np.zeros(len(above), np.bool_)
    last = None if votes.since is None else -votes.since
    if policy.gap <= 1:
        alarms[candidates] = True
        last = int(candidates[-1]) if len(candidates) else last
    else:
        while len(candidates := candidates if last is None else candidates[candidates >= last + policy.gap]):
            last = int(candidates[0])
            alarms[last] = True
    recent = flags[len(flags) - (policy.of - 1) :]
    return alarms, Votes(tuple(recent.tolist()), None if last is None else len(above) - last)
