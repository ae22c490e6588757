"""The chosen words are those the text needs, and nothing that could be spelt becomes [UNK]."""

from __future__ import annotations

import random
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from tiny import WORDS
from tokenizers import Tokenizer, models
from word_pieces import SHARED, SPECIAL, read, save_real, tokens, write_tokenizer

from penjing.compress.prune.tokenizer_cut import write_cut_tokenizer
from penjing.compress.prune.vocabulary import (
    VocabularyCut,
    choose_vocabulary,
    must_stay,
    new_ids,
    open_word_piece,
    unchanged,
)
from penjing.compress.tokens import tokenize
from penjing.runtime.errors import PruningError

STAYING = len(SPECIAL) + 2 * 26
"""What must stay of the tiny encoder's 70 tokens; beside it are 13 longer words."""
TEXTS = ("good film good", "bad film good", "a bad plot")
ALL = 10_000
SEEDS = range(24, 38)
"""With 25 and 35, keeping no more than the pieces that lack a form would lose words."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_real(tmp_path_factory.mktemp("real"))


def test_a_worked_example(tiny_encoder: Path, tmp_path: Path) -> None:
    cut = choose_vocabulary(tiny_encoder, TEXTS, words=STAYING + 2)  # good 3 times, film and bad twice, plot once
    letters_from = len(SPECIAL) + len(WORDS)
    assert cut.kept == (0, 1, 2, 3, 4, 5, 9, 16, *range(letters_from, 70)) and cut.old_size == 70
    write_cut_tokenizer(tiny_encoder, tmp_path, cut)
    assert (tmp_path / "vocab.txt").read_text().split()[:9] == [*SPECIAL, "good", "bad", "a", "b"]
    assert tokens(tmp_path, "a bad film") == ["a", "bad", "f", "##i", "##l", "##m"]
    f, inside = 8 + "bcdef".index("f"), 8 + 25  # "b" to "z" follow "a", then "##a" to "##z"
    film = [f, *(inside + ord(letter) - ord("a") for letter in "ilm")]
    np.testing.assert_array_equal(tokenize(["a bad film"], tmp_path, ALL).ids, [2, 7, 6, *film, 3])


def test_of_equally_frequent_words_those_with_smaller_ids_stay(tiny_encoder: Path) -> None:
    good, bad, film, plot = (5 + WORDS.index(word) for word in ("good", "bad", "film", "plot"))
    chosen = [set(choose_vocabulary(tiny_encoder, TEXTS, words=STAYING + n).kept) for n in range(5)]
    grown = [now - before for before, now in pairwise(chosen)]
    assert grown == [{good}, {bad}, {film}, {plot}]
    assert choose_vocabulary(tiny_encoder, TEXTS[::-1], words=STAYING + 2).kept == tuple(sorted(chosen[2]))


def test_texts_that_keep_their_tokens_take_the_place_of_frequent_words(tiny_encoder: Path, tmp_path: Path) -> None:
    rare = "a plot"
    cut = choose_vocabulary(tiny_encoder, TEXTS, words=STAYING + 2, unchanged_texts=[rare])
    write_cut_tokenizer(tiny_encoder, tmp_path, cut)
    assert len(cut.kept) == STAYING + 2
    assert tokens(tmp_path, rare) == ["a", "plot"]
    assert tokens(tmp_path, "bad good") == ["b", "##a", "##d", "good"]
    assert choose_vocabulary(tiny_encoder, TEXTS, words=70, unchanged_texts=TEXTS) == choose_vocabulary(
        tiny_encoder, TEXTS, words=None
    )


def test_texts_whose_tokens_do_not_fit_or_are_none_are_refused(tiny_encoder: Path) -> None:
    with pytest.raises(PruningError, match=f"{STAYING + 4} must stay .* ask for {STAYING + 4} to 70"):
        choose_vocabulary(tiny_encoder, TEXTS, words=STAYING + 3, unchanged_texts=TEXTS)
    with pytest.raises(PruningError, match=r"the texts given \(1\) use no word .* name a file with text of the task"):
        choose_vocabulary(tiny_encoder, TEXTS, words=70, unchanged_texts=["b c"])


def test_words_that_are_used_too_seldom_go(tiny_encoder: Path) -> None:
    often = choose_vocabulary(tiny_encoder, TEXTS, words=None, smallest_count=2)
    assert len(often.kept) == STAYING + 3
    assert choose_vocabulary(tiny_encoder, TEXTS, words=70, smallest_count=2) == often


def test_a_text_beyond_the_files_truncation_counts(real: Path) -> None:
    assert Tokenizer.from_file(str(real / "tokenizer.json")).truncation["max_length"] == 128
    cut = choose_vocabulary(real, ["the " * 200 + "penjing bonsai"], words=None)
    assert open_word_piece(real).token_to_id("bon") in cut.kept


def test_new_ids_undo_kept(tiny_encoder: Path) -> None:
    cut = choose_vocabulary(tiny_encoder, TEXTS, words=None)
    ids = new_ids(cut)
    np.testing.assert_array_equal(ids[list(cut.kept)], np.arange(len(cut.kept)))
    assert ids.shape == (70,) and (ids == -1).sum() == 70 - len(cut.kept)


def test_the_texts_that_chose_the_words_keep_their_tokens(tiny_encoder: Path, tmp_path: Path) -> None:
    cut = choose_vocabulary(tiny_encoder, TEXTS, words=None)
    write_cut_tokenizer(tiny_encoder, tmp_path, cut)
    old, new = (tokenize(TEXTS, folder, ALL) for folder in (tiny_encoder, tmp_path))
    np.testing.assert_array_equal(new.ids, new_ids(cut)[old.ids])
    np.testing.assert_array_equal(new.offsets, old.offsets)
    assert unchanged(cut, old, new).all() and new.pad_id == new_ids(cut)[old.pad_id]


def test_only_texts_whose_words_all_stay_are_unchanged(tiny_encoder: Path, tmp_path: Path) -> None:
    cut = choose_vocabulary(tiny_encoder, TEXTS, words=STAYING + 2)
    write_cut_tokenizer(tiny_encoder, tmp_path, cut)
    texts = ["good", "a good a bad", "film", "bad xyz", "good plot", ""]
    old, new = (tokenize(texts, folder, ALL) for folder in (tiny_encoder, tmp_path))
    assert unchanged(cut, old, new).tolist() == [True, True, False, True, False, True]
    short_old, short_new = (tokenize(["good film", "film film"], folder, 3) for folder in (tiny_encoder, tmp_path))
    assert short_old.lengths.tolist() == short_new.lengths.tolist() == [3, 3]  # [CLS], one token, [SEP]
    assert unchanged(cut, short_old, short_new).tolist() == [True, False]


def test_the_published_vocabulary_keeps_all_its_characters_and_nothing_else(real: Path) -> None:
    lines = (real / "vocab.txt").read_text(encoding="utf-8").split("\n")
    single = {i for i, piece in enumerate(lines) if len(piece) == 1 or (len(piece) == 3 and piece.startswith("##"))}
    special = {lines.index(name) for name in SPECIAL}
    staying = must_stay(open_word_piece(real))
    assert staying == single | special and len(staying) == 2 * 997 + 5


@pytest.mark.parametrize(("name", "count"), [("uncased", 2 * 997 + 5), ("chinese", 2 * 8000 + 5)])
def test_published_vocabularies_hold_both_forms_of_every_character(name: str, count: int, tmp_path: Path) -> None:
    path = SHARED / "vocab" / f"vocab_bert_base_{name}" / "vocab.txt"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    write_tokenizer(tmp_path, path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    assert len(must_stay(open_word_piece(tmp_path))) == count


def test_where_a_character_has_no_form_of_its_own_its_neighbours_stay(tmp_path: Path) -> None:
    # "c" stands only inside "##ac". Without "xy", "xyac" would be "x", "##ya" and a "c" that nothing spells.
    letters = sorted("xyatil")
    pieces = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), "xy", "##ac", "##ya", "lil", "till"]
    source, target = write_tokenizer(tmp_path / "old", pieces), tmp_path / "new"
    cut = choose_vocabulary(source, ["till"], words=None)
    assert {pieces[i] for i in range(len(pieces)) if i not in cut.kept} == {"lil"}
    write_cut_tokenizer(source, target, cut)
    assert tokens(source, "xyac lil") == ["xy", "##ac", "lil"]
    assert tokens(target, "xyac lil") == ["xy", "##ac", "l", "##i", "##l"]


def test_a_piece_that_no_text_can_use_binds_nothing(tmp_path: Path) -> None:
    # Punctuation is split off, so "[unused1]" is never matched, and "]" inside a word is never needed.
    letters = sorted(set("unsedgo1"))
    pieces = [*SPECIAL, "[unused1]", "[", "]", *letters, *(f"##{c}" for c in letters), "good", "dog"]
    cut = choose_vocabulary(write_tokenizer(tmp_path, pieces), ["good"], words=None)
    assert {pieces[i] for i in range(len(pieces)) if i not in cut.kept} == {"[unused1]", "dog"}


def test_no_word_becomes_unknown_whatever_the_vocabulary_lacks(tmp_path: Path) -> None:
    words = ["".join(letters) for n in range(1, 6) for letters in product("abcd", repeat=n)]
    fewer = 0
    for seed in SEEDS:
        source = random.Random(seed)
        pieces = random_pieces(source)
        old, new = write_tokenizer(tmp_path / "old", pieces), tmp_path / "new"
        rest = (i for i in range(len(pieces)) if source.random() < 0.5)
        cut = VocabularyCut(tuple(sorted(must_stay(open_word_piece(old)).union(rest))), len(pieces))
        write_cut_tokenizer(old, new, cut)
        lost = spelt(old, words) - spelt(new, words)
        assert not lost, (seed, sorted(lost)[:3])
        fewer += len(cut.kept) < cut.old_size
    assert fewer > len(SEEDS) // 3  # the others are so tangled that nothing can go


def random_pieces(source: random.Random) -> list[str]:
    """Pieces over two pairs of letters that seldom meet, with some of the single forms missing."""
    forms = [form for letter in "abcd" for form in (letter, f"##{letter}") if source.random() < 0.85]
    pairs = ("ab", "cd", source.choice(("abcd", "ab", "cd")))
    longer = {
        source.choice(("", "##")) + "".join(source.choice(pair) for _ in range(source.randrange(2, 4)))
        for pair in pairs
        for _ in range(4)
    }
    return [*SPECIAL, *forms, *sorted(longer)]


def spelt(folder: Path, words: list[str]) -> set[str]:
    encodings = read(folder).encode_batch(words)
    return {word for word, encoding in zip(words, encodings, strict=True) if "[UNK]" not in encoding.tokens}


def test_the_words_asked_for_must_be_possible(tiny_encoder: Path) -> None:
    for words in (0, STAYING - 1, 71):
        with pytest.raises(PruningError, match=rf"of {words} words .* it has 70, of which 57 must stay .* 57 to 70"):
            choose_vocabulary(tiny_encoder, TEXTS, words=words)
    assert len(choose_vocabulary(tiny_encoder, TEXTS, words=STAYING).kept) == STAYING
    assert len(choose_vocabulary(tiny_encoder, TEXTS, words=70).kept) == STAYING + 4  # "up to": four are in use


@pytest.mark.parametrize("texts", [[], [""], ["電影 很好", "12 345"], ["x y z", "[MASK]"]])
def test_texts_without_a_word_of_the_vocabulary_are_refused(texts: list[str], tiny_encoder: Path) -> None:
    with pytest.raises(PruningError, match=rf"the texts given \({len(texts)}\) use no word of .*: name a file"):
        choose_vocabulary(tiny_encoder, texts, words=None)


def test_a_count_that_no_word_reaches_is_refused(tiny_encoder: Path) -> None:
    with pytest.raises(PruningError, match=r"no word is used smallest_count = 4 times .* 3 times: lower it to 3"):
        choose_vocabulary(tiny_encoder, TEXTS, words=None, smallest_count=4)
    with pytest.raises(PruningError, match=r"smallest_count is 0, allowed is 1 or more"):
        choose_vocabulary(tiny_encoder, TEXTS, words=None, smallest_count=0)


@pytest.mark.parametrize("model", [models.BPE(), models.Unigram(), models.WordLevel({"good": 0}, "good")])
def test_only_word_pieces_can_be_cut(model: models.Model, tmp_path: Path) -> None:
    Tokenizer(model).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(PruningError, match=rf"is a {type(model).__name__} tokenizer; .* WordPiece one can be cut"):
        choose_vocabulary(tmp_path, TEXTS, words=None)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe"])
def test_a_missing_or_broken_tokenizer_is_an_error_in_one_line(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(PruningError, match=r"tokenizer\.json cannot be read as a tokenizer") as caught:
        choose_vocabulary(tmp_path, TEXTS, words=None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [(), (0, 2, 1), (0, 0), (-1, 3), (0, 70)])
def test_a_cut_edited_into_nonsense_is_refused(kept: tuple[int, ...]) -> None:
    with pytest.raises(PruningError, match=r"kept ids must be ascending numbers from 0 to 69"):
        VocabularyCut(kept, 70)
