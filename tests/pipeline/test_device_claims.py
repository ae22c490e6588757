"""The experiment on the device's side: what is compared does the same work, and a stream is really pushed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penjing.pipeline.experiments.device import CHANNELS, CHUNK, FOREST_CHANNELS, forest_calls, push, stream_detector


def test_three_ways_to_score_one_sample_with_a_forest_run(tmp_path: Path) -> None:
    pytest.importorskip("skl2onnx")
    rows = np.random.default_rng(0).normal(size=(300, 1, FOREST_CHANNELS))
    calls = forest_calls(rows, tmp_path)
    assert set(calls) == {"ours", "sklearn", "skl2onnx"}
    for call in calls.values():
        assert call(0) is not None


def test_a_stream_of_a_few_chunks_has_a_rate(tmp_path: Path) -> None:
    detector = stream_detector(tmp_path, "mahalanobis")
    assert len(detector.features) == CHANNELS
    rate, growth = push(detector, 3 * CHUNK)
    assert rate > 0 and growth == 0
