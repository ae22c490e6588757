"""A bundle that answers: text in, label and probabilities out; and `load`, which opens any bundle.

Left out: anomaly detection (`detector.py`), and what is made of the logits (`answers.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .answers import SOFTMAX, Answer, Postprocess, Prediction, answer
from .bundle import Bundle, choose_file, open_bundle
from .engine import Engine, open_engine
from .errors import BundleError, DataError
from .manifest import DETECTOR_TASK, EMBEDDING_TASK
from .tokenizer import TOKENIZER_NAME, TextTokenizer, check_text

if TYPE_CHECKING:
    from .detector import Detector
    from .embedder import Embedder


__all__ = ["Answer", "Prediction", "Predictor", "load", "load_predictor"]


@dataclass(frozen=True)
class Predictor:
    """A model file of a bundle, opened; made by `load`."""

    bundle: Bundle
    file: str
    tokenizer: TextTokenizer
    engine: Engine
    after: Postprocess = SOFTMAX

    @property
    def takes_pairs(self) -> bool:
        """Whether it answers two texts together."""
        return bool(self.bundle.manifest.preprocess.get("pair"))

    def predict(self, text: str, pair: str | None = None) -> Answer:
        """The answer to one text, or to a text and its pair; of which kind, the bundle's task says.

        Raises DataError when a text is empty or only white space, or when there is one too few or too many.
        """
        check_text(text, "the text")
        if pair is None and not self.takes_pairs:
            return self._answer([text], None)[0]
        self._check_pairs(pair is not None)
        check_text(pair or "", "the second text")
        return self._answer([text], [pair or ""])[0]

    def predict_many(
        self, texts: Sequence[str], batch_size: int = 32, pairs: Sequence[str] | None = None
    ) -> list[Answer]:
        """The answers in the order of `texts`, to each with its one of `pairs`. Raises DataError that names the first
        empty text."""
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}: give 1 or more")
        self._check_pairs(pairs is not None)
        if pairs is not None and len(pairs) != len(texts):
            raise DataError(f"{len(texts)} texts have {len(pairs)} second texts: give one for each")
        for i, text in enumerate(texts):
            check_text(text, f"text {i + 1} of {len(texts)}")
        for i, text in enumerate(pairs or ()):
            check_text(text, f"second text {i + 1} of {len(texts)}")
        # Texts of about equal length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]) + len(pairs[i] if pairs else ""))
        answers: dict[int, Answer] = {}
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            seconds = None if pairs is None else [pairs[i] for i in batch]
            answers.update(zip(batch, self._answer([texts[i] for i in batch], seconds), strict=True))
        return [answers[i] for i in range(len(texts))]

    def ask(self, line: str) -> Answer:
        """As `predict`, of one line: a text, or where pairs are answered two texts with a tab between them."""
        return self.predict(*split_pair(line)) if self.takes_pairs else self.predict(line)

    def _check_pairs(self, given: bool) -> None:
        if self.takes_pairs and not given:
            raise DataError(f"{self.bundle.manifest.name} answers two texts together: give the second one too")
        if given and not self.takes_pairs:
            raise DataError(f"{self.bundle.manifest.name} answers one text: leave the second one out")

    def _answer(self, texts: list[str], pairs: list[str] | None) -> list[Answer]:
        after, labels = self.after, self.bundle.manifest.labels
        encoded = self.tokenizer.encode(texts, pairs, words=after.by_word)
        found = self.engine.run(encoded.inputs)["logits"]
        if not after.by_word:
            rows = zip(found.tolist(), encoded.truncated, strict=True)
            return [answer(after, labels, row, cut) for row, cut in rows]
        return [
            answer(after, labels, logits[[token for token, _, _ in words]], cut, text, words)
            for text, logits, words, cut in zip(texts, found, encoded.words, encoded.truncated, strict=True)
        ]


def split_pair(line: str) -> tuple[str, str]:
    """The two texts of a line with a tab between them. Raises DataError when there are more or fewer."""
    parts = line.split("\t")
    if len(parts) != 2:
        raise DataError(f"{line[:40]!r} holds {len(parts)} texts, not two: put one tab between the two of a pair")
    return parts[0], parts[1]


def load(
    path: Path | str, engine: str | None = None, precision: str | None = None, threads: int = 1
) -> Predictor | Detector | Embedder:
    """Opens the bundle's best model file for `engine` ("onnx", "tflite") and `precision` ("int8", "fp32"); None: any.

    A text classifier becomes a Predictor, an anomaly detector a Detector, a sentence
    encoder an Embedder. Raises BundleError when the bundle is
    incomplete or changed or has no such file, EngineError when the engine is not installed or refuses the file.
    """
    bundle = open_bundle(path)
    file = choose_file(bundle, engine, precision)
    if bundle.manifest.task == EMBEDDING_TASK:
        from .embedder import open_embedder  # a text classifier starts faster without

        return open_embedder(bundle, file, threads)
    if bundle.manifest.task != DETECTOR_TASK:
        return _open_predictor(bundle, file, threads)
    from .detector import open_detector  # as above

    return open_detector(bundle, file, threads)


def load_predictor(
    path: Path | str, engine: str | None = None, precision: str | None = None, threads: int = 1
) -> Predictor:
    """As `load`, for a bundle that must be a text classifier: raises BundleError for another."""
    bundle = open_bundle(path)
    if bundle.manifest.task == DETECTOR_TASK:
        raise BundleError(f"{bundle.folder} is an anomaly detector, which takes no text: use `penjing watch`")
    if bundle.manifest.task == EMBEDDING_TASK:
        raise BundleError(f"{bundle.folder} is a sentence encoder, which gives vectors: use `penjing embed`")
    return _open_predictor(bundle, choose_file(bundle, engine, precision), threads)


def _open_predictor(bundle: Bundle, file: str, threads: int) -> Predictor:
    manifest = bundle.manifest
    after = Postprocess.from_plain(manifest.postprocess)
    model, tokenizer = bundle.verified(file), bundle.verified(TOKENIZER_NAME)
    opened = open_engine(model, manifest.files[file].format, threads)
    _check_outputs(bundle, file, opened)
    return Predictor(bundle, file, TextTokenizer(tokenizer.parent, manifest.max_length), opened, after)


def _check_outputs(bundle: Bundle, file: str, engine: Engine) -> None:
    labels = bundle.manifest.labels
    shape = next((spec.shape for spec in engine.outputs if spec.name == "logits"), ())
    if not shape or (isinstance(shape[-1], int) and shape[-1] != len(labels)):
        raise BundleError(
            f"{file} has no output 'logits' for {len(labels)} labels (found {shape}): copy the bundle again"
        )
