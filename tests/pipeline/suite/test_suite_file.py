"""Suite files: what they make of recipes, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import refusal
from tiny_suite import detector_suite, text_suite

from penjing.pipeline.detection.sections import DetectorRecipe
from penjing.pipeline.sections import Recipe
from penjing.pipeline.suite.file import is_suite_file, load_suite
from penjing.pipeline.suite.run import check_parallel
from penjing.runtime.errors import RecipeError


def test_the_baseline_comes_first_and_a_seed_is_the_students_own(tmp_path: Path) -> None:
    suite = load_suite(text_suite(tmp_path))
    jobs = list(suite.jobs())
    assert [(cell, seed) for cell, seed, _ in jobs] == [("two", 1), ("one", 1)]
    recipe = jobs[1][2]
    assert isinstance(recipe, Recipe)
    assert (recipe.name, recipe.student.layers, recipe.distill.seed, recipe.seed) == ("one", 1, 1, 1)
    assert recipe.export.formats == ("onnx",)


def test_a_detectors_seed_divides_the_data_anew(tmp_path: Path) -> None:
    jobs = list(load_suite(detector_suite(tmp_path)).jobs())
    assert [(cell, seed) for cell, seed, _ in jobs] == [("plain", 1), ("maha", 1), ("plain", 2), ("maha", 2)]
    assert all(isinstance(recipe, DetectorRecipe) and recipe.seed == seed for _, seed, recipe in jobs)


def test_a_recipe_is_no_suite_file(tmp_path: Path) -> None:
    path = detector_suite(tmp_path)
    assert is_suite_file(str(path))
    assert not is_suite_file(str(tmp_path / "recipe.yaml"))
    assert not is_suite_file("breast-cancer")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cells": [{"name": "plain"}, {"name": "same", "set": {"seed": 7}}]}, "'plain' and 'same' are equal"),
        ({"cells": [{"name": "plain"}, {"name": "plain", "recipe": "bearings"}]}, "two cells are named 'plain'"),
        ({"baseline": "plane"}, "baseline is 'plane', which is no cell: choose of maha, plain"),
        ({"seeds": [1, 1]}, "give each once"),
        ({"seeds": []}, "at least 1"),
        ({"recipe": None}, "cell 'maha' has no recipe"),
        ({"cellz": []}, "unknown key 'cellz' in the top level; did you mean 'cells'"),
        ({"cells": [{"name": "plain", "sett": {}}]}, "did you mean 'set'"),
        ({"cells": [{"name": "plain", "recipe": "sst"}]}, "cell 'plain': no recipe 'sst'"),
        ({"cells": [{"name": "plain", "set": {"detector.kin": 1}}]}, "cell 'plain': .*did you mean 'kind'"),
        ({"cells": [{"name": "plain"}, {"name": "text", "recipe": "assistant"}]}, "one suite a task"),
    ],
)
def test_a_suite_that_cannot_work_is_refused_when_it_is_read(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        load_suite(detector_suite(tmp_path, **changes))


def test_cells_that_measure_while_they_run_do_not_run_beside_others(tmp_path: Path) -> None:
    path = text_suite(tmp_path)
    cut = "{name: cut, recipe: sst2-cut, set: {prune.budget: {latency_ms: 5}}}"
    path.write_text(path.read_text().replace("cells:", f"cells:\n- {cut}"), encoding="utf-8")
    with pytest.raises(RecipeError, match="leave --workers and --ray out"):
        check_parallel(load_suite(path))


def test_each_form_refuses_the_options_of_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(detector_suite(tmp_path))
    assert "leave --detectors, --seeds out" in refusal(capsys, "suite", path, "--detectors", "pca", "--seeds", "1")
    assert "leave --workers out" in refusal(capsys, "suite", "breast-cancer", "--workers", "2")
    assert "leave one of them out" in refusal(capsys, "suite", path, "--workers", "2", "--ray", "auto")
