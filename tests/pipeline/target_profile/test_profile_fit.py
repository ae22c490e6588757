"""Operators and what they cost, drawn students, and fits: exact where latency is linear, unmoved by outliers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from penjing.benchmarks.plain import from_plain, to_plain
from penjing.compress.models.encoder import LayerShape
from penjing.compress.models.folded import inference_form
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig
from penjing.pipeline.target_profile.features import FEATURES, Tile, features
from penjing.pipeline.target_profile.fit import METHODS, Fit, fit_rows
from penjing.pipeline.target_profile.operators import Operator, count_operators
from penjing.pipeline.target_profile.shapes import LENGTHS, measured_students, unseen_students
from penjing.runtime.errors import TargetError

LAYER = LayerShape(2, 8, (24,))
CONFIG = MobileBertConfig(
    (LAYER,) * 2, vocab_size=50, hidden_size=32, embedding_size=8, bottleneck_size=16, max_positions=16
)
TIMES = {"models": 0.02, "operators": 1e-3, "linear_macs": 2e-8, "softmax_elements": 1e-6, "sum_elements": 3e-7}
TILE = Tile(4, 8)
Rows = tuple[list[list[Operator]], list[float], list[str], int]


def student(config: MobileBertConfig) -> nn.Module:
    return inference_form(MobileBertClassifier(config, 3).eval(), 16)


def made_up_rows(count: int) -> Rows:
    """Students of random products and sums whose time is a sum of parts, by kernels of the tile TILE."""
    source = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        sizes = source.integers(2, 300, size=(4, 3)).tolist()
        rows.append([
            *(Operator("linear", tuple(size)) for size in sizes), Operator("softmax", tuple(sizes[0][:2])),
            Operator("sum", (int(source.integers(1, 200_000)),)), Operator("product", (2, *sizes[1])),
        ])  # fmt: skip
    costs = [features(row, TILE, 4) for row in rows]
    times = [sum(TIMES[name] * cost[name] for name in TIMES) for cost in costs]
    return rows, times, [f"s{i // 2}" for i in range(count)], 4


def test_every_operator_of_a_student_is_seen_with_its_shape() -> None:
    found = count_operators(student(CONFIG), 6)
    linears = [operator.size for operator in found if operator.kind == "linear"]
    # Words, the first layer's projections in one (residual, queries and keys with the mask's column, values), its rest.
    assert linears[:5] == [(6, 24, 32), (6, 32, 16 + 18 + 18 + 16), (6, 16, 16), (6, 16, 24), (6, 24, 16)]
    assert linears[-1] == (1, 32, 3)
    products = [operator.size for operator in found if operator.kind == "product"]
    assert products == [(2, 6, 9, 6), (2, 6, 6, 8), (2, 1, 9, 6), (2, 1, 6, 8)]
    assert [operator.size for operator in found if operator.kind == "softmax"] == [(12, 6), (2, 6)]


def test_a_student_whose_norms_cannot_be_folded_is_counted_as_it_runs() -> None:
    plain = {operator.kind for operator in count_operators(student(CONFIG), 6)}
    normed = {operator.kind for operator in count_operators(student(replace(CONFIG, norm="layer_norm")), 6)}
    assert "norm" not in plain and "norm" in normed


def test_every_layer_but_the_last_costs_the_same() -> None:
    costs = [features(count_operators(student(replace(CONFIG, layers=(LAYER,) * n)), 6), TILE, 4) for n in (2, 3, 4)]
    for name in FEATURES:
        assert costs[2][name] - costs[1][name] == costs[1][name] - costs[0][name]


def test_products_cost_whole_tiles_and_one_row_its_weights() -> None:
    cost = features([Operator("linear", (6, 10, 17)), Operator("linear", (1, 10, 24))], TILE, 4)
    assert cost["linear_macs"] == 8 * 10 * 24 and cost["linear_tiles"] == 6 and cost["linear_weights"] == 170
    assert cost["row_weights"] == 10 * 24 and cost["row_linears"] == 1 and cost["operators"] == 2
    assert cost["linear_narrow_macs"] == cost["row_narrow_weights"] == 0


@pytest.mark.parametrize(
    ("outputs", "narrow"),
    [(4, True), (7, True), (8, False), (147, True), (151, False), (198, True), (206, False), (300, True), (604, False)],
)
def test_a_narrower_kernel_takes_what_wastes_over_a_hundredth_and_less_by_it(outputs: int, narrow: bool) -> None:
    assert Tile(4, 8, narrow=True).is_narrow(outputs) is narrow
    assert not TILE.is_narrow(outputs)
    cost = features([Operator("linear", (6, 10, outputs)), Operator("linear", (1, 10, outputs))], Tile(4, 8, True), 4)
    assert (cost["linear_narrow_macs"] > 0) is (cost["row_narrow_weights"] > 0) is (cost["linear_macs"] == 0) is narrow


def test_the_same_students_are_drawn_every_time_and_none_of_them_is_unseen() -> None:
    measured, unseen = measured_students(), unseen_students(40, 1)
    assert measured == measured_students() and unseen == unseen_students(40, 1)
    assert unseen[0].config != unseen_students(1, 2)[0].config
    assert not {drawn.config for drawn in measured} & {drawn.config for drawn in unseen}
    lengths = {n for drawn in (*measured, *unseen) for each in drawn.lengths.values() for n in each}
    assert min(lengths) >= LENGTHS[0] and max(lengths) <= LENGTHS[1]


def test_times_that_are_sums_are_foretold_exactly() -> None:
    rows, times, students, weight_bytes = made_up_rows(60)
    fit = fit_rows(rows, times, students, weight_bytes)
    assert fit.near == 1 and fit.error < 0.01 and fit.rows == 60 and fit.students == 30 and fit.tile == TILE
    assert set(fit.by_method) == set(METHODS)
    assert fit.predict(rows[0]) == pytest.approx(times[0], rel=0.01)
    assert from_plain(Fit, to_plain(fit)) == fit


def test_rows_that_were_throttled_do_not_move_the_fit() -> None:
    rows, times, students, weight_bytes = made_up_rows(120)
    throttled = [time * 3 if i % 12 == 0 else time for i, time in enumerate(times)]
    fit = fit_rows(rows, throttled, students, weight_bytes)
    assert max(abs(fit.predict(row) / time - 1) for row, time in zip(rows, times, strict=True)) < 0.05


def test_a_prediction_is_never_below_zero() -> None:
    fit = Fit("made up", TILE, 4, {"models": -1.0}, 1, 1, 1.0, 0.0, {})
    assert fit.predict([]) == 0


def test_too_few_students_are_refused() -> None:
    with pytest.raises(TargetError, match="4 students are too few"):
        fit_rows(*made_up_rows(8))
