"""The detectors that a recipe can name, each with its options and defaults.

What a kind needs of its data, and whether its weights may be 8 bits wide, stands beside it. Left out: fitting
(`fit.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from ..section import Section

Positive = Annotated[int, Field(ge=1)]
PRESETS = {"mlperf-tiny": (*[128] * 4, 8, *[128] * 4)}
"""Widths of dense autoencoders by name, as `compress/models/dense_autoencoder.py` has them: no torch is loaded here."""


class Kind(Section):
    """Base of all kinds. `fewest` samples make a window; `int8` says whether weights in 8 bits make sense."""

    fewest: ClassVar[int] = 1
    int8: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...]] = ("table", "series", "windows")
    """The kinds of data that it can read."""


class Mahalanobis(Kind):
    """Distance to the mean in units of the covariance; `mcd` is moved less by anomalies in the training data,
    `ledoit-wolf` is for few rows beside their values."""

    kind: Literal["mahalanobis"] = "mahalanobis"
    covariance: Literal["empirical", "mcd", "ledoit-wolf"] = "empirical"


class RobustZ(Kind):
    """The largest |z| of any channel, by mean and deviation or by median and MAD."""

    kind: Literal["robust-z"] = "robust-z"
    statistics: Literal["mean", "median"] = "mean"


class Hbos(Kind):
    """How rare each value is by its channel's histogram."""

    kind: Literal["hbos"] = "hbos"
    bins: int = Field(default=10, ge=2)


class Ecod(Kind):
    """How far each value lies in a tail of its channel's distribution, which is kept as `knots` quantiles."""

    kind: Literal["ecod"] = "ecod"
    knots: int = Field(default=64, ge=2)


class Pca(Kind):
    """T2 within the principal components that hold this share of the variance, and Q, the residual outside them."""

    kind: Literal["pca"] = "pca"
    variance: float = Field(default=0.99, gt=0, le=1)
    int8: ClassVar[bool] = True


class OneClassSvm(Kind):
    """A boundary around the normal data (RBF kernel)."""

    kind: Literal["one-class-svm"] = "one-class-svm"
    nu: float = Field(default=0.5, gt=0, lt=1, description="share of the rows that become support vectors")
    gamma: float | None = Field(default=None, gt=0, description="of the kernel; 1 / values of a window if not given")
    prototypes: Positive = Field(default=1024, description="rows that it is fitted on at most")


class Nearest(Kind):
    """Distance to the k-th nearest of a bank of prototypes."""

    kind: Literal["nearest"] = "nearest"
    neighbours: Positive = 5
    prototypes: Positive = 1024
    bank: Literal["rows", "centres"] = "rows"


class Lof(Kind):
    """Local outlier factor, how much sparser it is here than around the neighbours, over a bank of prototypes."""

    kind: Literal["lof"] = "lof"
    neighbours: Positive = 20
    prototypes: Positive = 1024


class KMeans(Kind):
    """Distance to the edge of the nearest cluster."""

    kind: Literal["k-means"] = "k-means"
    clusters: Positive = 8


class GaussianMixture(Kind):
    """Negative log-likelihood under a mixture of normal distributions."""

    kind: Literal["gaussian-mixture"] = "gaussian-mixture"
    components: Positive = 3


class IsolationForest(Kind):
    """How few random cuts isolate a sample."""

    kind: Literal["isolation-forest"] = "isolation-forest"
    trees: Positive = 100
    rows_per_tree: int = Field(default=256, ge=2)


class DenseAutoencoder(Kind):
    """What a narrow dense network cannot reconstruct."""

    kind: Literal["dense-autoencoder"] = "dense-autoencoder"
    widths: tuple[Positive, ...] | None = Field(
        default=None, description="of the hidden layers, such as [8, 4, 8], or mlperf-tiny; else by the data"
    )
    epochs: Positive = 60
    batch_size: Positive = 128
    learning_rate: float = Field(default=3e-3, gt=0)
    int8: ClassVar[bool] = True

    @field_validator("widths", mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in PRESETS:
            raise ValueError(f"{value!r} is no preset: give widths such as [8, 4, 8], or one of {', '.join(PRESETS)}")
        return PRESETS[value] if isinstance(value, str) else value


class ConvAutoencoder(Kind):
    """What a narrow convolutional network cannot reconstruct of a window."""

    kind: Literal["conv-autoencoder"] = "conv-autoencoder"
    encoder: tuple[Positive, ...] | None = Field(default=None, description="widths of the halvings; else by the data")
    kernel_size: Positive = 5
    epochs: Positive | None = Field(default=None, description="if not given: 60, or more where windows are few")
    batch_size: Positive = 64
    learning_rate: float = Field(default=3e-3, gt=0)
    int8: ClassVar[bool] = True
    fewest: ClassVar[int] = 8


class Forecaster(Kind):
    """How far each channel is from what its past and the other channels foretell."""

    kind: Literal["forecaster"] = "forecaster"
    regression: Literal["ols", "ridge", "lasso", "elastic-net", "huber"] = "ridge"
    penalty: float | None = Field(default=None, gt=0)
    other_channels: bool = True
    over_channels: Literal["max", "rms"] = "rms"
    int8: ClassVar[bool] = True


class Ewma(Kind):
    """The exponentially weighted mean of each channel, as a control chart."""

    kind: Literal["ewma"] = "ewma"
    smoothing: float = Field(default=0.2, gt=0, le=1)
    fewest: ClassVar[int] = 2


class Cusum(Kind):
    """The cumulated deviation of each channel, as a control chart."""

    kind: Literal["cusum"] = "cusum"
    slack: float = Field(default=0.5, ge=0, description="deviation that is let pass, in standard deviations")
    fewest: ClassVar[int] = 2


class Ngram(Kind):
    """How surprising each event is after those before it."""

    kind: Literal["ngram"] = "ngram"
    order: Literal[1, 2, 3] = 2
    over_events: Literal["rms", "max", "mean"] = "rms"
    fewest: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("events",)


class RelativeEntropy(Kind):
    """How differently a window's values are distributed."""

    kind: Literal["relative-entropy"] = "relative-entropy"
    bins: int = Field(default=16, ge=2)
    over_channels: Literal["max", "mean"] = "mean"
    fewest: ClassVar[int] = 8


class Embedding(Kind):
    """How far a text's embedding lies from those of normal texts."""

    kind: Literal["embedding"] = "embedding"
    encoder: str = Field(description="a student's folder, a BERT's folder or hub id, or all-MiniLM-L6-v2")
    score: Literal["nearest", "mahalanobis"] = "nearest"
    prototypes: Positive = Field(default=512, description="cluster centres that are kept, of `nearest`")
    fewest: ClassVar[int] = 4
    int8: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("texts",)


AnyKind = Annotated[
    Mahalanobis | RobustZ | Hbos | Ecod | Pca | OneClassSvm | Nearest | Lof | KMeans | GaussianMixture
    | IsolationForest | DenseAutoencoder | ConvAutoencoder | Forecaster | Ewma | Cusum | Ngram | RelativeEntropy
    | Embedding,
    Field(discriminator="kind"),
]  # fmt: skip
