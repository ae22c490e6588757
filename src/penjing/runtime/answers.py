"""What a device does after the logits, by the function that the manifest names; and what it then has decided.

softmax: one label. softmax-reject: the same, or none of the labels where the best one's probability is too low.
sigmoid: every label that is likely enough. linear: a number. token-softmax: a tag a word, which make spans of the text.
The proof of an exported file judges `decide`, so that it judges what a device does. Left out: text and engines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .errors import BundleError, EngineError
from .spans import Span, Word, spans_of

PARAMETERS: dict[str, tuple[str, ...]] = {
    "softmax": (), "softmax-reject": ("threshold",), "sigmoid": ("threshold",),
    "linear": ("scale", "shift", "tolerance"), "token-softmax": (),
}  # fmt: skip
"""The functions, and the numbers that each needs."""
REJECTED = -1
"""The decision on a text that is out of scope."""
Decision = Any
"""One label's number (or REJECTED), the numbers of several in order, a number, or spans; None where the logits are no
numbers."""


@dataclass(frozen=True)
class Postprocess:
    """`threshold` is a probability: below it a label is not given. A number is `scale` * logit + `shift`, and two of
    them are decided alike if they differ by no more than `tolerance`. `calibration` tells how a threshold was chosen.

    Raises BundleError for a function that this Penjing does not know or that lacks a parameter.
    """

    function: str = "softmax"
    threshold: float | None = None
    scale: float | None = None
    shift: float | None = None
    tolerance: float | None = None
    calibration: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.function not in PARAMETERS:
            known = ", ".join(map(repr, PARAMETERS))
            raise BundleError(
                f"the manifest asks for {self.function!r} after the logits, this Penjing knows {known}: update Penjing"
            )
        for name in PARAMETERS[self.function]:
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                raise BundleError(f"{self.function!r} needs a number as {name}, has {value!r}: copy the bundle again")

    @property
    def by_word(self) -> bool:
        """Whether there are logits for every word, not for the text."""
        return self.function == "token-softmax"

    def to_plain(self) -> dict[str, Any]:
        """As the manifest holds it: what is not set is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, {})}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Postprocess:
        """From the manifest; raises BundleError as the constructor does."""
        known = {name: plain[name] for name in Postprocess.__dataclass_fields__ if name in plain}
        return Postprocess(**{"function": "", **known})


SOFTMAX = Postprocess()
"""One label, as every bundle had it before there were others."""


@dataclass(frozen=True)
class Prediction:
    """One label. `score` is its probability; `probabilities` sum to 1, in the labels' order.

    `truncated` says that the text was longer than the model takes, so that its end had no say; `out_of_scope` that the
    text is about none of the labels, `label` being the nearest one.
    """

    label: str
    score: float
    probabilities: dict[str, float]
    logits: tuple[float, ...]
    truncated: bool
    out_of_scope: bool = False

    @property
    def summary(self) -> str:
        """The answer in a few words, as in every kind of answer."""
        return "out of scope" if self.out_of_scope else self.label


@dataclass(frozen=True)
class ManyLabels:
    """The labels that are likely enough, in the labels' order; each of `probabilities` is between 0 and 1 by itself."""

    labels: tuple[str, ...]
    probabilities: dict[str, float]
    logits: tuple[float, ...]
    truncated: bool

    @property
    def summary(self) -> str:
        return ", ".join(self.labels)


@dataclass(frozen=True)
class Number:
    """A number, in the units of the labels that the model was trained with."""

    value: float
    logits: tuple[float, ...]
    truncated: bool

    @property
    def summary(self) -> str:
        return f"{self.value:.6g}"


@dataclass(frozen=True)
class FoundSpan:
    """`text[start:end]` is the span; `score` is the lowest probability of its words' tags."""

    start: int
    end: int
    label: str
    text: str
    score: float


@dataclass(frozen=True)
class Spans:
    """What was found in the text, in its order. `truncated`: nothing is found in the end that was cut off."""

    spans: tuple[FoundSpan, ...]
    truncated: bool

    @property
    def summary(self) -> str:
        return ", ".join(f"{span.label}: {span.text}" for span in self.spans)


Answer = Prediction | ManyLabels | Number | Spans


def decide(after: Postprocess, labels: Sequence[str], logits: Any, words: Sequence[Word] = ()) -> Decision:
    """What the device decides on one text: its logits [labels], or [words, labels] where there are words."""
    if not np.isfinite(logits).all():
        return None
    if after.by_word:
        return _spans(labels, np.asarray(logits), words)
    row = [float(logit) for logit in logits]
    if after.function == "sigmoid":
        return tuple(i for i, logit in enumerate(row) if _sigmoid(logit) >= _number(after.threshold))
    if after.function == "linear":
        return _number(after.scale) * row[0] + _number(after.shift)
    best = row.index(max(row))
    rejects = after.function == "softmax-reject" and _softmax(row)[best] < _number(after.threshold)
    return REJECTED if rejects else best


def differ(after: Postprocess, one: Decision, other: Decision) -> bool:
    """Whether two decisions are a flip. What is no number agrees with nothing."""
    if one is None or other is None:
        return True
    if after.function == "linear":
        return bool(abs(one - other) > _number(after.tolerance))
    return bool(one != other)


def margin(after: Postprocess, logits: Any) -> float:
    """How far a logit may move before one text's decision changes; infinite where no step could be seen."""
    rows = np.asarray(logits, np.float64).reshape(-1, np.shape(logits)[-1])
    if after.function == "linear" or not len(rows):
        return math.inf
    if after.function == "sigmoid":
        return float(np.abs(rows - _logit(_number(after.threshold))).min())
    ordered = np.sort(rows, axis=1)
    nearest = float((ordered[:, -1] - ordered[:, -2]).min())
    if after.function != "softmax-reject":
        return nearest
    score = max(_softmax(rows[0].tolist()))
    return min(nearest, abs(_logit(score) - _logit(_number(after.threshold))))


def answer(
    after: Postprocess, labels: Sequence[str], logits: Any, truncated: bool, text: str = "", words: Sequence[Word] = ()
) -> Answer:
    """The answer to one text. Raises EngineError when the logits are no numbers."""
    if after.by_word:
        return Spans(_found(labels, np.asarray(logits), text, words), truncated)
    row: list[float] = logits if isinstance(logits, list) else np.asarray(logits).tolist()
    if after.function == "softmax":
        return _one_label(labels, row, truncated)
    _check_finite(row)
    if after.function == "sigmoid":
        probabilities = {label: _sigmoid(logit) for label, logit in zip(labels, row, strict=True)}
        chosen = tuple(label for label, p in probabilities.items() if p >= _number(after.threshold))
        return ManyLabels(chosen, probabilities, tuple(row), truncated)
    if after.function == "linear":
        return Number(_number(after.scale) * row[0] + _number(after.shift), tuple(row), truncated)
    found = _one_label(labels, row, truncated)
    rejected = found.score < _number(after.threshold)
    return Prediction(found.label, found.score, found.probabilities, found.logits, truncated, rejected)


def _one_label(labels: Sequence[str], logits: list[float], truncated: bool) -> Prediction:
    # Plain Python: for the few labels of a task it is several times faster than numpy's calls.
    largest = max(logits)
    weights = [math.exp(logit - largest) for logit in logits]
    total = sum(weights)
    if not math.isfinite(total):
        _refuse(logits)
    best = logits.index(largest)
    probabilities = dict(zip(labels, (weight / total for weight in weights), strict=True))
    return Prediction(labels[best], weights[best] / total, probabilities, tuple(logits), truncated)


def _spans(tags: Sequence[str], logits: Any, words: Sequence[Word]) -> tuple[Span, ...]:
    chosen = [tags[i] for i in logits.argmax(-1)] if len(words) else []
    return spans_of(chosen, [(start, end) for _, start, end in words])


def _found(tags: Sequence[str], logits: Any, text: str, words: Sequence[Word]) -> tuple[FoundSpan, ...]:
    if not np.isfinite(logits).all():
        _refuse(logits.reshape(-1).tolist())
    spans = _spans(tags, logits, words)
    scores = _best_of_softmax(logits) if spans else []
    found = []
    for start, end, label in spans:
        inside = [score for score, (_, first, last) in zip(scores, words, strict=True) if first < end and last > start]
        found.append(FoundSpan(start, end, label, text[start:end], min(inside)))
    return tuple(found)


def _check_finite(logits: Sequence[float]) -> None:
    if not all(map(math.isfinite, logits)):
        _refuse(logits)


def _refuse(logits: Sequence[float]) -> None:
    raise EngineError(f"the model answered with logits that are not numbers ({logits[:4]}): run `penjing verify`")


def _softmax(row: Sequence[float]) -> list[float]:
    largest = max(row)
    weights = [math.exp(logit - largest) for logit in row]
    total = sum(weights)
    return [weight / total for weight in weights]


def _best_of_softmax(rows: Any) -> list[float]:
    """The largest probability of each row."""
    rest = np.exp(rows.astype(np.float64) - rows.max(-1, keepdims=True)).sum(-1)
    best: list[float] = (1 / rest).tolist()
    return best


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def _logit(probability: float) -> float:
    kept = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log(kept / (1 - kept))


def _number(value: float | None) -> float:
    """A parameter that the constructor has checked."""
    assert value is not None
    return value
