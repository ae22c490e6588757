"""A cut tokenizer spells text as the old one did, under ids that every file and every reader agrees on."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, processors
from transformers import AutoTokenizer, BertTokenizer
from word_pieces import ROOT, SHARED, SPECIAL, read, save_real, write_tokenizer

from penjing.compress.prune.tokenizer_cut import write_cut_tokenizer
from penjing.compress.prune.vocabulary import VocabularyCut, choose_vocabulary
from penjing.compress.tables import read_table
from penjing.compress.tokens import tokenize
from penjing.runtime.errors import PruningError
from penjing.runtime.tokenizer import TextTokenizer

TEXTS = ("good film good", "a bad plot")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_real(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def real_cut(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[VocabularyCut, Path]:
    """Cut to what the project's own pages use."""
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")]
    cut = choose_vocabulary(real, pages, words=None)
    folder = tmp_path_factory.mktemp("real_cut")
    write_cut_tokenizer(real, folder, cut)
    return cut, folder


def random_texts(pieces: Sequence[str], count: int) -> list[str]:
    """Random Unicode, pieces of the vocabulary glued together, letters of it, and reviews and queries if present."""
    source = random.Random(0)
    planes = ((0x20, 0x7F), (0xA0, 0x250), (0x370, 0x700), (0x900, 0xD7FF), (0xE000, 0xFFFD), (0x1F300, 0x1FAFF))
    letters = [piece for piece in pieces if len(piece) == 1]

    def word() -> str:
        kind = source.randrange(3)
        if kind == 0:
            return "".join(chr(source.randint(*source.choice(planes))) for _ in range(source.randrange(1, 6)))
        if kind == 1:
            return "".join(source.choice(pieces).removeprefix("##") for _ in range(source.randrange(1, 4)))
        return "".join(source.choice(letters) for _ in range(source.randrange(1, 12)))

    texts = [" ".join(word() for _ in range(source.randrange(1, 9))) for _ in range(count * 3 // 4)]
    for name in ("text/amazon_multidomain/kitchen.dev.tsv.gz", "text/atis/dev.tsv"):
        if (SHARED / name).is_file():
            column = "text" if "amazon" in name else "tokens"
            texts += [str(row[column]) for row in read_table(SHARED / name, (column,))]
    return texts[:count]


def test_unseen_text_is_spelt_as_before_and_round_trips(real: Path, real_cut: tuple[VocabularyCut, Path]) -> None:
    old, new = read(real), read(real_cut[1])
    unknown, longer = 0, 0
    for text in random_texts(list(old.get_vocab()), 2000):
        before, after = old.encode(text), new.encode(text)
        assert spans(before) == spans(after)
        assert words_unknown(before) == words_unknown(after)
        assert old.decode(before.ids, skip_special_tokens=False) == new.decode(after.ids, skip_special_tokens=False)
        unknown, longer = unknown + len(words_unknown(before)), longer + len(after.ids) - len(before.ids)
    assert unknown > 100 and longer > 10_000  # the texts are strange enough to show a difference


def spans(encoding: Any) -> dict[int, tuple[int, int]]:
    """Where each word stands in the text, by its tokens' offsets."""
    found: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is not None:
            found[word] = found.get(word, (start, end))[0], end
    return found


def words_unknown(encoding: Any) -> set[int]:
    return {word for word, token in zip(encoding.word_ids, encoding.tokens, strict=True) if token == "[UNK]"}


def test_all_readers_of_the_cut_folder_agree(real: Path, real_cut: tuple[VocabularyCut, Path]) -> None:
    cut, folder = real_cut
    texts = random_texts(list(read(real).get_vocab()), 120)
    ours, device = tokenize(texts, folder, 64), TextTokenizer(folder, 64)
    fast, slow = AutoTokenizer.from_pretrained(str(folder)), BertTokenizer.from_pretrained(str(folder))
    assert fast.is_fast and len(fast) == len(slow) == len(cut.kept)
    assert ours.pad_id == device.pad_id == fast.pad_token_id == slow.pad_token_id == 0
    for i, text in enumerate(texts):
        ids = ours.ids[ours.offsets[i] : ours.offsets[i + 1]].tolist()
        assert device.encode([text]).input_ids[0].tolist() == ids
        assert fast(text, truncation=True, max_length=64)["input_ids"] == ids
        if text.isascii():  # the slow one strips no text of unassigned characters
            assert slow(text, truncation=True, max_length=64)["input_ids"] == ids


def test_every_file_names_the_new_ids(real: Path, real_cut: tuple[VocabularyCut, Path]) -> None:
    cut, folder = real_cut
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    assert tuple(lines[:5]) == SPECIAL  # 0, 100, 101, 102 and 103 before
    raw = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    assert raw["model"]["vocab"] == {piece: i for i, piece in enumerate(lines)} and len(lines) == len(cut.kept)
    assert {token["content"]: token["id"] for token in raw["added_tokens"]} == dict(zip(SPECIAL, range(5), strict=True))
    assert raw["post_processor"]["special_tokens"]["[SEP]"]["ids"] == [3]
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert {int(i): token["content"] for i, token in config["added_tokens_decoder"].items()} == dict(enumerate(SPECIAL))
    old = json.loads((real / "tokenizer.json").read_text(encoding="utf-8"))
    for kept in ("truncation", "padding", "normalizer", "pre_tokenizer", "decoder"):
        assert raw[kept] == old[kept], kept
    names = "special_tokens_map.json"
    assert (folder / names).read_bytes() == (real / names).read_bytes()


def test_equal_texts_give_equal_bytes(tiny_encoder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_cut_tokenizer(tiny_encoder, tmp_path / name, choose_vocabulary(tiny_encoder, TEXTS, words=None))
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    assert len(list((tmp_path / "one").iterdir())) == 4


def template() -> Any:
    return processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 8), ("[SEP]", 9)])


@pytest.mark.parametrize(
    "processor",
    [
        template,
        lambda: processors.BertProcessing(("[SEP]", 9), ("[CLS]", 8)),
        lambda: processors.Sequence([template()]),
    ],
    ids=["template", "bert", "sequence"],
)
def test_special_tokens_behind_the_words_move_in_every_post_processor(
    processor: Callable[[], Any], tmp_path: Path
) -> None:
    pieces = ["ab", "ba", "a", "##a", "b", "##b", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    source, target = write_tokenizer(tmp_path / "old", pieces, processor=processor()), tmp_path / "new"
    with_padding = Tokenizer.from_file(str(source / "tokenizer.json"))
    with_padding.enable_padding(pad_id=6, length=6)
    with_padding.add_tokens(["<user>"])
    with_padding.save(str(source / "tokenizer.json"))
    write_cut_tokenizer(source, target, choose_vocabulary(source, ["ab"], words=None))
    kept = ["ab", *pieces[2:], "<user>"]
    assert (target / "vocab.txt").read_text().split() == kept
    encoding = Tokenizer.from_file(str(target / "tokenizer.json")).encode("ab<user>")
    assert encoding.tokens == ["[CLS]", "ab", "<user>", "[SEP]", "[PAD]", "[PAD]"]
    assert encoding.ids == [kept.index(token) for token in encoding.tokens]


def test_a_cut_fits_once(tiny_encoder: Path, tmp_path: Path) -> None:
    cut = choose_vocabulary(tiny_encoder, TEXTS, words=None)
    write_cut_tokenizer(tiny_encoder, tmp_path, cut)
    with pytest.raises(PruningError, match=r"of a vocabulary of 70 ids, .* has 61: it has been cut already"):
        write_cut_tokenizer(tmp_path, tmp_path / "again", cut)


def test_a_cut_without_a_token_that_must_stay_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    cut = choose_vocabulary(tiny_encoder, TEXTS, words=None)
    with pytest.raises(PruningError, match=r"leaves out 2 tokens that must stay, such as '\[SEP\]'"):
        write_cut_tokenizer(tiny_encoder, tmp_path, VocabularyCut(tuple(sorted({*cut.kept} - {3, 69})), 70))


def test_files_that_disagree_about_special_tokens_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    cut = choose_vocabulary(tiny_encoder, TEXTS, words=None)
    old = Path(shutil.copytree(tiny_encoder, tmp_path / "old"))
    config = json.loads((old / "tokenizer_config.json").read_text(encoding="utf-8"))
    for wrong in ("6", "70"):  # "fine", which is cut, and an id that is nobody's
        config["added_tokens_decoder"] = {wrong: {"content": "[SEP]"}}
        (old / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
        with pytest.raises(PruningError, match=rf"names the id {wrong}, which is not among the tokens kept"):
            write_cut_tokenizer(old, tmp_path / "new", cut)


def test_an_added_token_that_shares_an_id_is_refused(tmp_path: Path) -> None:
    # The library gives "<user>" the number of pieces as its id; where a number is left out, that is a piece's id too.
    pieces = {piece: i + (i > 6) for i, piece in enumerate((*SPECIAL, "a", "b", "##a", "##b", "ab", "ba"))}
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.add_tokens(["<user>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert tokenizer.token_to_id("<user>") == tokenizer.token_to_id("ba")
    with pytest.raises(PruningError, match=r"would not keep its row: .* two tokens share an id"):
        write_cut_tokenizer(tmp_path, tmp_path / "new", choose_vocabulary(tmp_path, ["ab", "ba"], words=None))
