"""`prune.sparsity` and slimming in a recipe: zeros that stay zero up to the int8 file, and a bundle that says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from numpy.typing import NDArray
from onnx import numpy_helper
from tiny_recipe import tiny_recipe

from penjing.compress.models.checkpoint import count_parameters, load_student
from penjing.compress.models.folded import inference_form
from penjing.compress.prune.plan import PLAN_NAME, read_plan
from penjing.compress.prune.sparse_bytes import NOT_FASTER, coded_size
from penjing.compress.prune.sparse_encoder import sparse_matrices
from penjing.compress.prune.units import full_masks
from penjing.compress.prune.weight_masks import load_masks, sparsity_of
from penjing.pipeline import recovery
from penjing.pipeline.cli import main
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import make_and_prove, run_recipe
from penjing.pipeline.sparsify import MASKS_NAME
from penjing.pipeline.workspace import Workspace
from penjing.runtime import load
from penjing.runtime.errors import PruningError, RecipeError
from penjing.runtime.manifest import read_manifest

RECOVERY = {"transfer_epochs": 1, "epochs": 1, "batch_size": 16, "learning_rate": 1e-3}
SPARSE = {"units": None, "sparsity": 0.6, "rounds": 2, "recovery": RECOVERY}


def sparse_recipe(folder: Path) -> dict[str, Any]:
    raw = tiny_recipe(folder)
    return {**raw, "student": {"architecture": "bert"}, "export": {"formats": ["onnx"]}, "prune": SPARSE}


def rounds(out: Path) -> list[Path]:
    """Folders of the sparse rounds, densest first."""
    return sorted(out.glob("sparse-*"), key=lambda folder: sparsity_of(load_masks(folder / MASKS_NAME)))


def zeros_of(model: Any, names: tuple[str, ...]) -> list[int]:
    weights = dict(model.named_parameters())
    return [int((weights[name] == 0).sum()) for name in names]


def matrices(path: Path) -> dict[str, NDArray[Any]]:
    """Of an ONNX file, by the names of the form for devices; int8 ones as they are stored."""
    initializers = onnx.load(path).graph.initializer
    return {i.name.removesuffix("_quantized").removesuffix("_rows"): numpy_helper.to_array(i) for i in initializers}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("sparse")
    raw = sparse_recipe(folder)
    run_recipe(check_recipe(raw, "test"), folder / "out")
    return raw, folder / "out"


def test_two_rounds_take_the_same_share_of_what_is_left(finished: tuple[dict[str, Any], Path]) -> None:
    shares = [sparsity_of(load_masks(folder / MASKS_NAME)) for folder in rounds(finished[1])]
    assert shares == pytest.approx([1 - 0.4**0.5, 0.6], abs=1e-4)
    first, last = (load_masks(folder / MASKS_NAME) for folder in rounds(finished[1]))
    assert all((first[name] | ~last[name]).all() for name in last), "what is gone stays gone"


def test_zeros_survive_training(finished: tuple[dict[str, Any], Path]) -> None:
    last = rounds(finished[1])[-1]
    masks, weights = load_masks(last / MASKS_NAME), load_student(last).state_dict()
    assert all((weights[name][~mask] == 0).all() and (weights[name][mask] != 0).all() for name, mask in masks.items())
    before = load_student(rounds(finished[1])[0]).state_dict()
    assert all(not torch.equal(weights[name], before[name] * mask) for name, mask in masks.items()), "others learnt"
    history = json.loads((last / "history.json").read_text())
    assert history["transfer"] and history["task"]


@pytest.mark.parametrize("name", ["model.onnx", "model.int8.onnx"])
def test_zeros_survive_export_and_quantization(finished: tuple[dict[str, Any], Path], name: str) -> None:
    last = rounds(finished[1])[-1]
    form = inference_form(load_student(last), 16).state_dict()
    stored, zeros = matrices(finished[1] / "bundle" / name), 0
    for place, weight in ((n, w) for n, w in form.items() if n.startswith("layers.") and w.dim() == 2):
        assert (stored[place].T[weight.numpy() == 0] == 0).all(), place
        zeros += int((stored[place] == 0).sum())
    assert zeros >= sum(int((~mask).sum()) for mask in load_masks(last / MASKS_NAME).values())


def test_the_bundle_says_what_sparsity_buys_and_that_nothing_is_faster(
    finished: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = finished[1] / "bundle"
    found = read_manifest(bundle).provenance["sparsity"]
    student = inference_form(load_student(rounds(finished[1])[-1]), 16).state_dict()
    assert found["share"] == pytest.approx(0.6, abs=1e-4)
    for precision in ("fp32", "int8"):
        size = coded_size(student, precision)
        assert (found[precision]["coded_bytes"], found[precision]["dense_bytes"]) == (size.coded, size.dense)
    assert found["fp32"]["coded_bytes"] < 0.7 * found["fp32"]["dense_bytes"]
    assert found["speed"] == NOT_FASTER
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert "Of the weights of the encoder's matrices 60.0% were set to zero." in card and NOT_FASTER in card
    report = json.loads((finished[1] / "report.json").read_text(encoding="utf-8"))
    assert [size["coded"] for size in report["coded"]] == [found[p]["coded_bytes"] for p in ("fp32", "int8")]
    assert "What sparsity buys" in (finished[1] / "report.html").read_text(encoding="utf-8")
    assert "sparsity" not in read_manifest(finished[1] / "teacher-bundle").provenance
    with pytest.raises(SystemExit):
        main(["inspect", str(bundle)])
    shown = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("sparsity"))
    assert f'"coded_bytes": {found["int8"]["coded_bytes"]}' in shown and NOT_FASTER in shown
    assert load(bundle).predict("the film was very lovely").label == "positive"


def test_a_run_killed_in_the_second_round_goes_on_with_the_second_round(
    finished: tuple[dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, out = finished
    once = {**raw, "prune": {**SPARSE, "sparsity": 0.5, "recovery": {**RECOVERY, "epochs": 0}}}
    learnt: list[int] = []

    def killed(*arguments: Any, **named: Any) -> Any:
        learnt.append(1)
        if len(learnt) == 2:
            raise KeyboardInterrupt
        return run_phases(*arguments, **named)

    run_phases = recovery.run_phases
    monkeypatch.setattr(recovery, "run_phases", killed)
    with pytest.raises(KeyboardInterrupt):
        make_and_prove(check_recipe(once, "test"), Workspace(out))
    made = make_and_prove(check_recipe(once, "test"), Workspace(out))
    assert len(learnt) == 3
    assert sparsity_of(load_masks(made.student / MASKS_NAME)) == pytest.approx(0.5, abs=1e-4)


def test_without_a_recovery_nothing_is_trained(finished: tuple[dict[str, Any], Path]) -> None:
    raw, out = finished
    made = make_and_prove(check_recipe({**raw, "prune": {"units": None, "sparsity": 0.2}}, "test"), Workspace(out))
    dense = load_student(next(out.glob("student-*/student.json")).parent).state_dict()
    masks, weights = load_masks(made.student / MASKS_NAME), load_student(made.student).state_dict()
    assert all(torch.equal(weights[name], dense[name] * masks.get(name, 1)) for name in dense)


def test_a_sparsity_of_nothing_leaves_the_student_as_it_is(finished: tuple[dict[str, Any], Path]) -> None:
    raw, out = finished
    made = make_and_prove(check_recipe({**raw, "prune": {"units": None, "sparsity": 0.0}}, "test"), Workspace(out))
    assert not (made.student / MASKS_NAME).exists()


def test_zeros_and_a_training_that_would_move_them_exclude_each_other(tmp_path: Path) -> None:
    raw = {**tiny_recipe(tmp_path), "prune": SPARSE, "quantize": {"training": {}}}
    with pytest.raises(RecipeError, match="leave one of the two out"):
        check_recipe(raw, "test")


def test_sparsity_alone_has_no_plan_to_show(
    finished: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = finished
    recipe = out.parent / "sparse.yaml"
    recipe.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main(["prune", "plan", str(recipe), "--out", str(out)])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count("\n") == 1 and "there is no plan to show" in error


def test_a_mobilebert_student_is_slimmed_then_made_sparse(tmp_path: Path) -> None:
    raw = {**tiny_recipe(tmp_path), "export": {"formats": ["onnx"]}}
    slim = {"units": "slimming", "penalty": 1e-3, "budget": {"macs": 150_000}, "multiple": 4, "sparsity": 0.3,
            "sentences": 64, "recovery": {**RECOVERY, "transfer_epochs": 2}}  # fmt: skip
    made = make_and_prove(check_recipe({**raw, "prune": slim}, "test"), Workspace(tmp_path / "out"))
    (folder,) = made.pruned.plans
    plan, trained, small = read_plan(folder), load_student(folder), load_student(made.student)
    summary = json.loads((folder / "summary.json").read_text())
    assert plan.method == "slimming" and plan.masks.heads == full_masks(trained.config).heads
    assert summary["predicted"]["macs"] <= 150_000 < summary["before"]["macs"]
    assert all(width % 4 == 0 for layer in small.config.layers for width in layer.feed_forwards)
    assert count_parameters(small)[0] == summary["predicted"]["parameters"]
    assert made.proof.student_torch[0].value > 0.8
    names = sparse_matrices(small)
    assert not any("query" in name or "key" in name or "bottleneck.attention" in name for name in names)
    masks = load_masks(made.student / MASKS_NAME)
    assert zeros_of(small, names) == [int((~masks[name]).sum()) for name in names]
    stored = matrices(made.files / "model.int8.onnx")
    zeros = sum(int((value == 0).sum()) for name, value in stored.items() if name.startswith("layers."))
    assert zeros >= sum(zeros_of(small, names))

    # Edited by hand into nonsense, the plan is refused in one line.
    edited = json.loads((folder / PLAN_NAME).read_text())
    edited["masks"]["neurons"][0][0] = [0.0] * len(edited["masks"]["neurons"][0][0])
    (folder / PLAN_NAME).write_text(json.dumps(edited))
    next((tmp_path / "out").glob("pruned-*")).rename(tmp_path / "removed")
    with pytest.raises(PruningError, match="neurons: all 16 are cut; a layer must keep one"):
        make_and_prove(check_recipe({**raw, "prune": slim}, "test"), Workspace(tmp_path / "out"))


def test_numpy_is_the_judge_of_what_was_cut(finished: tuple[dict[str, Any], Path]) -> None:
    """The first round's zeros are the smallest weights of all matrices together, by a plain sort."""
    out = finished[1]
    student = load_student(next(out.glob("student-*/student.json")).parent)
    weights, masks = dict(student.named_parameters()), load_masks(rounds(out)[0] / MASKS_NAME)
    sizes = np.concatenate([weights[name].detach().abs().numpy().ravel() for name in masks])
    kept = np.concatenate([mask.numpy().ravel() for mask in masks.values()])
    assert sizes[~kept].max() <= sizes[kept].min()
