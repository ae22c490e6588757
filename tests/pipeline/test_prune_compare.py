"""`penjing prune compare` on a tiny teacher: every model is there with its costs, a stopped comparison continues."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from command import penjing_command
from tiny_classifiers import tiny_bert, tiny_mobilebert
from tiny_recipe import tiny_recipe

from penjing.compress.models.checkpoint import count_parameters, load_student
from penjing.compress.prune.costs import cost_of
from penjing.compress.prune.widths import shape_with
from penjing.pipeline import compare_cuts as comparing
from penjing.pipeline.compare_cuts import list_cuts, prune_section, references
from penjing.pipeline.fit import train_student
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.report.comparison import CutComparison
from penjing.pipeline.report.comparison_page import comparison_table
from penjing.pipeline.run import make_sources
from penjing.pipeline.workspace import Workspace
from penjing.runtime.errors import PruningError

LABELS = ("teacher, uncut", "widths 0.4", "widths 0.4 recovered")


def compare_recipe(folder: Path, **prune: Any) -> dict[str, Any]:
    raw = tiny_recipe(folder)
    raw["student"] = {"architecture": "bert"}
    recovery = {"transfer_epochs": 1, "epochs": 0, "batch_size": 16, "feature_weight": 0, "attention_weight": 0}
    return {**raw, "prune": {"rate": 0.2, "multiple": 4, "sentences": 64, "recovery": recovery, **prune}}


def command(*arguments: str) -> int:
    return penjing_command("prune", "compare", *arguments)


def stages(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.is_dir()}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The output folder of a comparison that was stopped before the timing and started again, and its stages then."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(compare_recipe(folder)), encoding="utf-8")
    wanted = (str(folder / "recipe.yaml"), "--methods", " widths,", "--rates", "0.4", "--recover")

    def stop(*_: Any) -> None:
        raise PruningError("stopped")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "time_models", stop)
        assert command(*wanted, "--out", str(folder / "out")) == 2
    before = stages(folder / "out")
    assert command(*wanted, "--out", str(folder / "out")) == 0
    return folder / "out", before


def read(out: Path) -> CutComparison:
    return CutComparison.from_json(json.loads((out / "compare.json").read_text(encoding="utf-8")))


def test_every_model_is_there_with_its_costs_and_its_quality(compared: tuple[Path, dict[str, int]]) -> None:
    found = read(compared[0])
    dense, *cuts = found.models
    assert tuple(model.label for model in found.models) == LABELS
    assert [(model.method, model.rate, model.recovered) for model in cuts] == [
        ("widths", 0.4, recovered) for recovered in (False, True)
    ]
    for model in cuts:
        assert model.macs <= 0.6 * dense.macs and model.parameters < dense.parameters and model.bytes < dense.bytes
        assert model.accuracy.n == model.accuracy_int8.n == 80
    assert dense.accuracy.value > 0.9
    counts = {count_parameters(load_student(path))[0] for path in compared[0].glob("pruned-*")}
    assert counts == {model.parameters for model in cuts}


def test_all_files_are_timed_in_one_run_with_raw_samples(compared: tuple[Path, dict[str, int]]) -> None:
    found = read(compared[0])
    assert [(m.subject, m.precision) for m in found.times.measurements] == [
        (label, precision) for precision in ("fp32", "int8") for label in LABELS
    ]
    assert {(len(m.samples_ms), m.rounds, m.condition.sequence_length) for m in found.times.measurements} == {
        (3, 3, 16)
    }
    assert [noise.first.precision for noise in found.times.noise_floors] == ["fp32", "int8"]


def test_a_comparison_that_was_stopped_continues(compared: tuple[Path, dict[str, int]]) -> None:
    out, before = compared
    after = stages(out)
    assert {name.rpartition("-")[0] for name in before} >= {"pruning-plan", "pruned", "student-files", "judged"}
    assert {name: after[name] for name in before} == before
    assert [name.rpartition("-")[0] for name in after if name not in before] == ["compared-times"]


def test_the_table_is_printed_and_the_progress_is_quiet_off_a_terminal(
    compared: tuple[Path, dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = compared[0].parent
    wanted = ("--methods", "widths", "--rates", "0.4", "--recover", "--out", str(compared[0]))
    assert command(str(folder / "recipe.yaml"), *wanted) == 0
    shown, errors = capsys.readouterr()
    lines = [line.split("\t") for line in shown.splitlines()]
    assert lines[0][:3] == ["Model", "MACs cut", "Parameters"]
    assert [line[0] for line in lines[1:4]] == list(LABELS)
    assert "compare:" not in errors and "round" not in errors


def test_the_picture_follows_the_readers_light_and_the_page_is_whole(compared: tuple[Path, dict[str, int]]) -> None:
    svg, page = ((compared[0] / f"compare.{kind}").read_text(encoding="utf-8") for kind in ("svg", "html"))
    ElementTree.fromstring(svg)
    assert "prefers-color-scheme: dark" in svg and "currentColor" in svg
    for words in ("million parameters", "MB (int8 ONNX)", "ms at 16 tokens", "widths, recovered"):
        assert words in svg and words in page
    assert not re.search(r'(src|href)="(?!#)', page)
    for row in comparison_table(read(compared[0])).rows:
        assert all(cell in page for cell in row[:4])


def test_a_distilled_student_stands_beside_its_teacher(tmp_path: Path) -> None:
    raw = {**compare_recipe(tmp_path), "student": tiny_recipe(tmp_path)["student"]}
    recipe, space = check_recipe(raw, "test"), Workspace(tmp_path / "out")
    sources = make_sources(recipe, space)
    found = references(recipe, space, sources, train_student(recipe, space, sources))
    assert [cut.label for cut, _ in found] == ["student, uncut", "teacher"]
    assert [type(load_student(path)).__name__ for _, path in found] == ["MobileBertClassifier", "BertClassifier"]


@pytest.mark.parametrize("model", [tiny_bert(), tiny_mobilebert()], ids=["bert", "mobilebert"])
def test_widths_are_the_largest_that_cut_the_rate(model: Any, tmp_path: Path) -> None:
    recipe = check_recipe(compare_recipe(tmp_path), "test")
    dense = cost_of(model.config, 3, 16).macs
    for rate in (0.2, 0.3):
        ((name, size),) = prune_section(recipe, model, "widths", rate).widths.sizes.items()
        macs = [cost_of(shape_with(model.config, {name: wide}), 3, 16).macs for wide in (size, size + 8)]
        assert macs[0] <= (1 - rate) * dense and (macs[1] > (1 - rate) * dense or macs[1] == dense)
    with pytest.raises(PruningError, match=r"widths 0\.99: a \w+ size of 8 cuts 0\.\d+ of the MACs: ask for at most"):
        prune_section(recipe, model, "widths", 0.99)


def test_each_cut_is_one_of_its_kind_and_a_rate_of_nothing_is_the_uncut_model(tmp_path: Path) -> None:
    recipe = check_recipe(compare_recipe(tmp_path, vocabulary=70, layers=1, widths={"hidden": 16}), "test")
    cuts = list_cuts(recipe, tiny_bert(), ["fisher", "depth", "fisher"], [0, 0.5, 0.9], recover=False)
    assert [cut.label for cut in cuts] == ["fisher 0.5", "fisher 0.9", "depth 0.5", "depth 0.9"]
    sections = [cut.recipe.prune for cut in cuts if cut.recipe.prune is not None]
    assert [(p.units, p.rate, p.layers, p.vocabulary, p.multiple) for p in sections] == [
        ("fisher", 0.5, None, None, 4), ("fisher", 0.9, None, None, 4), (None, None, 1, None, 4),
        (None, None, 1, None, 4),
    ]  # fmt: skip
    assert all(not p.widths.sizes and p.recovery is None for p in sections)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "magic"], "methods ['magic'] cannot be compared: choose of fisher, sensitivity, depth, widths"),
        (["--methods", "learned"], "learned masks train while they choose"),
        (["--methods", ","], "methods [] cannot be compared"),
        (["--rates", "0.5,1"], "rates [1.0] cannot be cut: a rate is a share of the MACs, from 0 to less than 1"),
        (["--rates", "-0.1"], "rates [-0.1] cannot be cut"),
        (["--rates", "nan"], "rates [nan] cannot be cut"),
        (["--rates", "half"], "the rate 'half' is no number: give shares with commas, such as 0.3,0.5"),
        (["--rates", ""], "rates [] cannot be cut"),
        (["--recover", "--set", "prune.recovery=null"], "add prune.recovery, or compare without --recover"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], message: str
) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(compare_recipe(tmp_path)), encoding="utf-8")
    assert command(str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "out"), *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_rate_that_cannot_be_met_names_the_cut_and_the_nearest_possible(
    compared: tuple[Path, dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = compared[0].parent / "recipe.yaml", compared[0]
    assert command(str(recipe), "--methods", "sensitivity", "--rates", "0.99", "--out", str(out)) == 2
    error = capsys.readouterr().err
    assert re.search(r"sensitivity 0\.99, in MACs: the budget is .* costs \d+: allow at least that", error)
