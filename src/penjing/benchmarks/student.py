"""Student's t by numerical integration: a board that is measured has numpy, and no scipy.

Left out: other distributions.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05


def student_tail(t: float, freedom: float) -> float:
    """Two-sided tail of Student's t: with t = sqrt(freedom) tan(angle) its density is cos(angle)**(freedom - 1)."""
    start = math.atan(abs(t) / math.sqrt(freedom))
    return float(_cosines(start, freedom)[-1] / _cosines(0.0, freedom)[-1])


def student_point(freedom: float, level: float = LEVEL) -> float:
    """The t that leaves `level` in both tails together."""
    sums = _cosines(0.0, freedom)
    angle = np.interp((1 - level) * sums[-1], sums, np.linspace(0, math.pi / 2, len(sums) + 1)[1:])
    return math.sqrt(freedom) * math.tan(angle)


def _cosines(start: float, freedom: float) -> NDArray[np.float64]:
    """Integral of cos**(freedom - 1) from `start` to each of 4000 angles up to a right one, by the midpoint rule."""
    width = (math.pi / 2 - start) / 4000
    steps: NDArray[np.float64] = np.cumsum(np.cos(start + width * (np.arange(4000) + 0.5)) ** (freedom - 1)) * width
    return steps
