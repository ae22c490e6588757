"""Chinese from file to bundle to answers: no spaces between words, one sign a token, places in characters."""

# ruff: noqa: RUF001  Chinese punctuation is meant.

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import penjing_command
from tiny import write_encoder
from tiny_recipe import tiny_recipe
from word_pieces import SHARED, write_tokenizer

from penjing.compress.augment.words import is_replaceable
from penjing.compress.corpus import read_corpus
from penjing.compress.data import load_data
from penjing.compress.sentences import count_words, join_words, split_sentences
from penjing.compress.tasks import task_named
from penjing.pipeline.corpus_section import Corpus
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import run_in
from penjing.pipeline.sections import Data
from penjing.pipeline.terminal import print_table
from penjing.pipeline.workspace import Workspace
from penjing.runtime import Spans, load
from penjing.runtime.bundle import open_bundle
from penjing.runtime.goldens import read_goldens, replay
from penjing.runtime.predictor import Predictor
from penjing.runtime.spans import spans_of, tags_in
from penjing.runtime.tokenizer import TextTokenizer

GOOD, BAD, REST = "好棒妙美", "差烂坏丑", "这部电影的故事音乐人物很也"
PLACES = ("北京", "上海", "东京", "香港")
SIGNS = GOOD + BAD + REST + "他去在年。，1234567890" + "".join(PLACES)


def make_review(source: random.Random) -> tuple[str, str]:
    """A text without spaces, and the label that one sign decides."""
    good = source.random() < 0.5
    signs = source.choices(REST, k=source.randrange(3, 10))
    signs.insert(source.randrange(len(signs)), source.choice(GOOD if good else BAD))
    return "".join(signs) + "。", "正面" if good else "负面"


def make_tagged(source: random.Random) -> list[tuple[str, str]]:
    """Signs and their tags, as in the corpora: of places, and of a number whose digits are apart."""
    signs = [(sign, "O") for sign in source.choices(REST, k=source.randrange(2, 6))]
    if source.random() < 0.5:
        signs += [(sign, "O") for sign in f"{source.randrange(1900, 2000)}年"]
    place = source.choice(PLACES)
    at = source.randrange(3)
    signs[at:at] = [(place[0], "B-LOC"), (place[1], "I-LOC")]
    return [*signs, ("。", "O")]


def chinese_recipe(folder: Path) -> dict[str, Any]:
    raw = tiny_recipe(folder)
    write_encoder(folder / "encoder", list(dict.fromkeys([*SIGNS, *(f"##{digit}" for digit in "0123456789")])))
    raw["export"] = {"sequence_lengths": [24], "metadata": False}
    raw["task"]["max_length"] = 24
    raw["limits"] = {"flips": 0.3, "metric_drop": 0.2}
    return raw


def reviews(folder: Path) -> dict[str, Any]:
    raw = chinese_recipe(folder)
    raw["task"]["labels"] = ["负面", "正面"]
    raw["teacher"].update(epochs=6)
    raw["distill"].update(epochs=4)
    for name, count, seed in (("train", 240, 1), ("validation", 80, 2)):
        source = random.Random(seed)
        lines = ["text\tlabel", *("\t".join(make_review(source)) for _ in range(count))]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return raw


def places(folder: Path) -> dict[str, Any]:
    raw = chinese_recipe(folder)
    raw["task"] = {"kind": "token-classification", "labels": ["LOC"], "max_length": 24}
    raw["export"]["formats"] = ["onnx"]  # the tokenizer finds the places
    for name, count, seed in (("train", 240, 1), ("validation", 60, 2)):
        source = random.Random(seed)
        sentences = ["\n".join(" ".join(row) for row in make_tagged(source)) for _ in range(count)]
        (folder / f"{name}.txt").write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
        raw["data"][name] = str(folder / f"{name}.txt")
    raw["teacher"].update(epochs=5)
    raw["distill"].update(transfer_epochs=2, epochs=2)
    return raw


def bundle_of(tmp_path_factory: pytest.TempPathFactory, make: Callable[[Path], Any]) -> Path:
    folder = tmp_path_factory.mktemp("chinese")
    return run_in(check_recipe(make(folder), "test"), Workspace(folder / "out"), timed=False)


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_of(tmp_path_factory, reviews)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_of(tmp_path_factory, places)


def test_a_text_is_told_by_one_sign_on_both_engines(
    moods: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = random.Random(7)
    asked = dict(make_review(source) for _ in range(40))
    (tmp_path / "asked.txt").write_text("\n".join(asked) + "\n", encoding="utf-8")
    for engine in ("onnx", "tflite"):
        for precision in ("fp32", "int8"):
            arguments = ("--file", str(tmp_path / "asked.txt"), "--engine", engine, "--precision", precision, "--json")
            assert penjing_command("predict", str(moods), *arguments) == 0
            rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
            assert sum(asked[row["text"]] == row["label"] for row in rows) >= 0.9 * len(asked) == 0.9 * len(rows)


def test_goldens_hold_chinese_as_it_is_and_every_file_keeps_them(moods: Path, names: Path) -> None:
    for bundle in (moods, names):
        texts = [golden.text for golden in read_goldens(bundle)]
        assert sum(text.endswith("。") and " " not in text for text in texts) > 5
        whole = open_bundle(bundle)
        for file in whole.model_files:
            report = replay(whole, file)
            assert (report.flips, report.token_differences) == (0, 0) and report.n > 5
    labels = json.loads((moods / "config.json").read_text(encoding="utf-8"))["id2label"]
    assert labels == {"0": "负面", "1": "正面"}


def test_spans_have_their_places_in_characters_without_any_space(names: Path) -> None:
    text = "北京的人物很1998年。"
    whole = open_bundle(names)
    for file in whole.model_files:
        entry = whole.manifest.files[file]
        predictor = load(names, entry.format, entry.precision)
        assert isinstance(predictor, Predictor)
        answer, other = predictor.predict_many([text, "这部上海故事"])
        assert isinstance(answer, Spans) and isinstance(other, Spans)
        assert [(span.label, span.start, span.end, span.text) for span in answer.spans] == [("LOC", 0, 2, "北京")]
        assert [(span.start, span.end, span.text) for span in other.spans] == [(2, 4, "上海")]


def test_augmentation_changes_signs_and_puts_no_space_between_them(tmp_path: Path) -> None:
    reviews(tmp_path)
    vectors = tmp_path / "vectors.txt"
    numbers = np.random.default_rng(0).normal(size=(len(SIGNS), 8))
    lines = [f"{sign} {' '.join(f'{x:.3f}' for x in row)}" for sign, row in zip(SIGNS, numbers, strict=True)]
    vectors.write_text("\n".join(dict.fromkeys(lines)) + "\n", encoding="utf-8")
    for method in ("bilstm", "words"):
        tags = ("--tags", "clusters") if method == "bilstm" else ()
        out = tmp_path / f"{method}.tsv"
        arguments = ("augment", str(tmp_path / "train.tsv"), "--to", str(out), "--method", method, *tags)
        assert penjing_command(*arguments, "--vectors", str(vectors), "--copies", "4", "--label", "label") == 0
        header, *rows = [line.split("\t") for line in out.read_text(encoding="utf-8").splitlines()]
        assert header == ["text", "label"] and len(rows) > 600
        signs = {sign for text, _ in rows for sign in text.replace("[MASK]", "")}
        assert " " not in signs and signs <= set(SIGNS)


def test_a_table_on_a_terminal_counts_a_sign_as_two_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(("label", "text"), [("正面", "好"), ("good", "x")])
    assert capsys.readouterr().out.splitlines() == ["label  text", "正面   好", "good   x"]


def test_what_turns_a_chinese_sentence_round_is_never_replaced() -> None:
    assert not any(is_replaceable(sign) for sign in "不没无的了")
    assert all(is_replaceable(sign) for sign in "好电影北")


def test_chinese_paragraphs_are_split_into_sentences_of_some_signs(tmp_path: Path) -> None:
    assert split_sentences("他没有来。“为什么？”她问！好。It was late. No!") == [
        "他没有来。", "“为什么？”", "她问！", "It was late."
    ]  # fmt: skip
    assert split_sentences("太好了。。。。。。真的很好") == ["太好了。。。。。。", "真的很好"]
    assert split_sentences("长" * 61 + "。" + "长" * 59 + "。") == ["长" * 59 + "。"]
    assert [count_words(text) for text in ("It's late, Tom.", "我爱北京", "我有2 apples")] == [3, 4, 4]
    (tmp_path / "x.txt").write_text("今天天气很好。我们去公园！\n", encoding="utf-8")
    found = read_corpus(Corpus(file="x.txt", sentences=True), 1, lambda file: tmp_path / file)
    assert found == [("今天天气很好。",), ("我们去公园！",)]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("他 在 1 9 9 8 年 。", "他在1998年。"),
        ("我 爱 New York 和 北京", "我爱New York和北京"),
        ("I B M 公 司", "IBM公司"),
        ("he was in 19 98 , a b", "he was in 19 98 , a b"),
        ("他 说 “ 好 ” ， iPhone 4 S", "他说“好”，iPhone 4S"),
    ],
)
def test_words_are_joined_as_their_language_is_written(words: str, text: str) -> None:
    joined, ends = join_words(words.split())
    assert joined == text and [joined[start:end] for start, end in ends] == words.split()


def shared(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not here")
    return path


def test_real_names_come_back_from_berts_own_signs(tmp_path: Path) -> None:
    """The People's Daily corpus with the vocabulary of bert-base-chinese: spans to tags of tokens and back."""
    file = shared("text", "zh_msra_ner", "dev.txt.xz")
    vocabulary = shared("vocab", "vocab_bert_base_chinese", "vocab.txt").read_text(encoding="utf-8").split("\n")
    section = Data(train=str(file), validation=str(file), limit=1500)
    data = load_data(section, ("PER", "LOC", "ORG"), Path, task_named("token-classification")).train
    assert not any(" " in text for text in data.texts)
    folder = write_tokenizer(tmp_path, [piece for piece in vocabulary if piece])
    found = TextTokenizer(folder, 512).encode(data.texts, words=True).words
    whole = 0
    for gold, words in zip(data.labels, found, strict=True):
        ends = [(start, end) for _, start, end in words]
        whole += spans_of(tags_in(gold, ends), ends) == gold
    assert whole >= 0.99 * len(data.texts)


def test_real_reviews_hold_many_sentences() -> None:
    file = shared("text", "zh_chnsenticorp", "dev.tsv")
    found = read_corpus(Corpus(file=str(file), column="text", sentences=True), 1, Path)
    assert len(found) > 3000 and max(count_words(text) for (text,) in found) <= 60
