"""A detector's pictures: what they show, that long series stay small, and that hostile names cannot break a page."""

from __future__ import annotations

import re
from xml.dom import minidom

import numpy as np
import pytest

from penjing.pipeline.report.detection_figures import (
    STRETCHES,
    ScoredSeries,
    _stretches,
    histogram_picture,
    precision_recall_picture,
    series_picture,
)
from penjing.pipeline.report.picture import Picture

HOSTILE = "<b>$x^&"


def scored(n: int, labelled: bool = True) -> ScoredSeries:
    rng = np.random.default_rng(n)
    labels = np.zeros(n, bool)
    labels[n // 2 : n // 2 + n // 10] = True
    scores = rng.gamma(2, 1, n) + 60 * labels
    marks = labels if labelled else None
    return ScoredSeries(scores, scores > 8, 8.0, rng.normal(size=n), HOSTILE, marks, 60.0 * np.arange(n))


def texts(picture: Picture) -> str:
    """All words of a picture that is well-formed."""
    found = minidom.parseString(f'<a xmlns:xlink="x">{picture.svg}</a>').getElementsByTagName("text")
    return "|".join(node.firstChild.data for node in found if node.firstChild is not None)


def test_a_series_shows_its_channel_threshold_alarms_and_hours() -> None:
    picture = series_picture(scored(300), "A series")
    words = texts(picture)
    for word in ("score", "threshold", "alarm", "hours from the first sample", HOSTILE):
        assert word in words
    assert "10^" not in words
    assert "Shaded: labelled anomalies." in picture.caption
    assert "Shaded" not in series_picture(scored(300, labelled=False), "A series").caption


def test_a_series_without_alarms_is_drawn() -> None:
    series = scored(300)
    quiet = ScoredSeries(series.scores, np.zeros(300, bool), 1e6, series.values, "channel")
    picture = series_picture(quiet, "Quiet")
    assert "sample" in texts(picture) and "alarm" not in texts(picture).split("|")


def test_a_long_series_keeps_its_peak_and_stays_small() -> None:
    values = np.zeros(100_000)
    values[77_777], values[12_345] = 9.0, -9.0
    place, kept = _stretches(np.arange(100_000.0), values)
    assert len(kept) <= 2 * STRETCHES
    assert kept.max() == 9.0 and kept.min() == -9.0
    assert (np.diff(place) >= 0).all()
    assert len(series_picture(scored(50_000), "Long").svg) < 400_000


@pytest.mark.parametrize("far", [60.0, 2.0])
def test_a_histogram_takes_a_log_scale_for_heavy_tails_alone(far: float) -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(500) < 0.1
    picture = histogram_picture(rng.uniform(1, 2, 500) + far * labels, labels, 1.9, "Scores")
    assert ("score (log scale)" in texts(picture)) == (far > 10)
    assert f"normal ({int((~labels).sum())})" in texts(picture)
    assert "threshold" in texts(picture)


def test_a_histogram_of_equal_scores_is_drawn() -> None:
    assert "normal (5)" in texts(histogram_picture(np.zeros(5), np.zeros(5, bool), 1.0, "Equal"))


def test_precision_and_recall_name_each_detector_with_its_area() -> None:
    labels = np.array([0, 0, 1, 1, 0], bool)
    curves = {"perfect": (labels.astype(float), labels), HOSTILE: (np.array([0.1, 0.4, 0.35, 0.8, 0.2]), labels)}
    words = texts(precision_recall_picture(curves, "Precision against recall"))
    assert "perfect: 1.000" in words
    assert f"{HOSTILE}: 0.833" in words
    assert "useless score: 0.400" in words


def test_ids_of_two_pictures_never_meet() -> None:
    first, second = series_picture(scored(50), "A"), histogram_picture(scored(50).scores, np.arange(50) > 40, 8.0, "B")
    assert not set(re.findall(r' id="([^"]+)"', first.svg)) & set(re.findall(r' id="([^"]+)"', second.svg))
