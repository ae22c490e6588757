"""`prune.budget.latency_ms`, from the recipe over a made-up table to what was asked, predicted and got."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_recipe import BENCHMARK, tiny_recipe

from penjing.benchmarks.measurement import Condition
from penjing.compress.prune.costs import LatencyTable
from penjing.compress.prune.units import Shape
from penjing.pipeline import latency_budget
from penjing.pipeline.cli import main
from penjing.pipeline.cuts import cut_rounds
from penjing.pipeline.proof import Made
from penjing.pipeline.prune import Pruned
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.report.pruning import budget_rows
from penjing.pipeline.run import plan_first_round
from penjing.runtime.errors import RecipeError

HEADS, NEURONS = ((1, 0.1), (2, 0.1), (4, 1.0)), ((2, 0.1), (64, 2.0))
"""Milliseconds of a made-up machine: two layers of 4 heads and 64 neurons take 6, and half a millisecond beside."""


class Measurer:
    """Stands for the measuring, which takes its time; keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Shape, int, str]] = []

    def __call__(self, shape: Shape, labels: int, length: int, folder: Path, precision: str) -> LatencyTable:
        self.asked.append((shape, length, precision))
        sizes = {"hidden_size": shape.hidden_size}
        return LatencyTable("test", length, HEADS, NEURONS, 0.5, precision=precision, sizes=sizes)


@pytest.fixture
def measurer(monkeypatch: pytest.MonkeyPatch) -> Measurer:
    made = Measurer()
    monkeypatch.setattr(latency_budget, "measure_latency_table", made)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("latency")


def latency_recipe(folder: Path, **prune: Any) -> dict[str, Any]:
    raw = tiny_recipe(folder)
    raw["student"] = {"architecture": "bert"}
    raw["export"] = {"formats": ["onnx"]}
    raw["benchmark"] = {**BENCHMARK, "lengths": [16]}
    return {**raw, "prune": {"budget": {"latency_ms": 3.0}, "multiple": 4, "sentences": 64, **prune}}


def plan(raw: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    made = plan_first_round(check_recipe(raw, "test"), folder / "out")
    return made, json.loads((made / "summary.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("units", ["fisher", "sensitivity", "learned"])
def test_a_plan_meets_the_milliseconds_by_the_table(folder: Path, measurer: Measurer, units: str) -> None:
    recovery = {"transfer_epochs": 1, "feature_weight": 0, "attention_weight": 0} if units == "learned" else None
    _, summary = plan(latency_recipe(folder, units=units, recovery=recovery), folder)
    assert (summary["field"], summary["asked"], summary["precision"]) == ("latency_ms", 3.0, "int8")
    assert summary["before"]["latency_ms"] == 6.5
    assert 2.0 < summary["predicted"]["latency_ms"] <= 3.0
    assert summary["rows"][-1][-1] == f"{6.5 - summary['predicted']['latency_ms']:.2f}"


def test_the_table_is_of_the_shape_whose_units_are_chosen_and_is_measured_once(
    folder: Path, measurer: Measurer
) -> None:
    raw = latency_recipe(folder, widths={"hidden": 24}, layers=1, budget={"latency_ms": 2, "precision": "fp32"})
    for _ in range(2):
        _, summary = plan(raw, folder)
    plan({**raw, "prune": {**raw["prune"], "layers": None}}, folder)
    ((shape, length, precision),) = measurer.asked
    assert (shape.hidden_size, shape.embedding_size, length, precision) == (24, 24, 16, "fp32")
    assert [(layer.heads, layer.feed_forwards) for layer in shape.layers] == [(4, (64,))]
    assert summary["before"]["latency_ms"] is None  # the table knows nothing of the wide model
    assert summary["predicted"]["latency_ms"] <= 2
    tables = [json.loads(path.read_text()) for path in (folder / "out").glob("latency-table-*/table.json")]
    assert [table["sizes"] for table in tables].count({"hidden_size": 24}) == 1


def test_got_is_the_time_of_the_file_that_the_budget_is_about(folder: Path, measurer: Measurer) -> None:
    class Times:
        def find(self, label: str, condition: Condition) -> Any:
            assert condition == Condition("warm", 16, 1)
            return type("Measured", (), {"p50": {"student int8 ONNX": 2.9, "student fp32 ONNX": 5.1}[label]})

    for precision, got in (("int8", 2.9), ("fp32", 5.1)):
        budget = {"latency_ms": 3.0, "precision": precision}
        made, _ = plan(latency_recipe(folder, budget=budget), folder)
        student = next(path.parent for path in (folder / "out").glob("student-*/student.json"))
        proven = Made(folder, folder, Pruned(student, (made,)), folder, folder, folder, None)  # type: ignore[arg-type]
        cuts = cut_rounds(proven, Times())  # type: ignore[arg-type]
        row = next(row for row in budget_rows(cuts) if row[1].startswith("ms"))
        assert row[1:4] == (f"ms ({precision} ONNX)", "6.50", "3.00")
        assert float(row[4]) <= 3.0 and row[5] == f"{got:.2f}"


@pytest.mark.parametrize(
    ("budget", "nearest"), [("0.4", "smallest model .* costs 1.2677\\d+: allow at least"), ("7", "costs 6.5 as it is")]
)
def test_an_impossible_latency_is_one_line_with_the_nearest_possible(
    folder: Path, measurer: Measurer, capsys: pytest.CaptureFixture[str], budget: str, nearest: str
) -> None:
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(latency_recipe(folder)), encoding="utf-8")
    change = f"prune.budget.latency_ms={budget}"
    with pytest.raises(SystemExit) as stopped:
        main(["prune", "plan", str(recipe), "--out", str(folder / "out"), "--set", change])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count("\n") == 1
    assert re.search(f"the budget is {budget}, but the .*{nearest}", error)


def test_the_plan_is_shown_in_milliseconds(
    folder: Path, measurer: Measurer, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(latency_recipe(folder)), encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["prune", "plan", str(recipe), "--out", str(folder / "out")])
    lines = capsys.readouterr().out.splitlines()
    assert "asked\tlatency_ms at most 3.00" in lines
    assert any(line.startswith("latency_ms\t6.50 -> ") for line in lines)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("prune", {"budget": {"latency_ms": 3, "macs": 5}}, "give one of parameters, bytes, macs, latency_ms"),
        ("prune", {"budget": {"latency_ms": 3}, "rate": 0.5}, "give a budget or a rate"),
        ("prune", {"budget": {"latency_ms": 0}}, r"latency_ms: .*greater than 0"),
        ("prune", {"budget": {"macs": 5, "precision": "int8"}}, "precision is that of latency_ms, which is not given"),
        ("prune", {"budget": {"latency_ms": 3, "precision": "int4"}}, "precision: Input should be 'fp32' or 'int8'"),
        ("export", {"formats": ["tflite"]}, "latency_ms is about an ONNX file: add onnx to export.formats"),
        ("benchmark", {"lengths": [8]}, r"about 16 tokens \(task.max_length\) on 1 thread: add them to benchmark"),
        ("benchmark", {"lengths": [16], "threads": [2]}, "on 1 thread: add them to benchmark"),
    ],
)
def test_a_latency_that_cannot_be_measured_is_one_clear_error(
    tmp_path: Path, section: str, change: dict[str, Any], message: str
) -> None:
    raw = latency_recipe(tmp_path)
    with pytest.raises(RecipeError, match=message):
        check_recipe({**raw, section: {**raw[section], **change}}, "test")


def test_latency_is_that_of_int8_if_it_is_made(tmp_path: Path) -> None:
    raw = latency_recipe(tmp_path)
    assert check_recipe(raw, "test").latency_precision == "int8"
    only = {**raw, "quantize": {"precisions": ["fp32"]}}
    assert check_recipe(only, "test").latency_precision == "fp32"
    with pytest.raises(RecipeError, match=r"latency_ms is about int8: add it to quantize\.precisions"):
        check_recipe({**only, "prune": {"budget": {"latency_ms": 3, "precision": "int8"}}}, "test")
    assert check_recipe({**raw, "prune": {"rate": 0.5}}, "test").latency_precision is None
