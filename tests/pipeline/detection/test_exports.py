"""Every detector that a recipe can name, exported to both formats: same scores, few nodes, and no batch in a score."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from detector_files import torch_scores
from numpy.typing import NDArray

from penjing.export.model_facts import read_model_facts
from penjing.pipeline.detection.fit import FITS, write_module
from penjing.pipeline.detection.kinds import AnyKind, Ngram
from penjing.pipeline.detection.proof import score_one_by_one

MOST_NODES = 120
KINDS = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(AnyKind)[0])}
WINDOW, CHANNELS = 8, 3
FAST = {"dense-autoencoder": {"epochs": 2}, "conv-autoencoder": {"epochs": 2}}
"""Two epochs make as good a graph as sixty."""
NUMERIC = sorted(set(FITS) - {"embedding"})
"""Without the one that reads text, whose graph is an encoder's."""


def samples_for(name: str, n: int, seed: int) -> NDArray[np.float64]:
    """[n, window, channels]; of events, sessions of ids with padding at their end."""
    random = np.random.default_rng(seed)
    if KINDS[name] is Ngram:
        ids = random.integers(1, 6, size=(n, WINDOW, 1)).astype(np.float64)
        ids[::2, WINDOW - 2 :] = 0
        return ids
    rows = random.normal(size=(n, WINDOW, CHANNELS))
    rows[:, :, 2] += rows[:, :, 0]
    return rows * (1, 10, 0.1) + (0, 100, -5)


@pytest.mark.parametrize("name", NUMERIC)
def test_a_detector_scores_alike_in_torch_onnx_and_tflite(name: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {**KINDS[name]().model_dump(exclude={"kind"}), **FAST.get(name, {})}
    module = FITS[name](samples_for(name, 200, 0), seed=1, **options).eval()
    held_out = samples_for(name, 12, 1)
    held_out[6:] = held_out[6:] if KINDS[name] is Ngram else held_out[6:] + 3 * held_out[6:].std(axis=(0, 1))
    expected = torch_scores(module, held_out)
    assert np.isfinite(expected).all()
    channels = held_out.shape[2]
    for suffix in ("onnx", "tflite"):
        path = tmp_path / f"model.{suffix}"
        write_module(module, path, opset=18, window=WINDOW, channels=channels)
        np.testing.assert_allclose(score_one_by_one(path, held_out), expected, rtol=1e-4, atol=1e-5)
        assert read_model_facts(path).nodes <= MOST_NODES


@pytest.mark.parametrize("name", NUMERIC)
def test_a_score_does_not_depend_on_the_rows_beside_it(name: str) -> None:
    options: dict[str, Any] = {**KINDS[name]().model_dump(exclude={"kind"}), **FAST.get(name, {})}
    module = FITS[name](samples_for(name, 200, 0), seed=1, **options).eval()
    rows = torch.tensor(samples_for(name, 5, 2), dtype=torch.float32)
    with torch.no_grad():
        alone = torch.cat([module(rows[i : i + 1]) for i in range(len(rows))])
        together = module(rows)
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
