"""TinyBERT's augmentation: who proposes what, the copies, and pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import WORDS, make_sentences
from transformers import BertForMaskedLM

from penjing.compress.augment.augmenters import make_augment
from penjing.compress.augment.neighbours import UnitVectors
from penjing.compress.augment.proposals import PROPOSALS, Proposer
from penjing.compress.augment.tinybert import REPLACED, neighbour_options, replaced_copies, tinybert_options
from penjing.compress.masked_lm import open_masked_lm

VECTORS = UnitVectors(
    ["zebra", "horse", "donkey", *WORDS], np.random.default_rng(1).normal(size=(3 + len(WORDS), 8)).astype(np.float32)
)


@dataclass(frozen=True)
class Settings:
    method: str = "tinybert"
    copies: int = 5
    tags: str = "english"


@pytest.fixture(scope="module")
def proposer(tiny_encoder: Path) -> Proposer:
    return Proposer(open_masked_lm(str(tiny_encoder)))


def write_vectors(folder: Path) -> Path:
    folder.mkdir()
    (folder / "words.txt").write_text("\n".join(VECTORS.words) + "\n", encoding="utf-8")
    np.save(folder / "vectors.npy", VECTORS.vectors)
    return folder


def test_a_word_of_one_piece_gets_proposals_and_one_of_several_its_neighbours(proposer: Proposer) -> None:
    text = "the zebra was good"
    (options,) = tinybert_options([text], proposer, VECTORS)
    found = {text[slice(*span)]: words for span, words in options}
    assert list(found) == ["zebra", "good"]
    assert found["zebra"] == VECTORS.neighbours("zebra")
    assert len(found["good"]) == PROPOSALS and all(word.isalpha() for word in found["good"])


def test_proposals_are_the_models_best_words_for_the_masked_sentence_before_the_full_one(
    proposer: Proposer, tiny_encoder: Path
) -> None:
    torch.manual_seed(0)
    model = BertForMaskedLM.from_pretrained(str(tiny_encoder)).eval()
    tokenizer = open_masked_lm(str(tiny_encoder)).tokenizer
    pair = tokenizer("zebra film was [MASK]", "zebra film was dull", return_tensors="pt")
    at = pair.input_ids[0].tolist().index(tokenizer.mask_token_id)
    with torch.no_grad():
        order = model(**pair).logits[0, at].argsort(descending=True).tolist()
    names = [name for name in tokenizer.convert_ids_to_tokens(order) if name.isalpha()]
    (options,) = tinybert_options(["zebra film was dull"], proposer, VECTORS)
    assert set(dict(options)[(15, 19)]) == set(names[:PROPOSALS])


def test_a_text_gets_the_same_proposals_alone_and_among_others(proposer: Proposer) -> None:
    texts = make_sentences(150, 5)[0]
    together = tinybert_options(texts, proposer, VECTORS)
    for number in (0, 70, 149):
        assert tinybert_options([texts[number]], proposer, VECTORS) == [together[number]]


def test_words_beyond_the_models_positions_are_left_alone(proposer: Proposer) -> None:
    text = " ".join(["film"] * 40)  # the tiny model has 24 positions: room for ten tokens twice
    (options,) = tinybert_options([text], proposer, VECTORS)
    assert len(options) == 10


def test_without_a_model_every_word_gets_neighbours() -> None:
    text = "The film was xyz, Zebra!"
    (options,) = neighbour_options([text], VECTORS)
    assert [text[slice(*span)] for span, _ in options] == ["film", "Zebra"]


def test_each_copy_replaces_four_words_in_ten() -> None:
    text = " ".join(["film"] * 200)
    options = [((5 * i, 5 * i + 4), ("plot",)) for i in range(200)]
    made = replaced_copies(text, options, 50, 1)[1:]
    share = np.mean([copy.split().count("plot") / 200 for copy in made])
    assert share == pytest.approx(REPLACED, abs=0.02)


def test_the_text_comes_first_then_the_copies_that_are_new() -> None:
    text, options = "good film", [((0, 4), ("fine", "great", "lovely")), ((5, 9), ("plot", "tale"))]
    made = replaced_copies(text, options, 200, 1)
    assert made[0] == text and len(made) == len(set(made)) == 4 * 3
    assert replaced_copies(text, options, 3, 1)[1:] and len(replaced_copies(text, options, 3, 1)) <= 4
    assert replaced_copies(text, [], 20, 1) == [text]


def test_copies_depend_on_the_seed_and_the_text_alone() -> None:
    text, options = "good film", [((0, 4), ("fine", "great")), ((5, 9), ("plot", "tale"))]
    assert replaced_copies(text, options, 4, 1) == replaced_copies(text, options, 4, 1)
    assert any(replaced_copies(text, options, 4, 1) != replaced_copies(text, options, 4, s) for s in range(2, 6))


def test_of_a_pair_each_text_is_replaced_beside_the_other_as_it_was(tiny_encoder: Path, tmp_path: Path) -> None:
    rows = [("the good film", "a dull plot"), ("a poor film", "the very plot")]
    vectors = write_vectors(tmp_path / "vectors")
    augment = make_augment(Settings(), rows, open_masked_lm(str(tiny_encoder)), vectors, 1)
    for row, made in zip(rows, augment(rows), strict=True):
        assert made[0] == row
        changed = {(a != row[0], b != row[1]) for a, b in made[1:]}
        assert changed == {(True, False), (False, True)}


def test_rows_all_at_once_and_one_by_one_give_the_same(tiny_encoder: Path, tmp_path: Path) -> None:
    rows = [(text,) for text in make_sentences(40, 2)[0]]
    vectors = write_vectors(tmp_path / "vectors")
    for method in ("tinybert", "words", "bilstm"):
        settings = Settings(method, tags="clusters")
        augment = make_augment(settings, rows, open_masked_lm(str(tiny_encoder)), vectors, 1)
        assert augment(rows) == [augment([row])[0] for row in rows], method
