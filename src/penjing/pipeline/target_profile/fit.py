"""Linear models from what students cost to what they took, and which of them foretells best.

Rows are divided by what was measured, so that least squares makes the relative error small, a student of 0.2 ms as much
as one of 20 ms. Every method is judged on students that it was not fitted on (cross-validation in groups), and the best
one stays: robust methods where throttling left outliers, non-negative ones where rows are few. The kernels' tiles are
chosen before, likewise, with the plainest method. What is kept are plain coefficients. Left out: models that
are not linear.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import (
    ElasticNet,
    HuberRegressor,
    Lars,
    Lasso,
    LassoLars,
    LinearRegression,
    RANSACRegressor,
    Ridge,
)  # fmt: skip
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from ...runtime.errors import TargetError
from .features import FEATURES, NARROW, Tile, features
from .operators import Operator

Matrix = NDArray[np.float64]
Errors = NDArray[np.float64]
Folds = Sequence[tuple[Any, Any]]
TILES = tuple(
    Tile(rows, outputs, narrow)
    for rows in (1, 2, 4, 5, 6, 7, 8, 12)
    for outputs in (1, 4, 8, 16, 32)
    for narrow in (False, True)
    if outputs > NARROW or not narrow
)
NEAR = 0.1
"""Within 10%: what a prediction is asked for."""
FOLDS, FEWEST_STUDENTS = 10, 5
PLAINEST = "OLS, none negative"
INLIER = 0.05
"""Relative error of a row that RANSAC takes for sound."""


def _methods() -> dict[str, Callable[[], Any]]:
    plain: Callable[..., Any] = partial(LinearRegression, fit_intercept=False)
    found: dict[str, Callable[[], Any]] = {"OLS": plain, PLAINEST: partial(plain, positive=True)}
    for alpha in (1e-3, 1e-2):
        found[f"ridge {alpha:g}"] = partial(Ridge, alpha=alpha, positive=True, fit_intercept=False)
    found["Huber"] = partial(HuberRegressor, alpha=1e-3, fit_intercept=False, max_iter=100)
    for alpha in (1e-5, 1e-4):
        few = {"alpha": alpha, "positive": True, "fit_intercept": False, "max_iter": 20_000}
        found[f"lasso {alpha:g}"] = partial(Lasso, **few)
        found[f"elastic net {alpha:g}"] = partial(ElasticNet, l1_ratio=0.5, **few)
        found[f"LARS lasso {alpha:g}"] = partial(LassoLars, alpha=alpha, positive=True, fit_intercept=False)
    for count in (10, 15):
        found[f"LARS {count}"] = partial(Lars, n_nonzero_coefs=count, fit_intercept=False)
    sound = partial(plain, positive=True)
    found["RANSAC"] = lambda: RANSACRegressor(
        sound(), min_samples=0.7, residual_threshold=INLIER, max_trials=50, random_state=0
    )
    return found


METHODS: Mapping[str, Callable[[], Any]] = _methods()


@dataclass(frozen=True)
class Fit:
    """`coefficients` by feature, in ms or instructions each, of features with this `tile` and `weight_bytes`.

    `rows` of `students` were fitted.
    Of rows whose student was left out of the fit: `near` is the share foretold within 10%, `error` the relative error
    that nine of ten stay below, `by_method` the mean relative error of each method.
    """

    method: str
    tile: Tile
    weight_bytes: int
    coefficients: Mapping[str, float]
    rows: int
    students: int
    near: float
    error: float
    by_method: Mapping[str, float]

    def predict(self, operators: Sequence[Operator]) -> float:
        """What a student of these operators takes; never below zero."""
        costs = features(operators, self.tile, self.weight_bytes)
        return max(0.0, sum(value * costs[name] for name, value in self.coefficients.items()))


def fit_rows(
    counted: Sequence[Sequence[Operator]], measured: Sequence[float], students: Sequence[str], weight_bytes: int
) -> Fit:
    """The best model of the rows: the operators of each, what was measured (above zero), and whose row it is.

    Rows of one student are left out together. Raises TargetError for too few students.
    """
    count = len(set(students))
    if count < FEWEST_STUDENTS:
        raise TargetError(f"{count} students are too few to fit a profile: measure at least {FEWEST_STUDENTS}")
    values = np.asarray(measured, dtype=np.float64)
    folds = list(GroupKFold(min(FOLDS, count)).split(values, groups=students))
    rows_by_tile = {tile: _matrix(counted, tile, weight_bytes) / values[:, None] for tile in TILES}
    with threadpool_limits(1):  # more threads are slower on matrices of this size, and much slower beside other work
        return _best(rows_by_tile, folds, count, weight_bytes)


def _best(rows_by_tile: Mapping[Tile, Matrix], folds: Folds, students: int, weight_bytes: int) -> Fit:
    """First the tile, then the method."""
    means = {tile: _left_out(METHODS[PLAINEST], rows, folds).mean() for tile, rows in rows_by_tile.items()}
    tile = min(means, key=lambda tile: float(means[tile]))
    rows = rows_by_tile[tile]
    errors = {name: _left_out(method, rows, folds) for name, method in METHODS.items()}
    by_method = {name: float(error.mean()) for name, error in errors.items()}
    best = min(by_method, key=lambda name: by_method[name])
    coefficients, error = _solve(METHODS[best], rows), errors[best]
    return Fit(
        best, tile, weight_bytes, {name: float(c) for name, c in zip(FEATURES, coefficients, strict=True) if c},
        len(rows), students, float(np.mean(error <= NEAR)), float(np.quantile(error, 0.9)), by_method,
    )  # fmt: skip


def _matrix(counted: Sequence[Sequence[Operator]], tile: Tile, weight_bytes: int) -> Matrix:
    """[rows, features]."""
    costs = [features(operators, tile, weight_bytes) for operators in counted]
    return np.array([[cost[name] for name in FEATURES] for cost in costs])


def _left_out(method: Callable[[], Any], rows: Matrix, folds: Folds) -> Errors:
    """The relative error of every row, foretold by a fit without its student."""
    errors = np.zeros(len(rows))
    for fitted, judged in folds:
        errors[judged] = np.abs(np.maximum(rows[judged] @ _solve(method, rows[fitted]), 0.0) - 1)
    return errors


def _solve(method: Callable[[], Any], rows: Matrix) -> Matrix:
    """The coefficients with which every row comes near to one. Columns are brought to one scale for the penalties."""
    scale = np.sqrt(np.mean(rows**2, axis=0))
    seen = scale > 0
    model = method()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what did not converge, which cross-validation judges
        model.fit(rows[:, seen] / scale[seen], np.ones(len(rows)))
    found = np.zeros(rows.shape[1])
    found[seen] = getattr(model, "estimator_", model).coef_ / scale[seen]
    return found
