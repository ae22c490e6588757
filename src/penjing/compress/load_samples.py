"""From a recipe's data section to the samples that train, calibrate and test a detector, checked.

Left out: file formats (`sample_files.py`), how a split is drawn (`sample_splits.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from ..runtime.errors import DataError
from ..runtime.tokenizer import TextTokenizer
from .bearings import simulate_bearings
from .event_files import read_events
from .label_spans import inside_spans, read_spans
from .motion import simulate_motion
from .sample_files import ARRAY_SIGN, Columns, read_samples, split_array_name
from .sample_splits import Parts, Shares, hold_out, hold_out_end, split_series, split_table
from .samples import SampleSet, check_both_kinds, check_constant, check_finite, check_order
from .text_samples import read_texts

Resolve = Callable[[str], Path]

BREAST_CANCER, BEARINGS, MOTION = "breast-cancer", "bearings", "motion"
BUILT_IN = {BREAST_CANCER: "table", BEARINGS: "series", MOTION: "series"}
"""Names that stand for data that comes with us or with scikit-learn, and their kinds."""
IDS = ("events", "texts")
"""Kinds whose numbers are names: windows [n, window, 1], padded at the end."""
ALL_ANOMALIES = "all anomalies"
"""As `test_label`: every row of the test file is one, and normal rows to test are held out of the training file."""


class SampleSection(Protocol):
    """The data section of a detector's recipe."""

    @property
    def kind(self) -> Literal["table", "series", "events", "windows", "texts"]: ...
    @property
    def train(self) -> str: ...
    @property
    def test(self) -> str | None: ...
    @property
    def label(self) -> str | None: ...
    @property
    def test_label(self) -> str | None: ...
    @property
    def normal(self) -> tuple[str, ...]: ...
    @property
    def features(self) -> tuple[str, ...]: ...
    @property
    def time(self) -> str | None: ...
    @property
    def label_windows(self) -> str | None: ...
    @property
    def window(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def train_share(self) -> float: ...
    @property
    def calibrate_share(self) -> float: ...
    @property
    def regime(self) -> Literal["normals", "contaminated"]: ...
    @property
    def constant(self) -> Literal["error", "keep"]: ...
    @property
    def limit(self) -> int | None: ...


@dataclass(frozen=True)
class LoadedSamples:
    """The parts; `window`, which data of whole windows brings along; and `notes`, what a reader must know of them."""

    train: SampleSet
    calibrate: SampleSet
    test: SampleSet
    window: int
    notes: tuple[str, ...]


def load_samples(
    section: SampleSection,
    resolve: Resolve,
    seed: int,
    *,
    anomalies_calibrate: bool = False,
    tokenizer: TextTokenizer | None = None,
) -> LoadedSamples:
    """Reads, checks and divides. `anomalies_calibrate` gives a table's calibration its share of the anomalies;
    `tokenizer`, of the window's length, is for texts.

    Raises DataError that names the file, what is wrong with it and the next step.
    """
    _check_kind(section)
    notes: list[str] = []
    train, test = _read(section, resolve, tokenizer, notes)
    train = _limited(train, section, seed)
    test = None if test is None else _limited(test, section, seed)
    for samples, where in ((train, section.train), (test, section.test or section.train)):
        if samples is not None:
            check_finite(samples, where)
            if section.kind == "series":
                check_order(samples, where)
    parts = _divided(section, train, test, seed, anomalies_calibrate)
    if section.constant == "error" and section.kind not in IDS:
        check_constant(parts.train, f"{section.train}, its training part")
    if section.label_windows is None:  # a series in which nothing happened is data too, where spans say so
        check_both_kinds(parts.test, f"{section.test or section.train}, its test part")
    if not parts.calibrate.normal.any():
        raise DataError(f"{section.train}: no row of its calibration part is normal: set data.calibrate_share")
    window = parts.train.rows.shape[1] if section.kind in ("windows", *IDS) else section.window
    return LoadedSamples(parts.train, parts.calibrate, parts.test, window, (*notes, *_regime_notes(train, parts)))


def _check_kind(section: SampleSection) -> None:
    kind = BUILT_IN.get(section.train, section.kind)
    if kind != section.kind:
        raise DataError(f"the data {section.train!r} are a {kind}, data.kind is {section.kind}: set data.kind: {kind}")
    if section.test is not None and section.train in BUILT_IN:
        raise DataError(f"the data {section.train!r} bring their own test: leave data.test out")
    if section.test_label == ALL_ANOMALIES and (section.test is None or section.kind == "series"):
        raise DataError(
            f"data.test_label: {ALL_ANOMALIES} needs a data.test, of rows in any order: name one, or a label"
        )
    if section.label_windows is not None and section.time is None:
        raise DataError("data.label_windows are spans of time: name the column of the time in data.time")


def _read(
    section: SampleSection, resolve: Resolve, tokenizer: TextTokenizer | None, notes: list[str]
) -> tuple[SampleSet, SampleSet | None]:
    if section.train == BREAST_CANCER:
        return _chosen(_breast_cancer(), section.features), None
    if section.train in (BEARINGS, MOTION):
        simulated = simulate_bearings() if section.train == BEARINGS else simulate_motion()
        return _chosen(simulated.train, section.features), _chosen(simulated.test, section.features)
    columns = Columns(section.features or None, _label(section.label, resolve), section.time, section.normal)
    train = _read_one(section, section.train, columns, resolve, tokenizer, notes)
    if section.test is None:
        return train, None
    every = section.test_label == ALL_ANOMALIES
    label = None if every else _label(section.test_label or section.label, resolve)
    same = replace(columns, features=train.features, label=label)
    test = _read_one(section, section.test, same, resolve, tokenizer, notes)
    if test.rows.shape[1:] != train.rows.shape[1:]:
        shapes = f"{list(test.rows.shape[1:])} values a row, the training {list(train.rows.shape[1:])}"
        raise DataError(f"{section.test} has {shapes}: both need the same columns")
    return train, replace(test, labels=np.ones(len(test), np.int64)) if every else test


def _read_one(
    section: SampleSection,
    name: str,
    columns: Columns,
    resolve: Resolve,
    tokenizer: TextTokenizer | None,
    notes: list[str],
) -> SampleSet:
    """Rows [n, channels] of a table or series, [n, window, channels] of events, texts and windows."""
    file, array = split_array_name(name)
    path = resolve(file)
    if section.kind == "events":
        samples, longer = read_events(path, section.window)
        if longer:
            share = f"{longer} of {len(samples)} sessions of {path.name}"
            notes.append(f"{share} have more than {section.window} events; their first {section.window} are kept.")
        return samples
    if section.kind == "texts":
        if tokenizer is None:
            raise DataError("texts need the tokenizer of an encoder: set detector.kind: embedding")
        samples, longer = read_texts(path, columns, tokenizer)
        if longer:
            share = f"{longer} of {len(samples)} texts of {path.name}"
            notes.append(f"{share} have more than {section.window} tokens; their first {section.window} are kept.")
        return samples
    if section.kind == "windows" and array is None:
        columns = replace(columns, features=None)  # they are places in the window, not channels
    samples = read_samples(path, columns, array)
    if section.kind == "windows":
        return _as_windows(samples, section, name)
    if samples.rows.ndim != 2:
        raise DataError(f"{name} holds windows, {list(samples.rows.shape)}: set data.kind: windows")
    if section.label_windows is None or samples.times is None:
        return samples
    spans = read_spans(resolve(section.label_windows), path)
    return replace(samples, labels=inside_spans(samples.times, spans))


def _as_windows(samples: SampleSet, section: SampleSection, name: str) -> SampleSet:
    """A row of n numbers is a window of one channel."""
    rows = samples.rows if samples.rows.ndim == 3 else samples.rows[:, :, None]
    if section.window not in (1, rows.shape[1]):
        raise DataError(
            f"{name} holds windows of {rows.shape[1]} samples, data.window is {section.window}: leave data.window out"
        )
    features = samples.features if samples.rows.ndim == 3 else ("value",)
    return replace(samples, rows=rows, features=features)


def _divided(
    section: SampleSection, train: SampleSet, test: SampleSet | None, seed: int, anomalies_calibrate: bool
) -> Parts:
    contaminated, where = section.regime == "contaminated", section.train
    shares = Shares(section.train_share, section.calibrate_share, contaminated, anomalies_calibrate)
    if not train.normal.any():
        labels = f"no row of {len(train)} is normal by its label"
        raise DataError(f"{where}: {labels}, data.normal is {list(section.normal)}: name the labels of normal rows")
    if section.train_share + section.calibrate_share >= 1 and (test is None or section.test_label == ALL_ANOMALIES):
        raise DataError("data.train_share and data.calibrate_share leave nothing to test: let them sum to less than 1")
    if section.kind == "series":
        if test is None:
            return split_series(train, shares, section.window, section.stride, where)
        share = section.calibrate_share
        return Parts(*hold_out_end(train, share, contaminated, section.window, section.stride, where), test)
    if test is None:
        return split_table(train, shares, seed, where)
    if section.test_label == ALL_ANOMALIES:
        parts = split_table(train, shares, seed, where)
        return replace(parts, test=_joined(parts.test, test))
    return Parts(*hold_out(train, section.calibrate_share, contaminated, seed, where), test)


def _joined(first: SampleSet, second: SampleSet) -> SampleSet:
    labels = np.concatenate([(~part.normal).astype(np.int64) for part in (first, second)])
    return SampleSet(np.concatenate([first.rows, second.rows]), labels, None, first.features)


def _limited(samples: SampleSet, section: SampleSection, seed: int) -> SampleSet:
    """Rows drawn by the seed, in their order; of a series the first ones."""
    if section.limit is None or len(samples) <= section.limit:
        return samples
    if section.kind == "series":
        return samples.take(slice(0, section.limit))
    drawn = np.random.default_rng(seed).choice(len(samples), section.limit, replace=False)
    return samples.take(np.sort(drawn))


def _regime_notes(train: SampleSet, parts: Parts) -> tuple[str, ...]:
    inside = int((~parts.train.normal).sum())
    if inside:
        return (f"{inside} of the {len(parts.train)} training rows are anomalies, as data.regime: contaminated says.",)
    return () if train.labels is not None else ("Training rows have no labels: all of them count as normal.",)


def _label(label: str | None, resolve: Resolve) -> str | None:
    """A column's name as it is; the file of an array is found as other files of the recipe are."""
    if label is None or ARRAY_SIGN not in label:
        return label
    file, array = split_array_name(label)
    return f"{resolve(file)}{ARRAY_SIGN}{array}"


def _chosen(samples: SampleSet, features: Sequence[str]) -> SampleSet:
    if not features:
        return samples
    for name in features:
        if name not in samples.features:
            raise DataError(f"these data have no feature {name!r}; they have {', '.join(samples.features)}")
    rows = samples.rows[:, [samples.features.index(name) for name in features]]
    return replace(samples, rows=rows, features=tuple(features))


def _breast_cancer() -> SampleSet:
    """569 biopsies, 30 features, 212 malignant (Wolberg, Street and Mangasarian 1994), as scikit-learn brings them."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    names = tuple(str(name).replace(" ", "_") for name in found.feature_names)
    return SampleSet(found.data.astype(np.float64), (found.target == 0).astype(np.int64), None, names)
