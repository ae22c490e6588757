"""One-class support vector machine: how little the kernels of the support vectors cover a sample.

One-class classification in Chandola, Banerjee and Kumar 2009, section 4.3, after Scholkopf, Platt, Shawe-Taylor, Smola
and Williamson 2001, with the radial kernel exp(-gamma |x - y|^2). The score is -log(sum of a_i k(x, x_i)) with the
coefficients a_i brought to a sum of 1: it orders samples as scikit-learn's decision function does, is 0 at best, and
goes on growing far from the data, where the kernels themselves are 0 in floating point. Left out: other kernels, and
the boundary rho, since thresholds are calibrated.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.svm import OneClassSVM as SklearnSvm
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .bank import draw_rows, squared_distances
from .scaling import Samples, Scaler, check_fit, float_tensor, scaled, standard_scaler


class OneClassSvm(nn.Module):
    """samples [batch, window, channels] to the score [batch]; `vectors` [support vectors, features]."""

    vectors: Tensor
    log_weights: Tensor

    def __init__(self, scaler: Scaler, vectors: Samples, weights: Samples, gamma: float) -> None:
        super().__init__()
        self.scaler, self.gamma = scaler, gamma
        self.register_buffer("vectors", float_tensor(vectors))
        self.register_buffer("log_weights", float_tensor(np.log(weights)))

    def forward(self, samples: Tensor) -> Tensor:
        squares = squared_distances(self.scaler(samples).flatten(1), self.vectors)
        return -torch.logsumexp(self.log_weights - self.gamma * squares, dim=1)


def fit_one_class_svm(
    samples: Samples, *, nu: float = 0.5, gamma: float | None = None, prototypes: int = 1024, seed: int = 0
) -> OneClassSvm:
    """Fits on at most `prototypes` of [n, window, channels], drawn at random; `gamma` None is 1 / (window x channels).

    A share of `nu` of the rows fitted, or little more, become support vectors. Raises TrainingError.
    """
    check_fit(samples, "one_class_svm")
    if not 0 < nu < 1:  # with 1 every row is at its bound and libsvm finds no boundary
        raise TrainingError(f"one_class_svm: nu is {nu}: give a share above 0 and below 1")
    if gamma is not None and not gamma > 0:
        raise TrainingError(f"one_class_svm: gamma is {gamma}: give a number above 0")
    scaler = standard_scaler(samples)
    drawn = draw_rows(samples, prototypes, "one_class_svm", seed)
    rows = scaled(scaler, drawn).reshape(len(drawn), -1)
    gamma = gamma or 1 / rows.shape[1]
    fitted = SklearnSvm(nu=nu, gamma=gamma).fit(rows)
    weights = fitted.dual_coef_[0]
    return OneClassSvm(scaler, fitted.support_vectors_, weights / weights.sum(), gamma)
