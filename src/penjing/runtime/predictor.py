"""A bundle that answers: text in, label and probabilities out; and `load`, which opens any bundle.

Left out: anomaly detection (`detector.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .bundle import Bundle, choose_file, open_bundle
from .engine import Engine, open_engine
from .errors import BundleError, DataError, EngineError
from .manifest import DETECTOR_TASK
from .tokenizer import TOKENIZER_NAME, TextTokenizer, check_text

if TYPE_CHECKING:
    from .detector import Detector


@dataclass(frozen=True)
class Prediction:
    """The answer to one text. `score` is the label's probability, `probabilities` sum to 1, in the labels' order.

    `truncated` says that the text was longer than the model takes, so that its end had no say.
    """

    label: str
    score: float
    probabilities: dict[str, float]
    logits: tuple[float, ...]
    truncated: bool


@dataclass(frozen=True)
class Predictor:
    """A model file of a bundle, opened; made by `load`."""

    bundle: Bundle
    file: str
    tokenizer: TextTokenizer
    engine: Engine

    def predict(self, text: str) -> Prediction:
        """The answer to one text. Raises DataError when it is empty or only white space."""
        check_text(text, "the text")
        return self._answer([text])[0]

    def predict_many(self, texts: Sequence[str], batch_size: int = 32) -> list[Prediction]:
        """The answers in the order of `texts`. Raises DataError that names the first empty text."""
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}: give 1 or more")
        for i, text in enumerate(texts):
            check_text(text, f"text {i + 1} of {len(texts)}")
        # Texts of about equal length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        answers: dict[int, Prediction] = {}
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            answers.update(zip(batch, self._answer([texts[i] for i in batch]), strict=True))
        return [answers[i] for i in range(len(texts))]

    def _answer(self, texts: list[str]) -> list[Prediction]:
        encoded = self.tokenizer.encode(texts)
        logits = self.engine.run(encoded.inputs)["logits"].tolist()
        labels = self.bundle.manifest.labels
        return [_decide(labels, row, cut) for row, cut in zip(logits, encoded.truncated, strict=True)]


def load(
    path: Path | str, engine: str | None = None, precision: str | None = None, threads: int = 1
) -> Predictor | Detector:
    """Opens the bundle's best model file for `engine` ("onnx", "tflite") and `precision` ("int8", "fp32"); None: any.

    A text classifier becomes a Predictor, an anomaly detector a Detector. Raises BundleError when the bundle is
    incomplete or changed or has no such file, EngineError when the engine is not installed or refuses the file.
    """
    bundle = open_bundle(path)
    file = choose_file(bundle, engine, precision)
    if bundle.manifest.task != DETECTOR_TASK:
        return _open_predictor(bundle, file, threads)
    from .detector import open_detector  # a text classifier starts faster without

    return open_detector(bundle, file, threads)


def load_predictor(
    path: Path | str, engine: str | None = None, precision: str | None = None, threads: int = 1
) -> Predictor:
    """As `load`, for a bundle that must be a text classifier: raises BundleError for another."""
    bundle = open_bundle(path)
    if bundle.manifest.task == DETECTOR_TASK:
        raise BundleError(f"{bundle.folder} is an anomaly detector, which takes no text: use `penjing watch`")
    return _open_predictor(bundle, choose_file(bundle, engine, precision), threads)


def _open_predictor(bundle: Bundle, file: str, threads: int) -> Predictor:
    model, tokenizer = bundle.verified(file), bundle.verified(TOKENIZER_NAME)
    opened = open_engine(model, bundle.manifest.files[file].format, threads)
    _check_outputs(bundle, file, opened)
    return Predictor(bundle, file, TextTokenizer(tokenizer.parent, bundle.manifest.max_length), opened)


def _check_outputs(bundle: Bundle, file: str, engine: Engine) -> None:
    function, labels = bundle.manifest.postprocess.get("function"), bundle.manifest.labels
    if function != "softmax":
        raise BundleError(
            f"the manifest asks for {function!r} after the logits, this Penjing knows 'softmax': update Penjing"
        )
    shape = next((spec.shape for spec in engine.outputs if spec.name == "logits"), ())
    if not shape or (isinstance(shape[-1], int) and shape[-1] != len(labels)):
        raise BundleError(
            f"{file} has no output 'logits' for {len(labels)} labels (found {shape}): copy the bundle again"
        )


def _decide(labels: Sequence[str], logits: list[float], truncated: bool) -> Prediction:
    # Plain Python: for the few labels of a task it is several times faster than numpy's calls.
    largest = max(logits)
    weights = [math.exp(logit - largest) for logit in logits]
    total = sum(weights)
    if not math.isfinite(total):
        raise EngineError(f"the model answered with logits that are not numbers ({logits[:4]}): run `penjing verify`")
    best = logits.index(largest)
    probabilities = dict(zip(labels, (weight / total for weight in weights), strict=True))
    return Prediction(labels[best], weights[best] / total, probabilities, tuple(logits), truncated)
