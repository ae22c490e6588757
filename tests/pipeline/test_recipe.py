"""Recipes: every built-in one is valid, every mistake is one line that names key, place and way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from penjing.pipeline.detection.sections import DetectorRecipe
from penjing.pipeline.embedding.sections import EmbeddingRecipe
from penjing.pipeline.recipe import (
    built_in_recipes,
    check_recipe,
    load_recipe,
    recipe_schema,
    recipe_to_yaml,
    resolve_path,
)
from penjing.pipeline.sections import Recipe
from penjing.runtime.errors import RecipeError


def raw(**sections: Any) -> dict[str, Any]:
    smallest = {"name": "tiny", "task": {"labels": ["a", "b"]}, "data": {"train": "t.tsv", "validation": "v.tsv"}}
    return {**smallest, **sections}


def refusal(raw: dict[str, Any]) -> str:
    with pytest.raises(RecipeError) as caught:
        check_recipe(raw, "my.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(raw()), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", built_in_recipes())
def test_a_built_in_recipe_is_valid_and_named_like_its_file(name: str) -> None:
    assert load_recipe(name).name == name


def test_what_is_not_given_has_a_default() -> None:
    recipe = check_recipe(raw(), "my.yaml")
    assert (recipe.seed, recipe.student.layers, recipe.limits.flips) == (1, 6, 0.015)


@pytest.mark.parametrize(
    ("longest", "exported", "measured"),
    [
        (128, (32, 64, 128), (32, 128)),
        (64, (32, 64), (32, 64)),
        (16, (16,), (16,)),
        (200, (32, 64, 128, 200), (32, 128, 200)),
    ],
)
@pytest.mark.parametrize("task", [{"labels": ["a", "b"]}, {"kind": "embedding"}])
def test_lengths_that_are_not_given_reach_as_far_as_the_longest_input(
    task: dict[str, Any], longest: int, exported: tuple[int, ...], measured: tuple[int, ...]
) -> None:
    more = {"data": {"validation": "v.tsv", "texts": [{"file": "t.txt"}]}} if "kind" in task else {}
    recipe = check_recipe(raw(task={**task, "max_length": longest}, benchmark={"rounds": 5}, **more), "my.yaml")
    assert isinstance(recipe, (Recipe, EmbeddingRecipe)) and recipe.benchmark.rounds == 5
    assert (recipe.export.sequence_lengths, recipe.benchmark.lengths) == (exported, measured)


def test_a_length_that_no_file_takes_is_not_measured() -> None:
    task = {"labels": ["a", "b"], "max_length": 64}
    words = "benchmark.lengths has 128, but task.max_length is 64: measure shorter texts"
    assert words in refusal(raw(task=task, benchmark={"lengths": [32, 128]}))


def test_a_recipe_survives_yaml(file: Path) -> None:
    recipe = load_recipe(str(file), ("student.layers=3", "export.sequence_lengths=[16, 128]"))
    assert check_recipe(yaml.safe_load(recipe_to_yaml(recipe)), "again") == recipe


def test_a_recipe_cannot_be_changed() -> None:
    recipe = check_recipe(raw(), "my.yaml")
    with pytest.raises(ValidationError):
        recipe.seed = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"studnet": {}}, "my.yaml: unknown key 'studnet' in the top level; did you mean 'student'?"),
        ({"student": {"layrs": 4}}, "unknown key 'layrs' in section 'student'; did you mean 'layers'?"),
        ({"limits": {"zzz": 4}}, "allowed here: flips, metric_drop, logit_difference"),
        ({"distill": {"corpus": [{"file": "x", "colum": "y"}]}}, "section 'distill.corpus.0'; did you mean 'column'"),
        ({"student": {"layers": "six"}}, "student.layers: Input should be a valid integer"),
        ({"student": {"layers": "six"}}, "(given: 'six')"),
        ({"student": {"layers": 0}}, "student.layers: Input should be greater than or equal to 1 (given: 0)"),
        ({"student": 3}, "student: Input should be a valid dictionary"),
        ({"student": {"norm": "batch_norm"}}, "student.norm: Input should be 'no_norm' or 'layer_norm'"),
        ({"name": "My Recipe"}, "name: String should match pattern"),
        ({"task": {"labels": ["only"]}}, "task: labels are ['only']: text-classification needs at least 2"),
        ({"task": {"labels": ["a", "a"]}}, "task: labels are ['a', 'a']: give each class one name, all different"),
        ({"task": {"labels": [False, True]}}, "task.labels.0: Input should be a valid string, so write it in quotes"),
        ({"data": {"validation": "v.tsv"}}, "data: give either `train` and `validation` files or a `hub` data set"),
        ({"data": {"hub": "x", "train": "t.tsv"}}, "data: give either `train` and `validation` files or a `hub`"),
        ({"data": {"train": "t.tsv"}}, "data: `validation` is missing"),
        ({"export": {"sequence_lengths": []}}, "export.sequence_lengths: Tuple should have at least 1 item"),
        ({"export": {"sequence_lengths": [1, 128]}}, "export.sequence_lengths.0: Input should be greater than"),
        ({"export": {"sequence_lengths": [32]}}, "longest of export.sequence_lengths is 32 but task.max_length is 128"),
        ({"export": {"formats": []}}, "export.formats: Tuple should have at least 1 item"),
        ({"quantize": {"precisions": ["int4"]}}, "quantize.precisions.0: Input should be 'fp32' or 'int8'"),
        ({"benchmark": {"threads": [0]}}, "benchmark.threads.0: Input should be greater than or equal to 1"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_the_way_out(wrong: dict[str, Any], words: str) -> None:
    assert words in refusal(raw(**wrong))


def test_a_missing_section_is_named() -> None:
    assert "my.yaml: task: Field required" in refusal({k: v for k, v in raw().items() if k != "task"})


def test_all_mistakes_are_told_at_once() -> None:
    message = refusal(raw(seed=-1, studnet={}))
    assert "seed: " in message and "'studnet'" in message


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("student.layers", "is not of the form a.b=value"),
        ("=4", "is not of the form a.b=value"),
        ("name.first=x", "'name' is a value, not a section"),
        ("student.layers=[", "the value is not YAML"),
        ("student.layrs=4", "did you mean 'layers'?"),
        ("distil.epochs=4", "did you mean 'distill'?"),
    ],
)
def test_a_wrong_override_says_what_is_wrong(file: Path, override: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(file), (override,))
    assert words in str(caught.value)


def test_overrides_apply_in_order_and_make_sections(file: Path) -> None:
    recipe = load_recipe(str(file), ("student.layers=3", "student.layers=4", "data.limit=100", "teacher.model=a=b"))
    assert (recipe.student.layers, recipe.data.limit, recipe.teacher.model) == (4, 100, "a=b")


def test_a_missing_recipe_names_the_built_in_ones(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'asistant': .*sst2"):
        load_recipe("asistant")
    with pytest.raises(RecipeError, match="no recipe"):
        load_recipe(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"a: [1\n", "is not YAML"), (b"\xff\xfe\xfd", "is not YAML"), (b"- a\n- b\n", "not list"), (b"", "not NoneType"),
     (b"!!python/object/apply:os.system ['true']\n", "is not YAML")],
)  # fmt: skip
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_the_schema_knows_every_key_and_forbids_others() -> None:
    sections = recipe_schema()["$defs"]
    for recipe, needed in ((Recipe, {"name", "task", "data"}), (DetectorRecipe, {"name", "task", "data", "detector"})):
        assert set(sections[recipe.__name__]["properties"]) == set(recipe.model_fields)
        assert set(sections[recipe.__name__]["required"]) == needed
    assert all(section["additionalProperties"] is False for section in sections.values())


def test_a_path_is_sought_from_the_working_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    (packaged / "x.tsv").write_text("packaged")
    assert resolve_path("x.tsv", packaged) == packaged / "x.tsv"
    (tmp_path / "x.tsv").write_text("own")
    assert resolve_path("x.tsv", packaged) == Path("x.tsv")
    assert resolve_path("none.tsv", packaged) == Path("none.tsv")
