"""`quantize.training` in a recipe: a student whose weights plain int8 spoils is mended, a sound one is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_recipe import tiny_recipe

from penjing.compress.models.checkpoint import load_student, save_student
from penjing.compress.prune.units import layers_of
from penjing.pipeline.fit import train_student
from penjing.pipeline.judge import write_reports
from penjing.pipeline.proof import Made
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.retrain import remedy
from penjing.pipeline.run import make_and_prove, make_sources
from penjing.pipeline.ship import ship_bundles
from penjing.pipeline.workspace import Workspace
from penjing.runtime import load
from penjing.runtime.errors import RecipeError

TRAINING = {"epochs": 8, "learning_rate": 4e-3, "batch_size": 16, "evaluations_per_epoch": 1}
OUTLIER = 60.0
"""64 steps of a row's scale reach to its largest value: beside this one they are wider than all other weights."""


def bert_recipe(folder: Path, training: dict[str, Any] | None = None) -> dict[str, Any]:
    """The tiny recipe with the teacher itself for a student, as ONNX files, and limits that a broken file breaks."""
    raw = tiny_recipe(folder) | {"student": {"architecture": "bert"}, "export": {"formats": ["onnx"]}}
    return raw | {"limits": {"flips": 0.1, "metric_drop": 0.1}, "quantize": {"training": training}}


def with_outliers(raw: dict[str, Any], out: Path) -> None:
    """Does the stages up to the student and gives its weights outliers that its own function does not feel.

    One number added to a whole input column of a product adds the same to all of its outputs, which the LayerNorm
    behind it takes out again, in the values and in the gradients.
    """
    recipe, space = check_recipe(raw, "test"), Workspace(out)
    with space.locked():
        folder = train_student(recipe, space, make_sources(recipe, space))
    student = load_student(folder)
    with torch.no_grad():
        for layer in layers_of(student):
            layer.attention.output.dense.weight[:, 0] += OUTLIER
            layer.output.dense.weight[:, 0] += OUTLIER
    save_student(student, folder)


def validation(made: Made, file: str) -> tuple[float, float]:
    """Accuracy and share of flips of the file on the validation text."""
    return next((p.value, p.flips / p.n) for p in made.proof.student if p.file == file and p.split == "validation")


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The line up to the bundle and the report; nothing is timed."""
    folder = tmp_path_factory.mktemp("mended")
    raw = bert_recipe(folder, TRAINING)
    with_outliers(raw, folder / "out")
    recipe, space = check_recipe(raw, "test"), Workspace(folder / "out")
    with space.locked():
        made = make_and_prove(recipe, space)
        ship_bundles(recipe, space, made)
        write_reports(recipe, space, made, measured=None)
    return raw, folder / "out"


def test_a_student_that_plain_int8_breaks_is_trained_until_its_int8_file_is_within_the_limits(
    mended: tuple[dict[str, Any], Path],
) -> None:
    raw, out = mended
    made = make_and_prove(check_recipe(raw, "test"), Workspace(out))
    assert made.before is not None
    assert "limits.flips" in made.before.proof.broken[0]
    assert not made.proof.broken
    plain, trained = validation(made.before, "model.int8.onnx"), validation(made, "model.int8.onnx")
    assert plain[0] < 0.75  # accuracy
    assert plain[1] > 0.2  # flips
    assert trained[0] > 0.9
    assert trained[1] < 0.1
    assert validation(made, "model.onnx")[0] > 0.9


def test_what_is_shipped_is_the_student_trained_for_int8(mended: tuple[dict[str, Any], Path]) -> None:
    bundle = mended[1] / "bundle"
    predictor = load(bundle, engine="onnx", precision="int8")
    assert predictor.predict("the film was very lovely").label == "positive"
    assert predictor.predict("a dull plot").label == "negative"
    assert "was trained with its values rounded" in (bundle / "README.md").read_text(encoding="utf-8")


def test_the_report_shows_int8_before_and_after_and_the_trainings_curve(mended: tuple[dict[str, Any], Path]) -> None:
    out = mended[1]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    (before,) = report["before"]
    after = next(row for row in report["models"] if row["label"] == before["label"])
    assert before["flips"]["count"] > after["flips"]["count"]
    (curve,) = (curve for curve in report["curves"] if curve["label"] == "student: quantized")
    assert len(curve["points"]) == TRAINING["epochs"]
    for file in ("report.html", "report.md"):
        assert "Training for int8" in (out / file).read_text(encoding="utf-8")


def test_the_training_is_one_stage_and_without_its_section_plain_int8_fails(
    mended: tuple[dict[str, Any], Path],
) -> None:
    raw, out = mended
    assert len(list(out.glob("quantized-student-*"))) == 1
    made = make_and_prove(check_recipe({**raw, "quantize": {}}, "test"), Workspace(out))
    assert "model.int8.onnx: flips" in made.proof.broken[0]
    plain, sparse = {**raw, "quantize": {}}, {"prune": {"units": None, "sparsity": 0.5}}
    assert remedy(check_recipe(plain, "test"), made) == 'train for int8 (--set "quantize.training={}") or change limits'
    for asked in (raw, plain | sparse):  # it was asked for, or does not go together
        assert remedy(check_recipe(asked, "test"), made) == "retrain or change limits"
    assert len(list(out.glob("quantized-student-*"))) == 1


def test_the_section_leaves_the_names_of_other_stages_alone(tmp_path: Path) -> None:
    raw, out = {**tiny_recipe(tmp_path), "export": {"formats": ["onnx"]}}, tmp_path / "out"
    names = []
    for quantize in ({"training": TRAINING}, {}):
        make_and_prove(check_recipe({**raw, "quantize": quantize}, "test"), Workspace(out))
        names.append({path.name for path in out.glob("*-????????????")})
    assert names[0] == names[1]


def test_a_student_within_its_limits_is_not_trained_again(tmp_path: Path) -> None:
    made = make_and_prove(check_recipe(bert_recipe(tmp_path, TRAINING), "test"), Workspace(tmp_path / "out"))
    assert made.before is None
    assert not list((tmp_path / "out").glob("quantized-student-*"))


@pytest.mark.parametrize(
    ("quantize", "message"),
    [
        ({"precisions": ["fp32"], "training": {}}, "add int8 or take out training"),
        ({"training": {"epochs": 0}}, r"quantize\.training\.epochs: .*greater than or equal to 1"),
        ({"training": {"epoch": 2}}, "unknown key 'epoch' in section 'quantize.training'; did you mean 'epochs'"),
    ],
)
def test_a_bad_quantize_section_is_one_clear_error(tmp_path: Path, quantize: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as error:
        check_recipe({**tiny_recipe(tmp_path), "quantize": quantize}, "test")
    assert "\n" not in str(error.value)
