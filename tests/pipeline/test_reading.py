"""The stages that read: plain text keeps nothing that a student is judged by."""

from __future__ import annotations

from pathlib import Path

from tiny import write_table
from tiny_recipe import tiny_recipe

from penjing.pipeline.reading import read_corpora, read_data, without_held_out
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.sections import Recipe
from penjing.pipeline.text_files import read_json, read_rows, read_split
from penjing.pipeline.workspace import Workspace


def test_a_corpus_has_no_text_of_validation_and_test_but_may_have_those_of_training(tmp_path: Path) -> None:
    raw = tiny_recipe(tmp_path)
    write_table(tmp_path / "test.tsv", 30, 3)
    raw["data"]["test"] = str(tmp_path / "test.tsv")
    raw["distill"]["corpus"] = [{"file": str(tmp_path / "plain.txt")}]
    recipe, space = check_recipe(raw, "test"), Workspace(tmp_path / "out")
    assert isinstance(recipe, Recipe)
    (tmp_path / "plain.txt").write_text("x\n", encoding="utf-8")
    with space.locked():
        data = read_data(recipe, space)
    texts = {name: read_split(data / f"{name}.jsonl").texts for name in ("train", "validation", "test")}
    held_out = {*texts["validation"], *texts["test"]}
    training = next(text for text in texts["train"] if text not in held_out)
    held = [f" {texts['validation'][0].upper()} ", texts["test"][0].replace(" ", "  ")]
    (tmp_path / "plain.txt").write_text("\n".join([*held, training, "a new text"]) + "\n", encoding="utf-8")
    with space.locked():
        corpus = read_corpora(recipe, space, data)
    assert [row["text"] for row in read_rows(corpus / "corpus.jsonl")] == [training, "a new text"]
    assert read_json(corpus / "corpus.json") == {"rows": 2, "left_out": 2}


def test_of_pairs_the_same_pair_is_left_out_and_one_text_of_it_may_stay(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a", "label": 0, "pair": "b"}\n', encoding="utf-8")
    (tmp_path / "validation.jsonl").write_text('{"text": "c", "label": 0, "pair": "d"}\n', encoding="utf-8")
    rows = [("a", "b"), ("c", "d"), ("C ", "d"), ("c", "e"), ("d", "c")]
    assert without_held_out(rows, tmp_path) == [("a", "b"), ("c", "e"), ("d", "c")]
    assert without_held_out([], tmp_path) == []
