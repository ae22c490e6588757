"""A text's embedding and its distance from those of normal texts: against transformers, scikit-learn and the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from detector_files import exported_scores, torch_scores
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from tiny import make_sentences, write_encoder
from tiny_classifiers import tiny_mobilebert
from transformers import BertModel

from penjing.compress.detectors.embedding import embed, fit_embedding
from penjing.compress.models.checkpoint import save_student
from penjing.compress.text_encoder import load_text_encoder, save_tokenizer
from penjing.runtime.errors import TrainingError
from penjing.runtime.text_samples import text_samples
from penjing.runtime.tokenizer import TextTokenizer

WINDOW = 16


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder)
    return folder


def token_ids(encoder: Path, count: int, seed: int) -> NDArray[np.float64]:
    """[count, window, 1]"""
    texts, _ = make_sentences(count, seed)
    return text_samples(TextTokenizer(encoder, WINDOW), texts)[0].astype(np.float64)


def mean_states(encoder: Path, samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean pooling as sentence-transformers does, at length 1, by transformers itself."""
    ids = torch.tensor(samples[:, :, 0]).long()
    mask = (ids != 0).long()
    with torch.no_grad():
        states = BertModel.from_pretrained(encoder).eval()(ids, attention_mask=mask).last_hidden_state
    mean = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    return (mean / mean.norm(dim=1, keepdim=True)).double().numpy()


def test_an_embedding_is_the_mean_of_the_last_states_without_padding(encoder: Path) -> None:
    samples, opened = token_ids(encoder, 20, 0), load_text_encoder(str(encoder), WINDOW)
    with torch.no_grad():
        found = embed(opened.states, opened.pad_id, torch.tensor(samples, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(found, mean_states(encoder, samples), atol=1e-5)


def test_mahalanobis_is_scikit_learns_distance_of_embeddings(encoder: Path) -> None:
    train, test = token_ids(encoder, 80, 0), token_ids(encoder, 20, 1)
    fitted = fit_embedding(train, encoder=str(encoder), score="mahalanobis")
    rows = mean_states(encoder, train)
    # The detector scales channels first, which shrinkage is not indifferent to.
    centre, spread = rows.mean(axis=0), rows.std(axis=0)
    reference = LedoitWolf().fit((rows - centre) / spread)
    expected = reference.mahalanobis((mean_states(encoder, test) - centre) / spread)
    assert torch_scores(fitted, test) == pytest.approx(expected, rel=1e-3)


def test_nearest_is_zero_on_a_text_of_a_bank_that_holds_all(encoder: Path) -> None:
    train = token_ids(encoder, 30, 0)
    scores = torch_scores(fit_embedding(train, encoder=str(encoder), prototypes=100), train)
    assert np.abs(scores).max() < 1e-2
    assert torch_scores(fit_embedding(train, encoder=str(encoder), prototypes=4), train).max() > 0.1


@pytest.mark.parametrize("score", ["nearest", "mahalanobis"])
def test_exported_files_give_the_same_scores(score: str, encoder: Path, tmp_path: Path) -> None:
    fitted = fit_embedding(token_ids(encoder, 60, 0), encoder=str(encoder), score=score, prototypes=16)
    samples = token_ids(encoder, 10, 1).astype(np.float32)
    for scores in exported_scores(fitted, samples, tmp_path).values():
        assert scores == pytest.approx(torch_scores(fitted, samples), rel=1e-3, abs=1e-5)


def test_a_student_that_was_distilled_here_is_an_encoder_too(tmp_path: Path) -> None:
    save_student(tiny_mobilebert(), tmp_path / "student")
    samples = np.random.default_rng(0).integers(1, 50, size=(40, WINDOW, 1)).astype(np.float64)
    fitted = fit_embedding(samples, encoder=str(tmp_path / "student"), prototypes=8)
    (scores,) = exported_scores(fitted, samples[:6].astype(np.float32), tmp_path, ("onnx",)).values()
    assert scores == pytest.approx(torch_scores(fitted, samples[:6]), rel=1e-3, abs=1e-5)


def test_a_window_beyond_the_encoders_positions_is_refused(encoder: Path) -> None:
    with pytest.raises(TrainingError, match=r"data.window is 99 but the encoder .* has 24 positions: set data.window"):
        load_text_encoder(str(encoder), 99)


def test_the_tokenizer_of_an_encoder_comes_along(encoder: Path, tmp_path: Path) -> None:
    save_tokenizer(str(encoder), tmp_path)
    texts, _ = make_sentences(5, 3)
    for folder in (encoder, tmp_path):
        assert text_samples(TextTokenizer(folder, WINDOW), texts)[0].shape == (5, WINDOW, 1)
