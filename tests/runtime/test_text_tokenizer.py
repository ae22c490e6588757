"""Our ids are those of transformers' tokenizer, whatever the text and however long it is."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bundle import MAX_LENGTH, TEXTS
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from transformers import BertTokenizerFast

from penjing.runtime import tokenizer as tokenizer_module
from penjing.runtime.errors import BundleError, DataError
from penjing.runtime.tokenizer import TextTokenizer

NASTY = (
    *TEXTS,
    "GOOD Film",
    "😀 film 😀😀",
    "👩‍👩‍👧‍👦 \U0001f3f4\U000e0067",  # joiners and tags
    "電影 good電影bad",
    "かカ\u3099 한국어 \u1112\u1161\u11ab",  # composed and conjoining
    "cafe\u0301 café",  # the same word twice
    "\u0301good \u0336b\u0336a\u0336d",
    "go\u200bod go\u00adod \ufeffbad \ufffd",
    "a\x00b\x07c\x1cd\x85e\u2028f",
    "tab\tline\nreturn\r\nnbsp\u00a0wide\u3000",
    "x" * 99,
    "x" * 100,
    "x" * 101,
    "good" * 60 + " bad",
    "[SEP] [MASK]good[PAD] [CLS",
    "...!!!???'''",
    "İSTANBUL ΟΔΟΣ ﬁlm ①②",
    "שלום عليكم",
    "\u200b",
)


@pytest.fixture(scope="module")
def ours(tiny_bundle: Path) -> TextTokenizer:
    return TextTokenizer(tiny_bundle, MAX_LENGTH)


@pytest.fixture(scope="module")
def reference(tiny_bundle: Path) -> Any:
    return BertTokenizerFast.from_pretrained(str(tiny_bundle))


@pytest.mark.parametrize("text", NASTY)
def test_one_text_has_the_ids_of_transformers(text: str, ours: TextTokenizer, reference: Any) -> None:
    expected = reference([text], truncation=True, max_length=MAX_LENGTH, return_tensors="np")
    encoded = ours.encode([text])
    for name, values in encoded.inputs.items():
        assert values.dtype == np.int64
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    assert encoded.truncated == (len(reference(text)["input_ids"]) > MAX_LENGTH,)


def test_a_batch_is_padded_as_transformers_pads_it(ours: TextTokenizer, reference: Any) -> None:
    expected = reference(list(NASTY), truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="np")
    for name, values in ours.encode(NASTY).inputs.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_a_worked_example(ours: TextTokenizer, reference: Any) -> None:
    encoded = ours.encode(["a good film!", "bad"])
    words = [reference.convert_ids_to_tokens(row) for row in encoded.input_ids]
    assert words[0] == ["[CLS]", "a", "good", "film", "!", "[SEP]"]
    assert words[1] == ["[CLS]", "bad", "[SEP]", "[PAD]", "[PAD]", "[PAD]"]
    assert encoded.attention_mask.tolist() == [[1] * 6, [1, 1, 1, 0, 0, 0]]


def test_the_files_own_truncation_and_padding_do_not_matter(tiny_bundle: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tiny_bundle / "tokenizer.json"))
    tokenizer.enable_truncation(5, direction="left")
    tokenizer.enable_padding(length=40, pad_id=3)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    other = TextTokenizer(tmp_path, MAX_LENGTH)
    plain = TextTokenizer(tiny_bundle, MAX_LENGTH)
    assert other.pad_id == 3
    np.testing.assert_array_equal(other.encode(["a good film"]).input_ids, plain.encode(["a good film"]).input_ids)


def whole(tokenizer: TextTokenizer, text: str) -> tuple[list[int], bool]:
    """Ids by way of the whole text."""
    encoding = tokenizer._tokenizer.encode(text)
    return encoding.ids, bool(encoding.overflowing)


def random_text(source: random.Random, pieces: tuple[str, ...]) -> str:
    return "".join(source.choice(pieces) for _ in range(source.randrange(1, 400)))


PIECES = (*NASTY, " ", " ", " ", "\n", "\t", "  \n ", "\u00a0", "good", "[SEP", "SEP]", "\u0301", "x" * 40)


@pytest.mark.parametrize("characters", [1, 3, 16])
def test_a_long_text_has_the_ids_of_the_whole_text(
    characters: int, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fewer characters a token, the nearer the cut text's end to the last token that is kept.
    monkeypatch.setattr(tokenizer_module, "_FIRST_PREFIX", characters)
    tokenizer = TextTokenizer(tiny_bundle, 6)
    source = random.Random(0)
    texts = [random_text(source, PIECES) for _ in range(300)]
    texts += [" " * 5000 + "good", "\x00" * 5000 + " bad", "x" * 5000, "a " + "x" * 5000 + " bad", "good " * 1000]
    for text in texts:
        encoded = tokenizer.encode([text])
        assert (encoded.input_ids[0].tolist(), encoded.truncated[0]) == whole(tokenizer, text)


class Recorder:
    """Passes texts on and keeps the longest length."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer, self.longest = tokenizer, 0

    def encode(self, text: str) -> Any:
        self.longest = max(self.longest, len(text))
        return self.tokenizer.encode(text)


def test_of_a_megabyte_only_the_beginning_is_tokenized(tiny_bundle: Path) -> None:
    tokenizer = TextTokenizer(tiny_bundle, MAX_LENGTH)
    text = "a very good film\n" * 62_000
    ids, truncated = whole(tokenizer, text)
    recorder = Recorder(tokenizer._tokenizer)
    tokenizer._tokenizer = recorder
    encoded = tokenizer.encode([text])
    assert (encoded.input_ids[0].tolist(), encoded.truncated) == (ids, (True,)) and truncated
    assert recorder.longest <= 16 * MAX_LENGTH


def test_an_added_token_with_a_space_keeps_its_ids_in_a_long_text(tiny_bundle: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tiny_bundle / "tokenizer.json"))
    tokenizer.add_tokens([AddedToken("good film " * 6, normalized=False)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours = TextTokenizer(tmp_path, 6)
    for start in range(20):
        text = "x" * start + " " + "good film " * 400
        assert (ours.encode([text]).input_ids[0].tolist(), True) == whole(ours, text)


def test_a_byte_level_tokenizer_keeps_its_ids_in_a_long_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_module, "_FIRST_PREFIX", 3)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [*TEXTS, "a     b" * 9], trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours, source = TextTokenizer(tmp_path, 6), random.Random(1)
    for text in (random_text(source, ("a", "good", *" " * 9)) for _ in range(300)):
        encoded = ours.encode([text])
        assert (encoded.input_ids[0].tolist(), encoded.truncated[0]) == whole(ours, text)


def test_half_a_surrogate_pair_is_an_error_that_names_the_text(ours: TextTokenizer) -> None:
    with pytest.raises(DataError, match=r"'good \\ud83d' holds half a surrogate pair"):
        ours.encode(["good \ud83d"])


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe", b'{"model": {"type": "Unheard"}}'])
def test_a_missing_or_broken_file_is_an_error_in_one_line(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"tokenizer\.json cannot be read as a tokenizer") as caught:
        TextTokenizer(tmp_path, MAX_LENGTH)
    assert "\n" not in str(caught.value)
