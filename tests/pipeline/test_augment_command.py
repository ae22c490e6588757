"""`penjing augment` from table to table, and the stage in a recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import penjing_command, refusal
from tiny import WORDS, write_encoder, write_table

from penjing.compress.data import Split
from penjing.pipeline.augmentation_section import Augmentation
from penjing.pipeline.augmented import augment_corpus, augment_rows
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.sections import Recipe
from penjing.pipeline.text_files import read_rows, write_rows, write_split
from penjing.pipeline.workspace import Workspace

CORPUS = "corpus.jsonl"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 40 rows, an encoder without a masked-LM head, and word vectors."""
    folder = tmp_path_factory.mktemp("augment")
    write_encoder(folder / "encoder")
    write_table(folder / "train.tsv", 40, 1)
    vectors = folder / "vectors"
    vectors.mkdir()
    (vectors / "words.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    np.save(vectors / "vectors.npy", np.random.default_rng(0).normal(size=(len(WORDS), 8)).astype(np.float32))
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def asked(place: Path, target: Path, *more: str) -> tuple[str, ...]:
    model = ("--model", str(place / "encoder"), "--vectors", str(place / "vectors"), "--head-steps", "5")
    copies = () if "--copies" in more else ("--copies", "3")
    return ("augment", str(place / "train.tsv"), "--to", str(target), *model, *copies, *more)


def lines(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def made(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `cache` and what the command wrote with it, `out.tsv`."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENJING_CACHE", str(folder / "cache"))
        assert penjing_command(*asked(place, folder / "out.tsv", "--label", "label")) == 0
    return folder


def test_every_row_is_kept_and_followed_by_its_copies_with_its_label(place: Path, made: Path) -> None:
    header, *rows = lines(made / "out.tsv")
    old = lines(place / "train.tsv")
    assert header == old[0] == ["text", "label"]
    starts: list[int] = []
    for row in old[1:]:  # in order, each with at most three copies of the same label
        starts.append(rows.index(row, starts[-1] + 1 if starts else 0))
    assert len(rows) > 2 * len(old)
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        assert 1 <= stop - start <= 4 and len({row[1] for row in rows[start:stop]}) == 1


def test_the_head_is_trained_once_and_again_gives_the_same_bytes_elsewhere(
    place: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (head,) = (made / "cache" / "augment").glob("masked-lm-*")
    trained = (head / "model.safetensors").stat().st_mtime_ns
    monkeypatch.setenv("PENJING_CACHE", str(made / "cache"))
    assert penjing_command(*asked(place, tmp_path / "two.tsv", "--copies", "2")) == 0
    assert (head / "model.safetensors").stat().st_mtime_ns == trained
    assert len(list(head.parent.glob("masked-lm-*"))) == 1
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path / "other"))
    assert penjing_command(*asked(place, tmp_path / "again.tsv", "--label", "label")) == 0
    assert (tmp_path / "again.tsv").read_bytes() == (made / "out.tsv").read_bytes()


def test_pairs_and_plain_text_go_through_the_other_methods(place: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text('a,b\n"good film","bad, dull plot"\n"poor film","great plot"\n', encoding="utf-8")
    near = ("--vectors", str(place / "vectors"), "--copies", "4")
    arguments = ("augment", str(pairs), "--to", str(tmp_path / "out.tsv"), "--column", "a", "--second", "b", *near)
    assert penjing_command(*arguments, "--method", "words") == 0
    header, *rows = lines(tmp_path / "out.tsv")
    assert header == ["a", "b"] and rows[0] == ["good film", "bad, dull plot"]
    first = rows[1 : rows.index(["poor film", "great plot"])]
    assert first and all((a == "good film") != (b == "bad, dull plot") for a, b in first)
    plain = tmp_path / "plain.txt"
    plain.write_text("a good film\na very dull plot\n", encoding="utf-8")
    noisy = ("augment", str(plain), "--to", str(tmp_path / "n.tsv"), "--method", "bilstm", "--tags", "clusters")
    assert penjing_command(*noisy, *near) == 0
    assert lines(tmp_path / "n.tsv")[:2] == [["text"], ["a good film"]]


def test_a_stopped_run_continues_with_the_rows_that_are_missing(place: Path, tmp_path: Path) -> None:
    rows = [(text,) for text, _ in lines(place / "train.tsv")[1:]] * 4
    rows = [(f"{text} {number}",) for number, (text,) in enumerate(rows)]
    section = Augmentation(method="words", copies=3, vectors=str(place / "vectors"))
    whole = augment_rows(section, rows, [], Workspace(tmp_path / "whole"), 1)
    expected = (whole / "augmented.jsonl").read_bytes()
    part = tmp_path / "stopped" / f".{whole.name}.part" / "checkpoints"
    part.mkdir(parents=True)
    kept = '[["kept from before"]]\n'
    (part / "augmented.jsonl").write_text(kept + '[["cut', encoding="utf-8")
    found = augment_rows(section, rows, [], Workspace(tmp_path / "stopped"), 1)
    made = read_rows(found / "augmented.jsonl")
    assert made[0] == {"row": 0, "texts": ["kept from before"]}
    rest = [row for row in read_rows(whole / "augmented.jsonl") if row["row"] > 0]
    assert made[1:] == rest and expected


def test_only_so_many_rows_are_drawn_by_the_seed(place: Path, tmp_path: Path) -> None:
    assert penjing_command(*asked(place, tmp_path / "out.tsv", "--method", "words", "--rows", "7")) == 0
    old = [row[0] for row in lines(place / "train.tsv")]
    assert len({row[0] for row in lines(tmp_path / "out.tsv")[1:]} & set(old)) >= 5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--column", "sentence"), "has no column 'sentence'"),
        (("--copies", "0"), "--copies 0: "),
        (("--label", "class"), "has no column 'class'"),
        (("--vectors", "nowhere.bin"), "no word vectors nowhere.bin"),
        (("--method", "bilstm"), "bilstm with the tags english reads no `vectors`"),
        (("--text", "train.csv"), "no file train.csv"),
    ],
)
def test_bad_input_is_one_line(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    assert said in refusal(capsys, *asked(place, tmp_path / "out.tsv", *more))
    assert not (tmp_path / "out.tsv").exists()


def test_a_method_without_its_vectors_says_so(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, "augment", str(place / "train.tsv"), "--to", str(tmp_path / "out.tsv"))
    assert "tinybert takes the neighbours of words, but no `vectors` are given" in said


def test_an_empty_text_is_named_by_its_row(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "holes.csv"
    table.write_text("text,label\ngood film,1\n ,0\n", encoding="utf-8")
    arguments = ("augment", str(table), "--to", str(tmp_path / "out.tsv"), "--vectors", str(place / "vectors"))
    assert "has an empty text, or none, in row 2, column 'text'" in refusal(capsys, *arguments)


def test_a_model_that_is_no_bert_is_refused(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import GPT2Config

    GPT2Config().save_pretrained(str(tmp_path / "gpt"))
    said = refusal(capsys, *asked(place, tmp_path / "out.tsv", "--model", str(tmp_path / "gpt")))
    assert "is a gpt2 model: the masked-LM head is BERT's" in said


def test_in_a_recipe_the_new_sentences_join_the_corpus(place: Path, tmp_path: Path) -> None:
    raw = {
        "name": "tiny", "task": {"labels": ["negative", "positive"], "max_length": 20},
        "data": {"train": str(place / "train.tsv"), "validation": str(place / "train.tsv")},
        "export": {"sequence_lengths": [20]},
        "distill": {"augmentation": {"method": "words", "copies": 2, "vectors": str(place / "vectors")}},
    }  # fmt: skip
    recipe = check_recipe(raw, "recipe")
    assert isinstance(recipe, Recipe)
    data, corpus = tmp_path / "data-0", tmp_path / "corpus-0"
    data.mkdir()
    corpus.mkdir()
    write_split(Split(("a good film", "a bad plot"), (1, 0)), data / "train.jsonl")
    write_rows(corpus / "corpus.jsonl", [{"text": "plain text"}])
    texts = [row["text"] for row in read_rows(augment_corpus(recipe, Workspace(tmp_path), data, corpus) / CORPUS)]
    assert texts[0] == "plain text" and 1 < len(texts) <= 5
    assert not {"a good film", "a bad plot"} & set(texts)
    write_split(Split(("a good film",), (1,), pairs=("a bad plot",)), data / "train.jsonl")
    pairs = read_rows(augment_corpus(recipe, Workspace(tmp_path / "pairs"), data, corpus) / CORPUS)[1:]
    assert pairs and all((row["text"] == "a good film") != (row["pair"] == "a bad plot") for row in pairs)
    without = recipe.model_copy(update={"distill": recipe.distill.model_copy(update={"augmentation": None})})
    assert augment_corpus(without, Workspace(tmp_path), data, corpus) == corpus
