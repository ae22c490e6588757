"""Predictions for a recipe's student, the commands around them, and the claims and picture of the experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from penjing.pipeline.experiments.predictor import Outcome, Trial, claims_of, drift_of, write_outcome
from penjing.pipeline.predict_commands import predict_latency, profile
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.sections import Recipe
from penjing.pipeline.target_profile.features import Tile
from penjing.pipeline.target_profile.fit import Fit
from penjing.pipeline.target_profile.predict import cautions, lengths_of, predict_student, student_of
from penjing.pipeline.target_profile.profile import Measured, Profile, write_profile
from penjing.pipeline.target_profile.rows import Place
from penjing.pipeline.text_files import read_json
from penjing.runtime.errors import RecipeError, TargetError

KINDS = ("onnx fp32", "onnx int8", "tflite fp32", "tflite int8")
FIT = Fit("OLS", Tile(1, 1), 4, {"models": 1.0, "linear_macs": 1e-6}, 9, 3, 1.0, 0.04, {"OLS": 0.02})


def made_profile(unit: Any = "ms", kinds: tuple[str, ...] = KINDS) -> Profile:
    return Profile("local", unit, "a board", {}, "2026-01-01", (8, 256), dict.fromkeys(kinds, FIT), ())


def recipe(**sections: Any) -> Recipe:
    made = check_recipe(
        {
            "name": "tiny", "task": {"labels": ["no", "yes"], "max_length": 300}, "data": {"hub": "none"},
            "student": {
                "layers": 2, "hidden_size": 32, "bottleneck_size": 16, "embedding_size": 16, "heads": 2,
                "intermediate_size": 16, "feed_forwards": 1,
            },
            "export": {"sequence_lengths": [16, 300]}, "benchmark": {"lengths": [20]}, **sections,
        },
        "test",
    )  # fmt: skip
    assert isinstance(made, Recipe)
    return made


def test_a_student_is_foretold_for_each_engine_precision_and_length() -> None:
    wanted = recipe()
    found = predict_student(made_profile(), student_of(wanted), wanted.quantize.precisions, lengths_of(wanted))
    assert [(p.engine, p.precision, p.length, p.computed) for p in found if p.precision == "fp32"] == [
        ("onnx", "fp32", 16, 16), ("onnx", "fp32", 20, 20), ("onnx", "fp32", 300, 300),
        ("tflite", "fp32", 16, 16), ("tflite", "fp32", 20, 300), ("tflite", "fp32", 300, 300),
    ]  # fmt: skip
    values = {(p.engine, p.length): p.value for p in found}
    assert 1 < values["onnx", 16] < values["onnx", 20] < values["onnx", 300] == values["tflite", 20]


def test_a_deeper_student_takes_longer() -> None:
    shallow, deep = recipe(), recipe(student={"layers": 9, "hidden_size": 32, "bottleneck_size": 16, "heads": 2})
    first, second = (predict_student(made_profile(), student_of(r), ["fp32"], [16])[0].value for r in (shallow, deep))
    assert second > first


def test_a_student_that_is_cut_out_of_its_teacher_is_refused() -> None:
    with pytest.raises(RecipeError, match="architecture is bert"):
        student_of(recipe(student={"architecture": "bert"}))


def test_an_engine_that_the_profile_lacks_is_left_out_and_named() -> None:
    phone = made_profile(kinds=KINDS[:2])
    found = predict_student(phone, student_of(recipe()), ["fp32"], [16])
    assert [each.engine for each in found] == ["onnx"]
    assert any("knows no tflite fp32" in said for said in cautions(phone, recipe(), "a board"))
    with pytest.raises(TargetError, match="knows onnx fp32, onnx int8, none of which the recipe exports"):
        predict_student(phone, student_of(recipe()), ["int4"], [16])


def test_what_may_make_a_prediction_wrong_is_said() -> None:
    said = list(cautions(made_profile(), recipe(prune={"units": "fisher", "budget": {"parameters": 1e6}}), "a laptop"))
    assert "300 tokens are beyond the 8 to 256" in said[0]
    assert "the profile is of a board, this machine is a laptop" in said[1]
    assert "before the cut" in said[2]
    assert not list(
        cautions(
            made_profile(),
            recipe(task={"labels": ["no", "yes"], "max_length": 16}, export={}, benchmark={}),
            "a board",
        )
    )


@pytest.mark.parametrize(("unit", "word"), [("ms", " ms"), ("instructions", " M instructions")])
def test_the_command_prints_a_table_in_the_profiles_unit(tmp_path: Path, unit: str, word: str) -> None:
    app = typer.Typer()
    app.command()(predict_latency)
    write_profile(made_profile(unit), tmp_path / "board.json")
    done = CliRunner().invoke(app, ["assistant", "--target", str(tmp_path / "board.json"), "--set", "student.layers=1"])
    assert done.exit_code == 0, done.output
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines[0] == ["engine", "precision", "tokens", "latency", "9 of 10 within"]
    assert len(lines) == 1 + 2 * 2 * 2 and all(word in line[3] and line[4] == "±4.0%" for line in lines[1:])


def test_both_commands_have_examples() -> None:
    for command in (profile, predict_latency):
        app = typer.Typer(rich_markup_mode=None)
        app.command()(command)
        assert "Examples:" in CliRunner().invoke(app, ["--help"]).stdout


def outcome(errors: list[float], unit: Any = "ms", target: str = "local") -> Outcome:
    places = [Place(f"u{i // 2}", "onnx", "fp32", 16) for i in range(len(errors))]
    made = Profile(target, unit, "a board", {}, "2026-01-01", (8, 256), {"onnx fp32": FIT}, ())
    trials = tuple(Trial(place, 2, 10.0, 10 * (1 + error)) for place, error in zip(places, errors, strict=True))
    return Outcome(made, trials, {"onnx fp32": 1.1})


def test_claims_say_how_many_files_were_foretold_and_whether_that_is_enough() -> None:
    claims = {claim["id"]: claim for claim in claims_of(outcome([-0.05, 0.02, -0.09, 0.2]))}
    near = claims["predictor.local.near"]
    assert near["value"] == 0.75 and near["met"] is False and near["target"] == ">= 0.9" and "missed" in near["why"]
    # The machine has become slower by a tenth since: with that, the second prediction is too high, the last far off.
    assert claims["predictor.local.near_same_run"]["value"] == 0.5
    assert claims["predictor.local.onnx.fp32.drift"]["value"] == 1.1
    low, high = near["interval"]
    assert low <= near["value"] <= high


def test_how_much_the_machine_changed_is_the_median_over_students_measured_twice() -> None:
    places = [Place(f"p{i}", "onnx", "fp32", 16) for i in range(4)]
    made = made_profile(kinds=KINDS[:1])
    made = Profile(**{**vars(made), "measured": tuple(Measured(place, 2.0) for place in places)})
    assert drift_of(made, dict(zip(places[:3], (2.0, 2.2, 9.0), strict=True))) == {"onnx fp32": 1.1}
    assert drift_of(made, {}) == {"onnx fp32": 1.0}


def test_outcomes_of_two_targets_share_one_file_and_one_picture(tmp_path: Path) -> None:
    to = tmp_path / "predictor.json"
    for made in (outcome([0.5]), outcome([0.0], "instructions", "qemu:cortex-a72"), outcome([0.0])):
        write_outcome(made, to, "remake")
    raw = read_json(to)
    assert set(raw["outcomes"]) == {"local", "qemu:cortex-a72"}
    claims = {claim["id"]: claim for claim in raw["claims"]}
    assert len(claims) == len(raw["claims"]) and all(claim["command"] == "remake" for claim in raw["claims"])
    assert claims["predictor.local.near"]["met"] and claims["predictor.qemu-cortex-a72.near"]["target"] == ">= 0.97"
    svg = to.with_suffix(".svg").read_text(encoding="utf-8")
    assert "local: ms" in svg and "qemu:cortex-a72: million instructions" in svg
