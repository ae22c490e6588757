"""A suite's claims: once from a whole tiny suite, and what is said of cells that failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from test_claims import problems
from tiny_suite import detector_suite

from penjing.pipeline.experiments.suite import claims, publish
from penjing.pipeline.suite.file import load_suite
from penjing.pipeline.suite.result import SuiteResult, summarise
from penjing.pipeline.text_files import read_json
from penjing.runtime.errors import RecipeError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    suite = load_suite(detector_suite(folder))
    publish(suite, (1, 2), folder / "out", folder / "claims.json", "made by a test")
    return folder


def found_in(folder: Path) -> SuiteResult:
    return SuiteResult.from_json(read_json(folder / "out" / "suite.json"))


def test_every_cell_has_its_quality_its_cost_and_how_it_compares(folder: Path) -> None:
    written = read_json(folder / "claims.json")
    made = {claim["id"]: claim for claim in written["claims"]}
    assert [problem for claim in made.values() for problem in problems(claim)] == []
    found = found_in(folder)
    for row in found.rows:
        assert made[f"detectors.{row.cell}.{found.split}"]["value"] == pytest.approx(row.value)
        assert made[f"detectors.{row.cell}.size"]["value"] == pytest.approx((row.bytes or 0) / 1e6)
        assert (f"detectors.{row.cell}.difference" in made) == (row.cell != "plain")
    assert made["detectors.maha.difference"]["value"] > 0.2
    assert made[f"detectors.best.{found.split}"]["value"] == made[f"detectors.maha.{found.split}"]["value"]
    assert written["run"]["measurements"] and len(written["results"]) == 4


def test_a_cell_that_failed_with_every_seed_claims_nothing(folder: Path) -> None:
    found = found_in(folder)
    results = [replace(result, error="cut off") if result.cell == "maha" else result for result in found.results]
    without = summarise("detectors", found.created, "plain", results, found.run)
    named = {claim["id"] for claim in claims(without)}
    assert not any(".maha." in name for name in named) and "detectors.plain.size" in named


def test_a_suite_that_is_done_is_not_made_again(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.glob("out/cells/*/*/bundle/manifest.json")}
    publish(load_suite(folder / "suite.yaml"), (1, 2), folder / "out", folder / "again.json", "made by a test")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert read_json(folder / "again.json")["claims"] == read_json(folder / "claims.json")["claims"]


def test_seeds_made_one_at_a_time_come_to_the_same_claims(folder: Path) -> None:
    suite, target = load_suite(folder / "suite.yaml"), folder / "parts.json"
    for seed in (1, 2):
        publish(suite, (seed,), folder / f"out-{seed}", target, "made by a test")
    parts, whole = read_json(target), read_json(folder / "claims.json")
    assert set(parts["made"]) == {"1", "2"}
    timed = ("ms",)
    for one, other in zip(parts["claims"], whole["claims"], strict=True):
        assert one["id"] == other["id"]
        assert one["id"].endswith(timed) or one == other
    with pytest.raises(RecipeError, match="is of another suite than 'detectors' as it is now"):
        changed = suite.file.model_copy(update={"baseline": "maha"})
        publish(replace(suite, file=changed), (1,), folder / "out-1", target, "made by a test")


def test_a_cell_with_the_name_of_the_best_one_is_refused(folder: Path) -> None:
    suite = load_suite(folder / "suite.yaml")
    cells = tuple(cell.model_copy(update={"name": "best"}) for cell in suite.file.cells[1:])
    named = replace(suite, file=suite.file.model_copy(update={"cells": cells}))
    with pytest.raises(RecipeError, match="give yours another name"):
        publish(named, (1,), folder / "out-best", folder / "best.json", "made by a test")
    assert not (folder / "best.json").exists()
