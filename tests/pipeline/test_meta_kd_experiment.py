"""Meta-KD as a recipe's word, and its experiment: counted by hand, and once whole on tiny domains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_claims import problems
from tiny import write_table
from tiny_recipe import tiny_recipe

from penjing.compress.data import Split
from penjing.compress.distill.meta.knowledge import read_meta_knowledge
from penjing.pipeline.experiments.meta_kd import SEEDS, accuracies, claims, publish, right_by_domain
from penjing.pipeline.fit import train_student
from penjing.pipeline.recipe import check_recipe, load_text_recipe
from penjing.pipeline.run import make_and_prove, make_sources
from penjing.pipeline.sections import Recipe
from penjing.pipeline.ship import ship_bundles
from penjing.pipeline.text_files import read_json, read_split
from penjing.pipeline.workspace import Workspace
from penjing.runtime.errors import RecipeError

DOMAINS = ("books", "films")


def domain_recipe(folder: Path, **distill: Any) -> Recipe:
    """The tiny recipe on two domains, by Meta-KD."""
    raw = tiny_recipe(folder)
    for number, name in enumerate(DOMAINS):
        write_table(folder / f"{name}.train.tsv", 80, 10 + number)
        write_table(folder / f"{name}.dev.tsv", 30, 20 + number)
    files = {"train": str(folder / "{domain}.train.tsv"), "test": str(folder / "{domain}.dev.tsv")}
    raw["data"] = {**files, "held_out": 0.2, "domains": list(DOMAINS)}
    raw["teacher"]["epochs"] = 1
    raw["distill"] = {**raw["distill"], "method": "meta-kd", **distill}
    recipe = check_recipe(raw, "test")
    assert isinstance(recipe, Recipe)
    return recipe


def refusal(recipe: Recipe, folder: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        make_sources(recipe, Workspace(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_word_trains_a_meta_teacher_and_keeps_what_it_knows(tmp_path: Path) -> None:
    recipe, space = domain_recipe(tmp_path / "data"), Workspace(tmp_path / "run")
    sources = make_sources(recipe, space)
    assert read_json(sources.data / "data.json")["domains"] == list(DOMAINS)
    train = read_split(sources.data / "train.jsonl")
    assert train.domains[:80] == (0, 1) * 40 and len(train.texts) < 160
    assert (sources.teacher / "domains.safetensors").is_file()
    meta = read_meta_knowledge(sources.outputs)
    assert meta is not None and meta.domain_count == 2 and meta.z.shape == (len(train.texts), 32)
    history = read_json(train_student(recipe, space, sources) / "history.json")
    assert history["transfer"] and history["task"]


def test_every_file_is_judged_on_each_domain_too(tmp_path: Path) -> None:
    raw = {"method": "logits", "transfer_epochs": 0}
    recipe, space = domain_recipe(tmp_path / "data", **raw), Workspace(tmp_path / "run")
    recipe = recipe.model_copy(update={"export": recipe.export.model_copy(update={"formats": ("onnx",)})})
    with space.locked():
        made = make_and_prove(recipe, space)
        card = (ship_bundles(recipe, space, made) / "README.md").read_text(encoding="utf-8")
    for proofs in (made.proof.student, made.proof.teacher, made.proof.teacher_torch):
        of = {p.split: p for p in proofs if p.file in ("model.int8.onnx", "torch")}
        assert set(of) == {f"{split}{part}" for split in ("validation", "test") for part in ("", "/books", "/films")}
        whole, parts = of["test"], [of["test/books"], of["test/films"]]
        assert [p.n for p in parts] == [30, 30] and whole.n == 60
        assert sum(p.value * p.n for p in parts) == pytest.approx(whole.value * whole.n)
        assert sum(p.flips for p in parts) == whole.flips
    assert "| model.int8.onnx | test/films | 30 |" in card


def test_a_plain_method_on_the_same_data_has_another_teacher(tmp_path: Path) -> None:
    recipe, space = domain_recipe(tmp_path / "data", method="tinybert"), Workspace(tmp_path / "run")
    sources = make_sources(recipe, space)
    assert not (sources.teacher / "domains.safetensors").exists()
    assert read_meta_knowledge(sources.outputs) is None


def test_without_domains_or_with_a_corpus_it_is_refused_and_others_are_named(tmp_path: Path) -> None:
    recipe = domain_recipe(tmp_path)
    plain = recipe.data.model_copy(update={"domains": (), "train": "train.tsv", "test": None})
    message = refusal(recipe.model_copy(update={"data": plain}), tmp_path / "run")
    assert "it needs the domain of each text: give data.domain or data.domains; these fit as it is: " in message
    assert "meta-kd" not in message.split("these fit as it is: ")[1]
    more = domain_recipe(tmp_path, corpus=[{"file": "corpus.txt"}])
    assert "take distill.corpus out" in refusal(more, tmp_path / "run")


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({"kind": "multi-label-classification"}, "one label each"),
        ({"out_of_scope": {"label": "other"}}, "out of scope have no domain"),
    ],
)
def test_tasks_that_have_no_domains_are_refused(tmp_path: Path, task: dict[str, Any], reason: str) -> None:
    raw = domain_recipe(tmp_path).model_dump(mode="json", exclude_none=True, exclude={"limits"})
    with pytest.raises(RecipeError, match=reason):
        check_recipe({**raw, "task": {**raw["task"], **task}}, "test")


def test_the_built_in_recipe_names_four_domains() -> None:
    recipe = load_text_recipe("amazon-domains")
    assert recipe.learns_by_domain and recipe.data.domains == ("books", "dvd", "electronics", "kitchen")
    assert len(SEEDS) >= 5  # fewer say little of texts this few


def test_right_answers_are_counted_by_domain() -> None:
    test = Split(("a", "b", "c", "d"), (1, 0, 1, 1), (0, 0, 1, 0))
    logits = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 2.0]])
    assert right_by_domain(logits, test, DOMAINS) == {"books": [2, 3], "films": [1, 1]}
    assert accuracies({"books": [2, 4], "films": [1, 1]}) == {"books": 0.5, "films": 1.0, "average": 0.75}


def test_claims_are_whole_and_differences_go_seed_by_seed() -> None:
    def counts(books: int, films: int) -> dict[str, dict[str, list[int]]]:
        side = {"books": [books, 100], "films": [films, 100]}
        return {"student": side, "teacher": side}

    found = [
        {"meta": counts(90, 80), "plain": counts(88, 80)},
        {"meta": counts(92, 80), "plain": counts(86, 80)},
    ]
    made = {claim["id"]: {**claim, "command": "made by hand"} for claim in claims(found)}
    assert [problem for claim in made.values() for problem in problems(claim)] == []
    gain = made["meta_kd.student.difference.books"]
    assert gain["value"] == pytest.approx(0.04) and gain["n"] == 100
    assert gain["interval"][0] < 0.02 and gain["interval"][1] > 0.06
    assert made["meta_kd.student.difference.average"]["value"] == pytest.approx(0.02)
    assert made["meta_kd.teacher.meta.books"]["value"] == pytest.approx(0.91)


def test_the_experiment_runs_whole_and_joins_seeds_of_two_places(tmp_path: Path) -> None:
    recipe, target = domain_recipe(tmp_path / "data"), tmp_path / "meta_kd.json"
    publish(recipe, (2,), tmp_path / "there", target, "made by a test")
    alone = read_json(target)
    assert list(alone["counts"]) == ["2"] and alone["claims"][0]["interval"] is None
    publish(recipe, (1,), tmp_path / "here", target, "made by a test")
    written = read_json(target)
    assert list(written["counts"]) == ["1", "2"] and written["counts"]["2"] == alone["counts"]["2"]
    assert len(written["claims"]) == 2 * 3 * 3 and written["claims"][0]["interval"] is not None
    assert written["counts"]["1"]["meta"]["student"]["books"][1] == 30
    assert not list((tmp_path / "here").glob("teacher-outputs-*"))
    assert len(list((tmp_path / "here").glob("counts-*"))) == 2
    publish(recipe, (1,), tmp_path / "here", target, "made by a test")  # nothing is trained again
    assert read_json(target) == written
    with pytest.raises(RecipeError, match="of another recipe than"):
        publish(recipe.model_copy(update={"task": recipe.task.model_copy(update={"max_length": 8})}), (1,),
                tmp_path / "here", target, "made by a test")  # fmt: skip
