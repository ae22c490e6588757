"""The training loop: it learns, it resumes to the same weights, and it stops at NaN."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from penjing.compress import training
from penjing.compress.tokens import shuffled_batches
from penjing.compress.training import TrainingPlan, train
from penjing.runtime.errors import TrainingError

PLAN = TrainingPlan(epochs=6, batch_size=8, learning_rate=0.2, warmup=0.1, evaluations_per_epoch=2, seed=3)


class InterruptedTrainingError(Exception):
    """Stands for a kill in the middle of training."""


def regression(seed: int = 0) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(seed)
    x = torch.randn(64, 4)
    return nn.Sequential(nn.Dropout(0.2), nn.Linear(4, 1)), x, x @ torch.tensor([[1.0], [-2.0], [0.5], [0.0]])


def run(folder: Path, stop_at: int | None = None) -> dict[str, Tensor]:
    model, x, y = regression()
    seen = 0

    def step_loss(module: nn.Module, indices: list[int]) -> Tensor:
        nonlocal seen
        seen += 1
        if seen == stop_at:
            raise InterruptedTrainingError
        loss: Tensor = (module(x[indices]).float() - y[indices]).square().mean()
        return loss

    def evaluate() -> float:
        return 1.0 / (1.0 + float((model(x).float() - y).square().mean()))

    train(model, np.full(64, 5), step_loss, evaluate, PLAN, folder, "test")
    return dict(model.state_dict())


def test_the_loss_falls_and_the_best_weights_are_left(tmp_path: Path) -> None:
    weights = run(tmp_path)
    assert (weights["1.weight"] - torch.tensor([[1.0, -2.0, 0.5, 0.0]])).abs().max() < 0.6


def test_steps_are_in_bf16_where_the_machine_has_it_and_checkpoints_are_judged_as_files_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "has_fast_bf16", lambda: True)
    model, x, y = regression()
    learnt, judged = set(), set()

    def step_loss(module: nn.Module, indices: list[int]) -> Tensor:
        answer = module(x[indices])
        learnt.add(answer.dtype)
        return (answer.float() - y[indices]).square().mean()

    def evaluate() -> float:
        judged.add(model(x).dtype)
        return 0.5

    train(model, np.full(64, 5), step_loss, evaluate, PLAN, tmp_path, "test")
    assert (learnt, judged) == ({torch.bfloat16}, {torch.float32})


def test_a_killed_training_continues_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected = run(whole)
    with pytest.raises(InterruptedTrainingError):
        run(broken, stop_at=11)
    state = json.loads((broken / "checkpoint.json").read_text())
    assert state["step"] == 10
    resumed = run(broken)
    for name, value in expected.items():
        assert torch.equal(value, resumed[name])


def test_a_checkpoint_cut_between_its_two_files_starts_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected = run(whole)
    with pytest.raises(InterruptedTrainingError):
        run(broken, stop_at=11)
    state = json.loads((broken / "checkpoint.json").read_text())
    (broken / "checkpoint.json").write_text(json.dumps({**state, "step": 9}))
    resumed = run(broken)
    assert all(torch.equal(value, resumed[name]) for name, value in expected.items())


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    model = nn.Linear(2, 1)
    calls = 0

    def step_loss(module: nn.Module, indices: list[int]) -> Tensor:
        nonlocal calls
        calls += 1
        loss: Tensor = module(torch.ones(len(indices), 2)).float().mean()
        return loss * (float("nan") if calls == 4 else 1.0)

    with pytest.raises(TrainingError, match=r"nan at step 3.*lower the learning rate"):
        train(model, np.full(64, 5), step_loss, lambda: 0.0, PLAN, tmp_path, "test")
    assert json.loads((tmp_path / "checkpoint.json").read_text())["step"] == 3
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_parameter_moves_by_its_own_multiple_of_the_rate(tmp_path: Path) -> None:
    """AdamW as public code has it drops the multiples, and every layer then learns at the full rate."""
    model = nn.ModuleDict({name: nn.Linear(4, 1, bias=False) for name in ("whole", "tenth", "none")})
    for layer in model.values():
        nn.init.ones_(layer.weight)

    def step_loss(module: nn.Module, indices: list[int]) -> Tensor:
        loss: Tensor = sum((layer(torch.ones(1, 4)).float().mean() for layer in module.values()), torch.zeros(()))
        return loss

    plan = replace(PLAN, epochs=1, batch_size=64, learning_rate=0.01, warmup=0.0, keep_best=False)
    rates = {"whole.weight": 1.0, "tenth.weight": 0.1, "none.weight": 0.0}
    train(model, np.full(64, 5), step_loss, lambda: 0.0, plan, tmp_path, "test", rates.__getitem__)
    whole, tenth, none = (1 - layer.weight.mean().item() for layer in model.values())
    assert whole > 0.009 and tenth == pytest.approx(0.1 * whole, rel=1e-3) and none == 0


def test_no_training_is_in_fp16_where_no_norm_overflows(tmp_path: Path) -> None:
    model, x, y = regression()
    seen = set()

    def step_loss(module: nn.Module, indices: list[int]) -> Tensor:
        out = module(x[indices])
        seen.add(out.dtype)
        loss: Tensor = (out.float() - y[indices]).square().mean()
        return loss

    train(model, np.full(64, 5), step_loss, lambda: 0.0, replace(PLAN, epochs=1), tmp_path, "test")
    assert seen <= {torch.float32, torch.bfloat16} and {p.dtype for p in model.parameters()} == {torch.float32}


def test_batches_hold_every_index_once_and_depend_on_the_seed_alone() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 1000)
    batches = shuffled_batches(lengths, 16, "7-0")
    assert sorted(i for batch in batches for i in batch) == list(range(1000))
    assert batches == shuffled_batches(lengths, 16, "7-0")
    assert batches != shuffled_batches(lengths, 16, "7-1")


def test_batches_hold_texts_of_about_equal_length() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 1000)
    padded = sum(len(b) * max(lengths[b]) for b in shuffled_batches(lengths, 16, "1"))
    assert padded < 1.1 * lengths.sum()
