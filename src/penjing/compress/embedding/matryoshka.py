"""Vectors that may be cut short: the teacher's, turned so that their first numbers tell most.

The turn is a rotation, so cosines of whole vectors stay as they are; the first k numbers are then the best picture of
the vectors in k dimensions (Eckart and Young 1936). Left out: training on cut vectors, which is `vector_loss.py`'s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def turn(vectors: NDArray[np.floating], size: int, cuts: tuple[int, ...] = ()) -> NDArray[np.float32]:
    """[teacher size, size]: what turns the teacher's vectors [n, teacher size] into a student's targets.

    The identity where nothing is cut; else the directions that carry most of the vectors, the strongest first. The
    origin stays where it is: a cosine is measured from there.
    """
    width = vectors.shape[1]
    if size == width and not cuts:
        return np.eye(width, dtype=np.float32)
    moments = np.zeros((width, width))
    for start in range(0, len(vectors), 1 << 14):  # the vectors may be a memory map of another width
        rows = np.asarray(vectors[start : start + (1 << 14)], np.float64)
        moments += rows.T @ rows
    directions = np.linalg.eigh(moments)[1][:, ::-1][:, :size]
    return np.ascontiguousarray(directions, np.float32)
