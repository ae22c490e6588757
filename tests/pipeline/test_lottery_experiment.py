"""The lottery experiments, tiny: every kind is played, claims are whole, a second run computes nothing."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from test_claims import problems
from tiny import write_encoder, write_table
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from penjing.compress.prune.lottery import draw
from penjing.compress.prune.lottery_curve import CONTROLS, KINDS, TICKETS, Curve, Point
from penjing.compress.prune.weight_masks import load_masks, sparsity_of
from penjing.compress.teacher import load_encoder
from penjing.compress.tokens import tokenize
from penjing.pipeline.claims import t_interval
from penjing.pipeline.experiments.lottery import publish_digits
from penjing.pipeline.experiments.lottery_claims import lottery_claims
from penjing.pipeline.experiments.lottery_digits import (
    CNN,
    DigitsSettings,
    count_digits,
    digits_lottery,
    digits_training,
)
from penjing.pipeline.experiments.lottery_rounds import read_point
from penjing.pipeline.experiments.lottery_sst2 import (
    Sst2Settings,
    count_sst2,
    encoder_matrices,
    play_sst2,
    read_sst2,
    taught_loss,
)
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.workspace import Workspace

TINY = DigitsSettings(epochs=2, rate=0.5, rounds=2, early_step=4)


def test_every_round_has_its_own_optimizer_whose_rate_falls_to_zero() -> None:
    rates: dict[int, list[float]] = {}

    def record(optimizer: Optimizer, *_: object) -> None:
        rates.setdefault(id(optimizer), []).append(optimizer.param_groups[0]["lr"])
        kept.append(optimizer)

    kept: list[Optimizer] = []  # so that no id is used twice
    handle = register_optimizer_step_post_hook(record)
    training, model = digits_training(TINY, 1), digits_lottery(TINY, 1).make_model()
    training(model, 0, None)
    training(model, 4, None)
    handle.remove()
    whole, rest = rates.values()
    assert whole[0] == TINY.learning_rate and rest == whole[4:]
    assert whole == sorted(whole, reverse=True) and whole[-1] == pytest.approx(TINY.learning_rate / len(whole))


def test_the_digits_are_learnt_by_half_of_the_weights() -> None:
    settings = DigitsSettings(epochs=5, rounds=1)
    dense, ticket = draw(digits_lottery(settings, 1), (0.5,))
    assert dense.score > 0.85 and ticket.score > 0.85


def test_the_digits_are_published_whole_and_continue_where_they_were(tmp_path: Path) -> None:
    target = tmp_path / "results" / "lottery_digits.json"
    publish_digits(TINY, (1, 2), tmp_path / "out", target)
    result = json.loads(target.read_text())
    assert [problem for claim in result["claims"] for problem in problems(claim)] == []
    curve = Curve.from_json(result["curve"])
    assert {point.kind for point in curve.points} == set(KINDS) - {"longer_dense"}
    assert {kind: curve.sparsities(kind) for kind in KINDS[1:-1]} == dict.fromkeys(KINDS[1:-1], (0.5, 0.75))
    ElementTree.fromstring(target.with_suffix(".svg").read_text())

    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.json")}
    torch.manual_seed(5)
    publish_digits(TINY, (1, 2), tmp_path / "out", target)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.json")} == made
    assert json.loads(target.read_text()) == result


def test_a_cnn_s_tickets_have_their_controls_where_they_are_sparsest(tmp_path: Path) -> None:
    settings = replace(TINY, network="cnn", epochs=1, tickets_alone=True)
    assert CNN.control_rounds() == range(12, 18) and DigitsSettings().control_rounds() == range(18)
    target = tmp_path / "lottery_digits_cnn.json"
    publish_digits(settings, (1, 2), tmp_path / "out", target, "digits_cnn")
    result = json.loads(target.read_text())
    assert [problem for claim in result["claims"] for problem in problems(claim)] == []
    curve = Curve.from_json(result["curve"])
    assert {kind: curve.sparsities(kind) for kind in (*TICKETS, *CONTROLS)} == {
        **dict.fromkeys(TICKETS, (0.5, 0.75)), **dict.fromkeys(CONTROLS, (0.75,))
    }  # fmt: skip
    assert len(curve.points) == 2 * count_digits(settings)
    targets = {claim["id"]: claim["target"] for claim in result["claims"]}
    assert targets["lottery_digits_cnn.ticket"] == targets["lottery_digits_cnn.best_ticket"] == ">= 0.9"
    (masks,) = {tuple(mask.ndim for mask in load_masks(p).values()) for p in tmp_path.rglob("masks.safetensors")}
    assert masks == (4, 4, 4, 4)


def test_seeds_can_be_played_one_by_one_and_published_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, target = DigitsSettings(epochs=1, rounds=1), tmp_path / "lottery_digits.json"
    for seed in (2, 1):
        publish_digits(settings, (seed,), tmp_path / "out", target)
    assert not target.exists() and "add seeds and run again" in capsys.readouterr().err
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.json")}
    publish_digits(settings, (1, 2), tmp_path / "out", target)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.json")} == made
    assert json.loads(target.read_text())["seeds"] == [1, 2]


def test_three_seeds_on_sst2_are_75_trainings_and_controls_stand_where_a_ticket_does() -> None:
    settings = Sst2Settings()
    assert 3 * count_sst2(settings) == 75
    assert set(settings.controls) <= set(settings.sparsities()) and max(settings.sparsities()) == 0.7


@pytest.mark.parametrize("taught", [True, False])
def test_an_encoder_is_pruned_in_its_matrices_alone(tmp_path: Path, taught: bool) -> None:
    write_encoder(tmp_path / "encoder")
    for name, count in (("train", 64), ("dev", 32)):
        write_table(tmp_path / f"{name}.tsv", count, seed=count)
    recipe = check_recipe(
        {
            "name": "tiny", "task": {"labels": ["negative", "positive"], "max_length": 24},
            "data": {"train": str(tmp_path / "train.tsv"), "validation": str(tmp_path / "dev.tsv")},
            "teacher": {"model": str(tmp_path / "encoder")}, "export": {"sequence_lengths": [24]},
        },
        "a test",
    )  # fmt: skip
    settings = Sst2Settings(sentences=48, batch_size=16, rate=0.4, rounds=1, controls=(0.4,), taught=taught)
    space = Workspace(tmp_path / "out")
    task = read_sst2(recipe, settings, space)
    names = encoder_matrices(task.encoder(1))
    assert len(task.train.texts) == 48 and len(names) == 2 * 6 + 1
    assert (task.teacher is not None) == taught
    folders = list(play_sst2(space, task, 1, measure_bytes=False))
    assert len(folders) == count_sst2(settings)
    kinds = [read_point(folder).kind for folder in folders]
    assert kinds == [
        "dense", "ticket", "rate_ticket", "longer_dense", "random_mask", "random_weights", "shuffled_weights",
    ]  # fmt: skip
    masks = load_masks(folders[1] / "masks.safetensors")
    assert tuple(masks) == tuple(sorted(names)) and sparsity_of(masks) == pytest.approx(0.4, abs=1e-4)


def test_a_teacher_that_is_taught_by_itself_has_nothing_to_learn(tmp_path: Path) -> None:
    write_encoder(tmp_path)
    teacher, _ = load_encoder(str(tmp_path), ("negative", "positive"), 24)
    batch = tokenize(("a good film", "bad"), tmp_path, 24).batch([0, 1])
    assert float(taught_loss(teacher.eval(), teacher, batch).detach()) == pytest.approx(0, abs=1e-6)
    student = copy.deepcopy(teacher)
    torch.nn.init.zeros_(student.classifier.weight)
    loss = taught_loss(student, teacher, batch)
    loss.backward()
    assert float(loss.detach()) > 1e-6 and all(p.grad is None for p in teacher.parameters())


def test_a_missed_target_and_a_control_as_good_as_the_ticket_are_written_down() -> None:
    scores = {"dense": (0.9, 0.92), "ticket": (0.85, 0.86), "random_mask": (0.86, 0.85)}
    points = [Point(k, 0.0 if k == "dense" else 0.5, s, v) for k, both in scores.items() for s, v in enumerate(both)]
    points += [Point(kind, 0.5, s, 0.5) for kind in ("random_weights", "shuffled_weights") for s in (0, 1)]
    claims = {claim["id"]: claim for claim in lottery_claims("x", Curve("accuracy", 9, tuple(points)), 0.5)}
    assert (claims["x.ticket"]["met"], claims["x.ticket"]["value"]) == (False, 0.0)
    assert "0.8550; 0.8959 is needed" in claims["x.ticket"]["why"]
    assert not claims["x.above.random_mask"]["met"] and claims["x.above.shuffled_weights"]["met"]


def test_the_best_of_all_ways_to_rewind_has_the_target_too_and_says_which_it_is() -> None:
    scores = {"dense": (0.9, 0.92), "ticket": (0.85, 0.86), "rate_ticket": (0.91, 0.9)}
    points = [Point(k, 0.0 if k == "dense" else 0.5, s, v) for k, both in scores.items() for s, v in enumerate(both)]
    points += [Point(kind, 0.5, s, 0.5) for kind in CONTROLS for s in (0, 1)]
    points += [Point("longer_dense", 0.5, s, 0.915) for s in (0, 1)]
    claims = {claim["id"]: claim for claim in lottery_claims("x", Curve("accuracy", 9, tuple(points)), 0.5)}
    best = claims["x.best_ticket"]
    assert (best["value"], best["met"], best["kind"]) == (0.5, True, "rate_ticket")
    assert not claims["x.ticket"]["met"]
    assert claims["x.rate_ticket.above.longer_dense"]["value"] == pytest.approx(-0.01)


def test_the_interval_is_students() -> None:
    low, high = t_interval([1.0, 2.0, 3.0]) or (0, 0)
    assert (low, high) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), abs=1e-3)
    assert t_interval([1.0]) is None
