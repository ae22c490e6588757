"""A detector bundle that answers: samples or texts in, anomaly scores out, and which features drove a score.

Scores are higher for more anomalous samples. Left out: series and their memory (`stream.py`), and where thresholds come
from (`calibration.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bundle import Bundle, choose_file, open_bundle
from .calibration import Threshold
from .engine import Engine, TensorSpec, open_engine
from .errors import BundleError, DataError, EngineError
from .manifest import DETECTOR_TASK, Manifest, use_instead
from .policy import AlarmPolicy, Flags, decide, no_votes
from .samples import TEXTS_KIND, SampleFormat, float_samples, refuse_infinite, refuse_missing, shortened
from .text_samples import TextScores, text_samples
from .tokenizer import TOKENIZER_NAME, TextTokenizer, check_text

if TYPE_CHECKING:
    from .stream import Stream

INPUT, OUTPUT = "samples", "scores"
_VALUES_AT_ONCE = 1 << 17
"""Values in one call of the engine, half a megabyte: larger batches are no faster and take more memory."""

_TEXTS_AT_ONCE = 32
"""A text goes through an encoder, which takes far more memory than the text."""

Windows = NDArray[np.float32]
"""[n, window, channels]"""


@dataclass(frozen=True)
class Driver:
    """A feature and its share of what made a sample anomalous; the shares of all features sum to 1."""

    feature: str
    share: float


@dataclass(frozen=True)
class Detector:
    """A model file of a detector bundle, opened; made by `load`. `threshold` is None for a file without calibration."""

    bundle: Bundle
    file: str
    engine: Engine
    format: SampleFormat
    window: int
    threshold: Threshold | None
    policy: AlarmPolicy
    tokenizer: TextTokenizer | None = None
    """Of a detector of texts."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the channels, in their order."""
        return self.format.features

    @property
    def _one_by_one(self) -> bool:
        """Whether a batch would move its samples' scores: dynamic int8 takes one scale for all that it is given."""
        return "DynamicQuantizeLinear" in self.bundle.manifest.files[self.file].ops

    def score(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Scores [n] of samples [n, window, channels], or [n, channels] where the window is 1.

        Each sample alone: a series needs `stream`. Raises DataError for another shape, an array that is not of floats,
        and values that are missing or infinite.
        """
        return self.score_windows(self._windows(samples))

    def score_texts(self, texts: Sequence[str]) -> TextScores:
        """Scores of texts, which `alarms` takes; a longer one than the window is cut, and said to be.

        Raises BundleError when the detector takes no text, DataError for an empty text.
        """
        if self.tokenizer is None:
            raise BundleError(f"{self.bundle.folder} is an anomaly detector, which takes no text: use `penjing watch`")
        for i, text in enumerate(texts):
            check_text(text, f"text {i + 1} of {len(texts)}")
        samples, truncated = text_samples(self.tokenizer, texts)
        return TextScores(self.score_windows(samples), truncated)

    def score_windows(self, windows: Windows) -> NDArray[np.float32]:
        """As `score`, for windows that have been checked; they may be a view that repeats samples."""
        most = _TEXTS_AT_ONCE if self.tokenizer is not None else _VALUES_AT_ONCE // (self.window * len(self.features))
        at_once = 1 if self._one_by_one else max(1, most)
        scores = np.empty(len(windows), np.float32)
        for start in range(0, len(windows), at_once):
            batch = np.ascontiguousarray(windows[start : start + at_once])
            scores[start : start + at_once] = self.engine.run({INPUT: batch})[OUTPUT].reshape(-1)
        if not np.isfinite(scores).all():
            raise EngineError(f"{self.file} answered with scores that are not numbers: run `penjing verify`")
        return scores

    def above(self, scores: ArrayLike) -> Flags:
        """Which scores [n] are above the threshold; NaN is not. Raises BundleError when the file has no threshold."""
        # In float64, as the threshold is: rounding it to float32 would turn the score that it was taken from.
        flags: Flags = np.asarray(scores, np.float64) > self.calibrated().threshold
        return flags

    def alarms(self, scores: ArrayLike) -> Flags:
        """Alarms [n] by threshold and policy among the scores [n] of one whole series."""
        return decide(self.policy, self.above(scores), no_votes(self.policy))[0]

    def calibrated(self) -> Threshold:
        """The threshold; raises BundleError when the file has none."""
        if self.threshold is None:
            raise BundleError(f"{self.bundle.folder} has no threshold for {self.file}: run `penjing calibrate` on it")
        return self.threshold

    def explain(self, sample: ArrayLike, top: int = 3) -> tuple[Driver, ...]:
        """The `top` features that drove the score of one sample [window, channels] (or [channels], for a window of 1).

        By occlusion: a feature counts by how much the score falls when it is typical in the whole window. Features
        that do not lower it are left out, so that there may be fewer. Raises DataError as `score` does.
        """
        windows = self._windows(np.asarray(sample)[None])
        return self.explain_window(windows[0], top)

    def explain_window(self, window: NDArray[np.float32], top: int = 3) -> tuple[Driver, ...]:
        """As `explain`, for a window that has been checked."""
        if top < 1:
            raise DataError(f"top is {top}: ask for 1 feature or more")
        channels = np.arange(len(self.features))
        at_once = max(1, _VALUES_AT_ONCE // window.size)
        scores = []
        for start in range(0, len(channels), at_once):
            some = channels[start : start + at_once]
            occluded = np.repeat(window[None], len(some), axis=0)
            occluded[np.arange(len(some)), :, some] = np.array(self.format.typical, np.float32)[some, None]
            scores.append(self.score_windows(occluded))
        whole = self.score_windows(window[None]).astype(np.float64)
        drops = np.maximum(whole - np.concatenate(scores).astype(np.float64), 0)
        order = [int(i) for i in np.argsort(-drops, kind="stable")[:top] if drops[i] > 0]
        return tuple(Driver(self.features[i], float(drops[i] / drops.sum())) for i in order)

    def stream(self) -> Stream:
        """A series that is pushed sample by sample or in chunks; see `stream.Stream`. Raises DataError for texts."""
        if self.tokenizer is not None:
            raise DataError("each text is a sample of its own, no part of a series: use score_texts")
        from .stream import Stream

        return Stream(self)

    def _windows(self, samples: ArrayLike) -> Windows:
        values = float_samples(samples, self.features)
        windows = values[:, None] if self.window == 1 and values.ndim == 2 else values
        if windows.ndim != 3 or windows.shape[1] != self.window:
            raise DataError(
                f"samples are {list(values.shape)}, the detector takes [n, {self.window}, {len(self.features)}]:"
                " cut the series into windows, or push it into `stream()`"
            )
        rows = windows.reshape(len(windows), -1)
        names = self.features * self.window
        refuse_infinite(rows, names)
        refuse_missing(rows, names)
        return windows


def load_detector(
    path: Path | str, engine: str | None = None, precision: str | None = None, threads: int = 1
) -> Detector:
    """Opens a detector bundle's best file for `engine` and `precision`; see `penjing.runtime.load`.

    Raises BundleError, too, when it is another kind of bundle, or its manifest and model file disagree.
    """
    bundle = open_bundle(path)
    if bundle.manifest.task != DETECTOR_TASK:
        task = bundle.manifest.task
        raise BundleError(f"{bundle.folder} is for {task}, no detector: use {use_instead(task)}")
    return open_detector(bundle, choose_file(bundle, engine, precision), threads)


def open_detector(bundle: Bundle, file: str, threads: int = 1) -> Detector:
    """Opens a model file of a detector bundle. Raises BundleError or EngineError as `load_detector` does."""
    manifest = bundle.manifest
    form = SampleFormat.from_plain(manifest.preprocess)
    if manifest.postprocess.get("function") != "threshold":
        raise BundleError(
            f"the manifest asks for {manifest.postprocess.get('function')!r} after the scores, this Penjing knows"
            " 'threshold': update Penjing"
        )
    shape = (manifest.max_length, len(form.features))
    if [tuple(spec.shape[1:]) for spec in manifest.inputs] != [shape]:
        raise BundleError(
            f"the manifest's input and its {len(form.features)} features with a window of {manifest.max_length}"
            " disagree: copy the bundle again"
        )
    engine = open_engine(bundle.verified(file), manifest.files[file].format, threads)
    _check_engine(file, engine, shape, form.features)
    threshold, policy = thresholds_of(manifest).get(file), policy_of(manifest)
    tokenizer = None
    if form.kind == TEXTS_KIND:
        tokenizer = TextTokenizer(bundle.verified(TOKENIZER_NAME).parent, manifest.max_length)
    return Detector(bundle, file, engine, form, manifest.max_length, threshold, policy, tokenizer)


def thresholds_of(manifest: Manifest) -> dict[str, Threshold]:
    """The thresholds of a detector bundle by model file. Raises BundleError when they are misstated."""
    plain = manifest.postprocess.get("thresholds", {})
    if not isinstance(plain, Mapping):
        raise BundleError("the manifest's thresholds are no table of files: run `penjing calibrate`")
    return {str(file): Threshold.from_plain(threshold) for file, threshold in plain.items()}


def policy_of(manifest: Manifest) -> AlarmPolicy:
    """The alarm policy of a detector bundle. Raises BundleError when it is misstated."""
    plain: Any = manifest.postprocess.get("policy", {})
    return AlarmPolicy.from_plain(plain)


def _check_engine(file: str, engine: Engine, shape: tuple[int, int], features: tuple[str, ...]) -> None:
    """Raises BundleError unless the graph takes samples of `shape` in float32 and gives scores."""
    window, channels = shape
    found = {spec.name: (spec.dtype, spec.shape[1:]) for spec in engine.inputs}
    if found != {INPUT: ("float32", shape)}:
        there = ", ".join(f"{name} {dtype} {list(size)}" for name, (dtype, size) in found.items())
        raise BundleError(
            f"{file} takes {there}, the manifest says {INPUT} float32 [{window}, {channels}] ({shortened(features)}):"
            " model and manifest are of two bundles, copy it again"
        )
    if OUTPUT not in {spec.name for spec in engine.outputs if _is_float(spec)}:
        raise BundleError(f"{file} has no float output {OUTPUT!r}: copy the bundle again")


def _is_float(spec: TensorSpec) -> bool:
    return spec.dtype == "float32"
