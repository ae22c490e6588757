"""A stream scores as the detector scores windows, however it is cut, filled, interrupted or stored."""

from __future__ import annotations

import gc
import json
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tiny_detector_bundle import FEATURES, FILES, FORMAT, TYPICAL, WINDOW, series, shared_detector_bundle, windows_of

from penjing.runtime import Detector, Stream, load_detector
from penjing.runtime.detector import open_detector
from penjing.runtime.errors import BundleError, DataError
from penjing.runtime.policy import AlarmPolicy
from penjing.runtime.samples import SampleError, SampleFormat
from penjing.runtime.stream import Answers

SERIES = series(120, seed=5)
SERIES[60:66, 2] += 4  # a run of anomalies


def detector(**changes: Any) -> Detector:
    """The fp32 ONNX file; `changes` are of the sample format."""
    opened = load_detector(shared_detector_bundle(), "onnx", "fp32")
    return replace(opened, format=replace(FORMAT, **changes))


def pushed(stream: Stream, samples: Any, times: Any = None, cuts: Any = ()) -> Answers:
    """What the stream says of the samples in chunks, put together."""
    places = [0, *cuts, len(samples)]
    parts = [
        stream.push(samples[start:end], None if times is None else times[start:end]) for start, end in pairwise(places)
    ]
    drivers = {start + row: d for start, part in zip(places, parts, strict=False) for row, d in part.drivers.items()}
    return Answers(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.alarms for part in parts]),
        drivers,
        tuple(notice for part in parts for notice in part.notices),
    )


def assert_same(one: Answers, other: Answers) -> None:
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5)
    np.testing.assert_array_equal(one.alarms, other.alarms)
    assert one.drivers.keys() == other.drivers.keys()
    for row, drivers in one.drivers.items():
        assert [d.feature for d in drivers] == [d.feature for d in other.drivers[row]]
        np.testing.assert_allclose([d.share for d in drivers], [d.share for d in other.drivers[row]], atol=1e-3)


@pytest.mark.parametrize("file", FILES)
def test_scores_are_those_of_the_windows_after_the_first_has_filled(file: str) -> None:
    opened = open_detector(detector().bundle, file)
    answers = opened.stream().push(SERIES)
    assert np.isnan(answers.scores[: WINDOW - 1]).all() and answers.scores.dtype == np.float32
    np.testing.assert_allclose(answers.scores[WINDOW - 1 :], opened.score(windows_of(SERIES)), rtol=1e-5)
    np.testing.assert_array_equal(answers.alarms, opened.alarms(answers.scores))
    assert answers.alarms[60:66].any()
    assert answers.drivers.keys() == set(np.flatnonzero(answers.alarms).tolist())
    assert answers.drivers[62] == opened.explain(SERIES[59:63])


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("cuts", [range(1, 120), [1, 2, 2, 60, 119], [7]])
def test_cutting_a_series_into_chunks_changes_nothing(cuts: Any, file: str) -> None:
    opened = replace(open_detector(detector().bundle, file), policy=AlarmPolicy(2, 3, 4))
    times = np.arange(120.0)
    times[80:] += 50  # a gap
    gappy = SERIES.copy()
    gappy[[0, 30, 31, 79, 80], [0, 1, 1, 2, 2]] = np.nan
    assert_same(pushed(opened.stream(), gappy, times), pushed(opened.stream(), gappy, times, cuts))


def test_one_sample_may_be_pushed_as_a_vector() -> None:
    stream, chunked = detector().stream(), detector().stream()
    answers = [stream.push(row, float(i)) for i, row in enumerate(SERIES[:20])]
    whole = chunked.push(SERIES[:20], np.arange(20.0))
    np.testing.assert_allclose([a.scores[0] for a in answers], whole.scores, rtol=1e-5)
    assert stream.seen == chunked.seen == 20


@pytest.mark.parametrize("stop", [0, 2, 40, 63, 100])
def test_a_stream_that_was_stopped_and_restored_goes_on_as_if_it_had_not(stop: int) -> None:
    opened = replace(detector(), policy=AlarmPolicy(2, 3, 5))
    times, gappy = np.arange(120.0), SERIES.copy()
    gappy[[39, 40, 99], 1] = np.nan
    uninterrupted = opened.stream()
    expected = pushed(uninterrupted, gappy, times, [stop])
    first = opened.stream()
    before = pushed(first, gappy[:stop], times[:stop])
    state = json.loads(json.dumps(first.state(), allow_nan=False))
    second = opened.stream()
    second.restore(state)
    after = pushed(second, gappy[stop:], times[stop:])
    np.testing.assert_array_equal(np.concatenate([before.scores, after.scores]), expected.scores)
    np.testing.assert_array_equal(np.concatenate([before.alarms, after.alarms]), expected.alarms)
    assert {**before.drivers, **{stop + row: d for row, d in after.drivers.items()}} == expected.drivers
    assert second.state() == uninterrupted.state()


def test_a_state_of_another_file_or_a_broken_one_is_refused_and_nothing_changes() -> None:
    stream = detector().stream()
    stream.push(SERIES)
    state = stream.state()
    other = open_detector(detector().bundle, "model.tflite").stream()
    with pytest.raises(DataError, match=r"the state is of 'model\.onnx', not of this model\.tflite"):
        other.restore(state)
    for broken in ({}, {**state, "version": 2}, {**state, "tail": [[1.0]]}, {**state, "last": [1.0]}, [3]):
        with pytest.raises(DataError, match="start without it"):
            stream.restore(broken)
    for key in state:
        with pytest.raises(DataError, match="start without it"):
            stream.restore({name: value for name, value in state.items() if name != key and name != "version"})
    assert stream.state() == state


def test_a_missing_value_is_refused_held_or_typical_as_the_bundle_says() -> None:
    gappy, held, typical = SERIES[:9].copy(), SERIES[:9].copy(), SERIES[:9].copy()
    gappy[0, 0] = gappy[5, 2] = gappy[6, 2] = np.nan
    held[0, 0], held[5:7, 2] = TYPICAL[0], held[4, 2]
    typical[0, 0], typical[5:7, 2] = TYPICAL[0], TYPICAL[2]
    expected = {"hold": held, "typical": typical}
    for missing, filled in expected.items():
        scores = detector(missing=missing).stream().push(gappy).scores
        np.testing.assert_array_equal(scores, detector(missing="refuse").stream().push(filled).scores)
    with pytest.raises(SampleError, match="sample 1 of those given: speed is missing, which this bundle refuses"):
        detector(missing="refuse").stream().push(gappy)
    assert not np.array_equal(held, typical)


def test_after_a_longer_gap_than_allowed_the_window_fills_anew() -> None:
    samples = SERIES[:12].copy()
    samples[6, 0] = np.nan
    for absent, anew in ((2, False), (3, True)):
        times = np.arange(12.0)
        times[6:] += absent
        for cuts in ([], [6], [3, 8]):
            scores = pushed(detector().stream(), samples, times, cuts).scores
            assert np.isnan(scores[6:9]).tolist() == [anew] * 3 and not np.isnan(scores[9:]).any()
            # After the gap the value before it is no longer held.
            samples_held = samples[6:10].copy()
            samples_held[0, 0] = TYPICAL[0] if anew else samples[5, 0]
            expected = detector().score(samples_held[None])[0]
            assert scores[9] == pytest.approx(expected, rel=1e-5)


def test_a_gap_resets_votes_and_the_distance_of_alarms() -> None:
    opened = replace(detector(), policy=AlarmPolicy(1, 1, 100))
    loud = np.tile(np.add(TYPICAL, (0, 0, 50)), (16, 1))
    times = np.arange(16.0)
    assert opened.stream().push(loud, times).alarms.sum() == 1
    times[8:] += 60
    assert np.flatnonzero(opened.stream().push(loud, times).alarms).tolist() == [3, 11]


def test_times_that_go_back_are_refused_within_a_chunk_and_between_two() -> None:
    stream = detector().stream()
    with pytest.raises(SampleError, match="sample 3 of those given: its time 1 goes back from 2: sort the series"):
        stream.push(SERIES[:4], [0, 2, 1, 3])
    stream.push(SERIES[:2], [5, 5])
    with pytest.raises(SampleError, match="sample 1 of those given: its time 4 goes back from 5"):
        stream.push(SERIES[:2], [4, 6])
    with pytest.raises(SampleError, match=r"sample 2 .* is not finite"):
        stream.push(SERIES[:2], [6, np.nan])
    with pytest.raises(DataError, match=r"2 samples have times \[3\]"):
        stream.push(SERIES[:2], [6, 7, 8])


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((5, 2)), "have 2 columns, the detector takes 3"),
        (np.zeros((5, WINDOW, 3)), r"a stream takes samples \[n, channels\], not \[5, 4, 3\]"),
        (np.zeros((5, 3), np.uint8), "are uint8, which wraps around"),
        (np.full((5, 3), np.inf), "sample 1 of those given: speed, load, heat is infinite"),
    ],
)
def test_what_is_refused_leaves_the_stream_as_it_was(samples: Any, words: str) -> None:
    stream, calm = detector().stream(), detector().stream()
    for one in (stream, calm):
        one.push(SERIES[:30], np.arange(30.0))
    with pytest.raises(DataError, match=words):
        stream.push(samples)
    assert stream.state() == calm.state()
    np.testing.assert_array_equal(stream.push(SERIES[30:]).scores, calm.push(SERIES[30:]).scores)


def test_a_series_shorter_than_the_window_has_no_score() -> None:
    answers = detector().stream().push(SERIES[: WINDOW - 1])
    assert np.isnan(answers.scores).all() and not answers.alarms.any()
    assert len(detector().stream().push(np.empty((0, 3))).scores) == 0


def test_memory_stays_flat_over_a_long_series() -> None:
    stream, chunk = detector().stream(), series(2000, seed=6)
    quiet = chunk[(np.abs((chunk - TYPICAL) / (2.0, 1.4, 0.5)) < 1.5).all(axis=1)]  # alarms take time to explain
    stream.push(quiet)
    tracemalloc.start()
    try:
        stream.push(quiet)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            stream.push(quiet)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert stream.seen == 52 * len(quiet) > 50_000
    assert grown < 20_000, "50,000 samples are 600,000 bytes"


def test_drift_is_part_of_the_answers() -> None:
    moved = np.add(series(8000, seed=7), (0.0, 0.0, 0.6))
    answers = pushed(detector().stream(), moved, cuts=range(100, 8000, 100))
    (notice,) = answers.notices
    assert notice.kind == "begins" and 2000 < notice.sample < 8000
    assert pushed(detector().stream(), series(8000, seed=8)).notices == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": ("a", "a", "b")}, "one name of its own"),
        ({"typical": (1.0,)}, "3 features need as many typical values"),
        ({"kind": "text"}, "kind is 'text': this Penjing knows table, series, events"),
        ({"missing": "guess"}, "missing is 'guess': this Penjing knows refuse, hold, typical"),
        ({"largest_gap": -1}, "largest_gap is -1"),
        ({"period_seconds": None}, "give both"),
        ({"period_seconds": 0.0}, "give a positive number"),
    ],
)
def test_a_format_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        replace(FORMAT, **changes)


def test_a_format_goes_through_json_and_back() -> None:
    plain = json.loads(json.dumps(FORMAT.to_plain()))
    assert SampleFormat.from_plain(plain) == FORMAT
    assert plain["features"] == list(FEATURES)
