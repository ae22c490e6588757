"""An embedder gives what its engine gives, at length 1, short or whole, and refuses what it cannot answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import MAX_LENGTH, TEXTS, edit_manifest, rehash
from tiny_embedding_bundle import CUTS, SIZE, encoder_goldens, pack_encoder, write_encoder_parts

from penjing.runtime import Embedder, load, load_detector, load_embedder, load_predictor
from penjing.runtime.bundle import open_bundle
from penjing.runtime.embedder import OUTPUT, truncate
from penjing.runtime.errors import BundleError, DataError
from penjing.runtime.goldens import GOLDENS_NAME, write_goldens
from penjing.runtime.vector_goldens import neighbour_flips, read_vector_goldens, replay_vectors, vector_problems

CHOICES = [(engine, precision) for engine in ("onnx", "tflite") for precision in ("fp32", "int8")]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    write_encoder_parts(folder)
    return folder


@pytest.fixture(scope="module")
def bundle(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_encoder(parts, tmp_path_factory.mktemp("bundles") / "encoder").folder


@pytest.fixture
def own(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "encoder"))


@pytest.fixture(params=CHOICES, ids=lambda choice: "-".join(choice))
def embedder(request: pytest.FixtureRequest, bundle: Path) -> Embedder:
    opened = load(bundle, *request.param)
    assert isinstance(opened, Embedder)
    return opened


def test_a_vector_is_the_engines_answer_at_length_one(embedder: Embedder) -> None:
    vector = embedder.embed("a good film")
    raw = embedder.engine.run(embedder.tokenizer.encode(["a good film"]).inputs)[OUTPUT][0]
    np.testing.assert_allclose(vector, raw / np.linalg.norm(raw), rtol=1e-5)
    assert vector.shape == (SIZE,) and vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert embedder.ask("a good film").summary == f"a vector of {SIZE} numbers"


def test_many_texts_are_embedded_as_each_alone_and_in_their_order(embedder: Embedder) -> None:
    texts = ["good", "the plot was not very good", "bad film", "good " * 30, "a"]
    found = embedder.embed_many(texts, batch_size=3)
    np.testing.assert_allclose(found.vectors, [embedder.embed(text) for text in texts], atol=1e-5)
    assert found.truncated == (False, False, False, True, False)
    assert embedder.embed_many([]).vectors.shape == (0, SIZE)


def test_a_vector_is_cut_to_the_sizes_it_was_trained_for_alone(embedder: Embedder) -> None:
    whole, short = embedder.embed("a good film"), embedder.embed("a good film", size=CUTS[0])
    np.testing.assert_allclose(short, whole[: CUTS[0]] / np.linalg.norm(whole[: CUTS[0]]), rtol=1e-5)
    assert embedder.embed_many(["good", "bad"], size=CUTS[1]).vectors.shape == (2, CUTS[1])
    with pytest.raises(DataError, match="no vectors of 12 numbers: choose of 8, 16, 32"):
        embedder.embed("a good film", size=12)


def test_both_engines_give_the_same_vectors(bundle: Path) -> None:
    one, other = (load_embedder(bundle, engine, "fp32").embed_many(TEXTS).vectors for engine in ("onnx", "tflite"))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_is_no_text_is_refused(bundle: Path) -> None:
    embedder = load_embedder(bundle)
    with pytest.raises(DataError, match="the text is empty"):
        embedder.embed(" ")
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        embedder.embed_many(["good", ""])
    with pytest.raises(DataError, match="batch_size is 0"):
        embedder.embed_many(["good"], batch_size=0)


def test_a_text_of_the_longest_kind_is_whole(bundle: Path) -> None:
    embedder = load_embedder(bundle)
    assert not embedder.ask("good " * (MAX_LENGTH - 2)).truncated
    assert embedder.ask("good " * (MAX_LENGTH - 1)).truncated


def test_each_loader_says_what_the_bundle_is_for(bundle: Path, tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="is a sentence encoder, which gives vectors: use `penjing embed`"):
        load_predictor(bundle)
    with pytest.raises(BundleError, match="is for embedding, no detector: use `penjing embed`"):
        load_detector(bundle)
    with pytest.raises(BundleError, match="is for text-classification, no sentence encoder: use `penjing predict`"):
        load_embedder(tiny_bundle)


def test_a_manifest_that_contradicts_its_model_is_refused(own: Path) -> None:
    edit_manifest(own, postprocess={"function": "normalize", "size": 31, "cuts": []})
    with pytest.raises(BundleError, match="no output 'vector' of 31 numbers"):
        load(own)
    edit_manifest(own, postprocess={"function": "normalize", "cuts": []})
    with pytest.raises(BundleError, match="lacks or misstates 'size'"):
        load(own)
    edit_manifest(own, postprocess={"function": "softmax"})
    with pytest.raises(BundleError, match="asks for 'softmax' after the vectors"):
        load(own)


def test_goldens_replay_on_every_file(bundle: Path) -> None:
    opened = open_bundle(bundle)
    for file in opened.model_files:
        report = replay_vectors(opened, file)
        assert (report.n, report.flips, report.token_differences) == (len(TEXTS), 0, 0)
        assert not vector_problems(report, opened.manifest.files[file].precision)


def test_a_file_that_finds_other_neighbours_is_told(own: Path, parts: Path) -> None:
    goldens = encoder_goldens(parts)
    turned = [dict(g.vectors) for g in goldens]
    for number, vectors in enumerate(turned):
        vectors["model.onnx"] = goldens[(number + 1) % len(goldens)].vectors["model.onnx"]
    changed = [type(g)(g.text, g.input_ids, g.attention_mask, v) for g, v in zip(goldens, turned, strict=True)]
    write_goldens(changed, own)
    rehash(own, GOLDENS_NAME)
    opened = open_bundle(own)
    problems = vector_problems(replay_vectors(opened, "model.onnx"), "fp32")
    assert any("finds another nearest text" in problem for problem in problems)
    assert any("is off by" in problem for problem in problems)
    assert not vector_problems(replay_vectors(opened, "model.tflite"), "fp32")
    assert read_vector_goldens(own)[0].text == TEXTS[0]


def test_a_tie_is_no_flip_and_what_is_no_number_is_one() -> None:
    vectors = truncate(np.array([[1.0, 0.0], [0.9, 0.5], [0.9, -0.5], [0.0, 1.0]]), 2).astype(np.float64)
    moved = vectors.copy()
    moved[0] = truncate(np.array([[1.0, -0.01]]), 2)[0]
    assert not neighbour_flips(vectors, moved).any()  # the first now leans to the third, which was as near
    moved[0] = [np.nan, 0]
    moved[3] = truncate(np.array([[0.1, -1.0]]), 2)[0]
    assert neighbour_flips(vectors, moved).tolist() == [True, False, False, True]
