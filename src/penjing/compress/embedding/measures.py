"""What sentence vectors are judged by: rank correlation with people's scores, alignment and uniformity.

Spearman's as in the STS tasks: over all pairs together, no regressor on top (SimCSE, appendix B). Alignment and
uniformity are those of Wang and Isola 2020 (arXiv 2005.10242). Left out: tasks on top of the vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

Vectors = NDArray[np.float64]
RESAMPLES = 1000


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Each row at length 1; a row of zeros stays."""
    wide = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    found: Vectors = wide / np.where(lengths > 0, lengths, 1)
    return found


def cosines(first: NDArray[np.floating], second: NDArray[np.floating]) -> Vectors:
    """The cosine of each pair of rows, [n]."""
    found: Vectors = (unit(first) * unit(second)).sum(1)
    return found


def spearman(found: Vectors, scores: Vectors) -> float:
    """Rank correlation [-1, 1] of two lists [n]; 0 where one of them is constant or holds what is no number."""
    if not np.isfinite(found).all() or np.ptp(found) == 0 or np.ptp(scores) == 0:
        return 0.0
    return float(spearmanr(found, scores)[0])


def spearman_interval(found: Vectors, scores: Vectors, seed: int = 0) -> tuple[float, float]:
    """95% interval of `spearman`: percentiles over RESAMPLES draws of the pairs with replacement, ranked anew."""
    if not np.isfinite(found).all():
        return 0.0, 0.0
    rows = np.random.default_rng(seed).integers(0, len(found), (RESAMPLES, len(found)))
    left, right = (rankdata(values[rows], axis=1) for values in (found, scores))
    left, right = (ranks - ranks.mean(1, keepdims=True) for ranks in (left, right))
    spread = np.sqrt((left**2).sum(1) * (right**2).sum(1))
    values = (left * right).sum(1) / np.where(spread > 0, spread, 1)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def alignment(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Mean squared distance of pairs that mean the same, [n, size] each, at length 1: 0 is best, 4 is worst."""
    return float(((unit(first) - unit(second)) ** 2).sum(1).mean())


def uniformity(vectors: NDArray[np.floating]) -> float:
    """log of the mean of exp(-2 squared distance) over all pairs of rows, at length 1; lower is more even."""
    rows = unit(vectors)
    distances = np.maximum(2 - 2 * rows @ rows.T, 0)
    return float(np.log(np.exp(-2 * distances[np.triu_indices(len(rows), 1)]).mean()))


def nearest_of(queries: NDArray[np.floating], texts: NDArray[np.floating], own: NDArray[np.int64]) -> NDArray[np.int64]:
    """[queries]: which of `texts` [n, size] has the largest cosine, but for number `own` [queries], the query's own."""
    similar = unit(queries) @ unit(texts).T
    similar[np.arange(len(own)), own] = -np.inf
    found: NDArray[np.int64] = similar.argmax(1)
    return found
