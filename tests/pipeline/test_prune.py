"""`prune:` in a recipe, from the plan to a bundle that answers, on a tiny teacher."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_recipe import tiny_recipe

from penjing.compress.models.checkpoint import count_parameters, load_student
from penjing.compress.prune.plan import read_plan
from penjing.pipeline.cli import main
from penjing.pipeline.cuts import cut_rounds
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import make_and_prove, plan_first_round, run_recipe
from penjing.pipeline.workspace import Workspace
from penjing.runtime import load
from penjing.runtime.errors import DataError, PruningError, RecipeError

PRUNE = {
    "widths": {"embedding": 16},
    "layers": 1,
    "vocabulary": 70,
    "units": "fisher",
    "budget": {"parameters": 9000},
    "multiple": 4,
    "sentences": 64,
    "recovery": {"transfer_epochs": 1, "epochs": 1, "batch_size": 16, "learning_rate": 1e-3},
}


def cut_recipe(folder: Path, **changes: Any) -> dict[str, Any]:
    """The tiny recipe with a student that is cut out of its teacher."""
    raw = tiny_recipe(folder)
    raw["student"] = {"architecture": "bert"}
    raw["export"] = {"formats": ["onnx"]}
    return {**raw, "prune": {**PRUNE, **changes}}


def run_command(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("cut")
    raw = cut_recipe(folder)
    run_recipe(check_recipe(raw, "test"), folder / "out")
    return raw, folder / "out"


def test_a_student_cut_out_of_its_teacher_answers_from_its_bundle(finished: tuple[dict[str, Any], Path]) -> None:
    bundle = finished[1] / "bundle"
    assert len((bundle / "vocab.txt").read_text(encoding="utf-8").splitlines()) == 70
    for precision in ("fp32", "int8"):
        predictor = load(bundle, engine="onnx", precision=precision)
        assert predictor.predict("the film was very lovely").label == "positive"
        assert predictor.predict("a dull plot").label == "negative"


def test_the_cut_student_is_within_its_budget(finished: tuple[dict[str, Any], Path]) -> None:
    student = load_student(next(finished[1].glob("pruned-*")))
    assert count_parameters(student)[0] <= 9000
    assert len(student.config.layers) == 1
    assert student.config.embedding_size == 16


def test_the_report_says_asked_predicted_and_got(finished: tuple[dict[str, Any], Path]) -> None:
    (cut,) = json.loads((finished[1] / "report.json").read_text(encoding="utf-8"))["cuts"]
    assert cut["asked"] == 9000
    assert cut["predicted"]["parameters"] == cut["got"]["parameters"] <= 9000
    assert cut["got"]["bytes"] == (finished[1] / "bundle" / "model.int8.onnx").stat().st_size
    page = (finished[1] / "report.html").read_text(encoding="utf-8")
    assert "What survived the cut" in page
    assert "Budget of the cut" in page


def test_the_plan_is_shown_without_cutting(
    finished: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = finished
    recipe = out.parent / "cut.yaml"
    recipe.write_text(yaml.safe_dump(raw), encoding="utf-8")
    before = set(out.iterdir())
    code, shown, _ = run_command(["prune", "plan", str(recipe), "--out", str(out)], capsys)
    assert code == 0
    assert set(out.iterdir()) == before
    lines = shown.splitlines()
    assert lines[0].split("\t") == ["part", "kept", "of", "saves parameters", "saves MACs"]
    assert lines[1].split("\t")[:3] == ["embedding width", "16", "32"]
    assert any(line.startswith("vocabulary rows\t70\t") for line in lines)
    assert "asked\tparameters at most 9,000" in lines


@pytest.mark.parametrize(
    "edit",
    [lambda _: '{"masks": 3', lambda plan: json.dumps({**json.loads(plan), "fingerprint": "0123456789abcdef"})],
    ids=["no-json", "of-another-model"],
)
def test_a_plan_edited_into_nonsense_is_made_again_by_showing_it(
    finished: tuple[dict[str, Any], Path],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    edit: Callable[[str], str],
) -> None:
    raw, out = finished
    (tmp_path / "cut.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    own = shutil.copytree(out, tmp_path / "out")
    plan = next(own.glob("pruning-plan-*/plan.json"))
    made = plan.read_text(encoding="utf-8")
    plan.write_text(edit(made), encoding="utf-8")
    shutil.rmtree(next(own.glob("pruned-*")))
    code, _, said = run_command(["run", str(tmp_path / "cut.yaml"), "--out", str(own)], capsys)
    assert code == 2 and said.endswith("with `penjing prune plan`\n")
    code, shown, said = run_command(["prune", "plan", str(tmp_path / "cut.yaml"), "--out", str(own)], capsys)
    assert code == 0 and "it is made again" in said and "embedding width" in shown
    assert plan.read_text(encoding="utf-8") == made


def test_a_text_named_by_the_recipe_keeps_its_words(finished: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    raw, out = finished
    whole = next(out.glob("teacher-*/vocab.txt")).read_text(encoding="utf-8").splitlines()

    def kept(**named: Any) -> set[str]:
        prune = {**raw["prune"], "vocabulary": 60, **named}
        plan = read_plan(plan_first_round(check_recipe({**raw, "prune": prune}, "test"), out))
        assert plan.vocabulary is not None and len(plan.vocabulary.kept) == 60
        return {whole[i] for i in plan.vocabulary.kept}

    rare = next(word for word in whole if word not in kept())
    (tmp_path / "names.txt").write_text(f"{rare}\n", encoding="utf-8")
    assert rare in kept(vocabulary_text={"file": str(tmp_path / "names.txt")})
    with pytest.raises(DataError, match=r"nams\.txt.* names\.txt"):
        kept(vocabulary_text={"file": str(tmp_path / "nams.txt")})


def test_two_rounds_cut_twice_and_both_plans_are_kept(finished: tuple[dict[str, Any], Path]) -> None:
    raw, out = finished
    twice = {**raw, "prune": {**raw["prune"], "rounds": 2, "budget": {"macs": 60_000}, "vocabulary": None}}
    made = make_and_prove(check_recipe(twice, "test"), Workspace(out.parent / "twice"))
    cuts = cut_rounds(made, None)
    assert len(cuts) == 2
    assert cuts[0].predicted["macs"] > cuts[1].predicted["macs"]
    assert cuts[1].got["macs"] <= 60_000


def test_an_impossible_budget_is_one_line_with_the_nearest_possible(
    finished: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = finished
    recipe = out.parent / "impossible.yaml"
    recipe.write_text(yaml.safe_dump(raw), encoding="utf-8")
    for budget in ("10", "1e9"):
        arguments = ["prune", "plan", str(recipe), "--out", str(out), "--set", f"prune.budget.parameters={budget}"]
        code, _, error = run_command(arguments, capsys)
        assert code == 2
        assert error.count("\n") == 1
        assert "the budget is" in error


def test_a_recipe_without_a_plan_is_told_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = {key: value for key, value in cut_recipe(tmp_path).items() if key != "prune"}
    sparse = {**whole, "prune": {"units": None, "sparsity": 0.5}}
    for raw, words in ((whole, "has no section `prune`"), (sparse, "only sets weights to zero")):
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
        code, _, error = run_command(
            ["prune", "plan", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "out")], capsys
        )
        assert (code, error.count("\n")) == (2, 1) and words in error
        assert not (tmp_path / "out").exists()


def test_a_mobilebert_student_is_pruned_too(tmp_path: Path) -> None:
    raw = tiny_recipe(tmp_path)
    raw["export"] = {"formats": ["onnx"]}
    prune = {"units": "sensitivity", "rate": 0.2, "multiple": 4, "sentences": 64}
    made = make_and_prove(check_recipe({**raw, "prune": prune}, "test"), Workspace(tmp_path / "out"))
    dense = load_student(next(p for p in (tmp_path / "out").glob("student-*") if (p / "student.json").exists()))
    assert count_parameters(load_student(made.student))[0] < count_parameters(dense)[0]
    assert made.proof.student_torch[0].value > 0.8


def test_masks_that_are_learned_meet_the_budget(
    finished: tuple[dict[str, Any], Path],
) -> None:
    raw, out = finished
    learned = {**raw["prune"], "units": "learned", "layers": None, "budget": {"parameters": 12_000}}
    made = make_and_prove(check_recipe({**raw, "prune": learned}, "test"), Workspace(out.parent / "learned"))
    assert count_parameters(load_student(made.student))[0] <= 12_000
    assert made.proof.student_torch[0].value > 0.8


@pytest.mark.parametrize(
    ("prune", "message"),
    [
        ({"rate": 1.0}, r"prune\.rate: .*less than 1"),
        ({"rate": -0.1}, r"prune\.rate: .*greater than or equal to 0"),
        ({}, "give a budget or a rate"),
        ({"rate": 0.5, "budget": {"macs": 5}}, "give a budget or a rate"),
        ({"budget": {"macs": 5, "bytes": 5}}, "give one of parameters, bytes, macs"),
        ({"budget": {"macs": 5}, "units": None}, "set units, or leave the budget out"),
        ({"rate": 0.5, "units": "learned"}, "give it transfer_epochs"),
        ({"rate": 0.5, "rounds": 3}, "a recovery between them"),
        ({"rate": float("nan")}, r"prune\.rate: .*(less|greater) than"),
        ({"units": None, "sparsity": 1.0}, r"prune\.sparsity: .*less than 1"),
        ({"units": None, "sparsity": -0.1}, r"prune\.sparsity: .*greater than or equal to 0"),
        ({"units": None, "sparsity": 60}, r"prune\.sparsity: .*less than 1"),
        ({"sparsity": 0.5}, "give a budget or a rate, .* or set units: null"),
        ({"units": None, "sparsity": 0.5, "rounds": 2}, "2 rounds need units or a sparsity, and a recovery"),
        ({"units": None, "rounds": 2, "recovery": {}}, "2 rounds need units or a sparsity"),
        ({"rate": 0.5, "units": "slimming"}, "units: slimming trains with the recovery's settings"),
        ({"rate": 0.5, "units": "slimming", "recovery": {"transfer_epochs": 0}}, "give it transfer_epochs"),
        ({"rate": 0.5, "penalty": 0.1}, r"penalty is slimming's: set units: slimming \(it is fisher\)"),
        ({"rate": 0.5, "units": "slimming", "penalty": 0}, r"prune\.penalty: .*greater than 0"),
        ({"rate": 0.5, "vocabulary_text": {"file": "a.txt"}}, "vocabulary_text says which rows stay: say with vocab"),
        ({"rate": 0.5, "unitz": "fisher"}, "unknown key 'unitz' in section 'prune'; did you mean 'units'"),
        ({"rate": 0.5, "widths": {"hiden": 4}}, "unknown key 'hiden' in section 'prune.widths'; did you mean 'hidden'"),
        ({"rate": 0.5, "units": "magic"}, r"prune\.units: Input should be 'fisher'"),
    ],
)
def test_a_bad_prune_section_is_one_clear_error(tmp_path: Path, prune: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_recipe({**tiny_recipe(tmp_path), "prune": prune}, "test")


@pytest.mark.parametrize(
    ("student", "given"),
    [({"architecture": "bert"}, "bert"), ({"activation": "gelu"}, "mobilebert with the activation gelu")],
)
def test_slimming_of_a_student_that_it_cannot_cut_names_what_can(
    tmp_path: Path, student: dict[str, Any], given: str
) -> None:
    prune = {"units": "slimming", "rate": 0.2, "recovery": {}}
    raw = {**tiny_recipe(tmp_path), "prune": prune}
    with pytest.raises(RecipeError, match=f"this one is {given}: choose fisher, sensitivity or learned") as caught:
        own = {} if "architecture" in student else raw["student"]
        check_recipe({**raw, "student": {**own, **student}}, "test")
    assert "\n" not in str(caught.value)


def test_a_width_that_the_architecture_has_not_is_refused(finished: tuple[dict[str, Any], Path]) -> None:
    raw, out = finished
    other = {**raw, "prune": {**raw["prune"], "widths": {"bottleneck": 8}}}
    with pytest.raises(PruningError, match="bottleneck"):
        run_recipe(check_recipe(other, "test"), out)
