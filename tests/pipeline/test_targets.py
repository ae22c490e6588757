"""Claims beside their targets: whole, met or missed as the numbers say, and of recipes that exist."""

from __future__ import annotations

import pytest
from test_claims import ROOT, problems

from penjing.pipeline.recipe import built_in_recipes
from penjing.pipeline.targets import TARGETS, stated


def test_targets_are_of_built_in_recipes_and_of_suites_in_the_docs() -> None:
    suites = {path.stem for path in (ROOT / "docs" / "suites").glob("*.yaml")}
    assert set(TARGETS) <= {*built_in_recipes(), *suites}


@pytest.mark.parametrize(("value", "met"), [(0.9, True), (0.8999, False)])
def test_a_claim_is_compared_with_its_recipes_target(value: float, met: bool) -> None:
    claim = {**stated("sst2-cut.student.validation", value, "accuracy", (0.8, 0.95), 872), "command": "made by hand"}
    assert (claim["target"], claim["met"]) == (">= 0.9", met)
    assert problems(claim) == []


def test_a_figure_without_a_target_has_none_to_miss() -> None:
    claim = stated("sst2.teacher.test", 0.5, "accuracy", None, 10)
    assert (claim["target"], claim["met"]) == (None, True)


def test_every_recipe_on_sst2_keeps_its_decisions() -> None:
    claims = [stated(f"{recipe}.flips", 0.02, "share", None, 872) for recipe in TARGETS]
    assert all(claim["met"] is False and claim["why"] for claim in claims)
