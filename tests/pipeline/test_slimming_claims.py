"""The published slimming experiment: its claims by hand, and one seed of a few steps in earnest."""

from __future__ import annotations

from pathlib import Path

import pytest

from penjing.pipeline.experiments.slimming import SlimmingSettings, Trial, claims, results, run_seed


def trial(seed: int, dense: float, slimmed: float, parameters: int = 20) -> Trial:
    return Trial(seed, dense, 0.9, 0.8, slimmed, 0.7, 100, parameters, 0.7, [("block.0", 3, 7, 80)])


def test_the_loss_is_met_within_one_standard_deviation_of_dense_and_missed_beyond() -> None:
    kept = {c["id"]: c for c in claims([trial(1, 0.98, 0.98), trial(2, 0.96, 0.95)])}
    loss = kept["slimming.digits.loss"]
    assert loss["value"] == pytest.approx(0.005)
    # Differences 0 and 0.01: standard error 0.005, and 12.706 of them for one degree of freedom.
    assert loss["interval"] == pytest.approx([0.005 - 12.706 * 0.005, 0.005 + 12.706 * 0.005], rel=1e-3)
    assert (loss["target"], loss["met"]) == ("<= 0.014142", True)
    assert kept["slimming.digits.parameters_kept"]["value"] == pytest.approx(0.2)
    lost = {c["id"]: c for c in claims([trial(1, 0.98, 0.96), trial(2, 0.96, 0.94)])}["slimming.digits.loss"]
    assert not lost["met"]
    assert "below dense" in lost["why"]


def test_a_seed_is_trained_cut_and_compared() -> None:
    settings = SlimmingSettings(widths=(4, 6, 10), epochs=1, fine_tuning_epochs=1)
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    done = run_seed(1, settings, tick)
    assert ticks == settings.epochs_of_a_seed
    assert done.cut_share == pytest.approx(0.7)
    assert done.dense_parameters - done.parameters == sum(row[3] for row in done.table)
    assert 0.0 <= done.slimmed <= 1.0
    published = results([done, done], settings, Path("x.json"))
    assert published["seeds"] == [1, 1]
    assert all(claim["command"].endswith("--to x.json") for claim in published["claims"])
