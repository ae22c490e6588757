"""The latency table: exact on layers whose times are known, through JSON, and from a real measurement."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from penjing.compress.models.bert import BertShape
from penjing.compress.models.encoder import LayerShape
from penjing.compress.models.mobilebert import MobileBertConfig
from penjing.compress.prune.costs import LatencyTable
from penjing.compress.prune.units import Shape
from penjing.pipeline.experiments.latency_table import Outcome, Trial, claims, random_plans
from penjing.pipeline.latency_models import Anatomy
from penjing.pipeline.latency_table import Ladder, fit_table, measure_latency_table, read_table, write_table
from penjing.runtime.errors import PruningError

BERT = BertShape((LayerShape(12, 32, (1536,)),) * 6, 30522, 384, 384, 512)
MOBILEBERT = MobileBertConfig.uniform(3, heads=4, head_size=8, feed_forwards=2, intermediate_size=48)
TINY = BertShape((LayerShape(2, 4, (2,)), LayerShape(1, 4, (1,))), 60, 8, 8, 16)
TABLE = LatencyTable(
    "test", 128, ((1, 1.5), (12, 4.0)), ((48, 0.25), (1536, 5.0)), 0.75, ((1, 0.5),), ((48, 0.1),), "int8",
    {"hidden_size": 384},
)  # fmt: skip


def milliseconds(layer: LayerShape, last: bool) -> float:
    """A made-up machine: a step for every fourth head, a line for neurons; less in the last layer."""
    if last:
        return 0.2 + 0.1 * layer.heads + sum(width / 8000 for width in layer.feed_forwards)
    return 0.3 + 0.4 * math.ceil(layer.heads / 4) + sum(width / 400 for width in layer.feed_forwards)


def anatomy(stack: tuple[LayerShape, ...]) -> Anatomy:
    *others, last = stack
    return Anatomy((*(milliseconds(layer, False) for layer in others), milliseconds(last, True)), 0.7)


def made_up(stack: tuple[LayerShape, ...]) -> float:
    parts = anatomy(stack)
    return sum(parts.layers) + parts.rest


@pytest.mark.parametrize("shape", [BERT, MOBILEBERT, replace(BERT, layers=(LayerShape(1, 32, (1,)),) * 2)])
def test_a_model_whose_layers_have_measured_sizes_is_foretold_exactly(shape: Shape) -> None:
    ladder = Ladder.of(shape)
    rungs, *alone = ladder.stacks
    table = fit_table(ladder, anatomy(rungs), [anatomy(stack) for stack in alone])
    for stack in (shape.layers, (*rungs[:-1][::-1], rungs[-1]), *alone, shape.layers[:1]):
        assert table.predict(replace(shape, layers=stack)) == pytest.approx(made_up(stack))


def test_between_the_sizes_of_a_line_it_is_exact_too() -> None:
    ladder = Ladder.of(BERT)
    rungs, *alone = ladder.stacks
    table = fit_table(ladder, anatomy(rungs), [anatomy(stack) for stack in alone])
    stack = (LayerShape(12, 32, (700,)), LayerShape(12, 32, (1301,)), LayerShape(5, 32, (333,)))
    assert table.predict(replace(BERT, layers=stack)) == pytest.approx(made_up(stack))


def test_where_noise_made_a_larger_layer_faster_the_fit_is_level() -> None:
    ladder = Ladder.of(BERT)
    rungs, *alone = ladder.stacks
    found = anatomy(rungs)
    noisy = [*found.layers]
    noisy[1], noisy[2] = noisy[2] + 0.3, noisy[1] + 0.1  # of 3 and 5 heads
    table = fit_table(ladder, replace(found, layers=tuple(noisy)), [anatomy(stack) for stack in alone])
    heads, neurons = ([ms for _, ms in points] for points in (table.heads, table.neurons))
    assert heads == sorted(heads) and neurons == sorted(neurons)
    assert heads[1] == heads[2] and heads[1] - heads[0] == pytest.approx((noisy[1] + noisy[2]) / 2 - noisy[0])


def test_the_ladder_has_a_layer_for_every_size_and_ends_with_the_largest() -> None:
    ladder = Ladder.of(replace(BERT, layers=(LayerShape(12, 32, (64,)), LayerShape(2, 32, (1536,)))))
    assert ladder.heads == (1, 3, 5, 8, 10, 12)
    assert ladder.neurons == (48, 192, 576, 1024, 1536)
    rungs, *alone = ladder.stacks
    assert {(layer.heads, layer.feed_forwards[0]) for layer in rungs} == {
        *((heads, 1536) for heads in ladder.heads), *((12, neurons) for neurons in ladder.neurons)
    }  # fmt: skip
    assert rungs[-1] == ladder.largest == LayerShape(12, 32, (1536,))
    assert alone == [(LayerShape(12, 32, (1536,)),), (LayerShape(1, 32, (1536,)),), (LayerShape(12, 32, (48,)),)]


def test_a_table_survives_json(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "table.json")
    assert read_table(tmp_path / "table.json") == TABLE


def test_a_file_that_is_no_table_is_one_line_of_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    with pytest.raises(PruningError, match="is missing: measure the latency table"):
        read_table(path)
    for text in ("{", json.dumps({"machine": "x"}), json.dumps({"speed": 1})):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(PruningError, match=r"is not a latency table .* measure it again"):
            read_table(path)


def test_a_length_beyond_the_positions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PruningError, match="17 tokens, the model takes 16"):
        measure_latency_table(TINY, 2, 17, tmp_path)


def test_a_measured_table_has_times_and_the_machines_name(tmp_path: Path) -> None:
    table = measure_latency_table(TINY, 2, 16, tmp_path, "int8")
    assert [size for size, _ in table.heads] == [size for size, _ in table.last_heads] == [1, 2]
    assert [size for size, _ in table.neurons] == [size for size, _ in table.last_neurons] == [1, 2]
    times = [ms for points in (table.heads, table.neurons, table.last_heads, table.last_neurons) for _, ms in points]
    assert all(math.isfinite(ms) for ms in times) and table.rest_ms > 0
    assert table.heads[0][1] <= table.heads[1][1] and table.neurons[0][1] <= table.neurons[1][1]
    assert table.knows(TINY) and not table.knows(replace(TINY, embedding_size=4))
    assert math.isfinite(table.predict(TINY)) and table.predict(TINY) > 0
    assert (table.sequence_length, table.precision) == (16, "int8") and table.machine


def test_random_plans_are_uneven_and_drawn_by_their_seed() -> None:
    plans = random_plans(BERT, 10, seed=1)
    assert plans == random_plans(BERT, 10, seed=1) != random_plans(BERT, 10, seed=2)
    for plan in plans:
        assert len(plan.layers) == 6 and len(set(plan.layers)) > 1
        assert all(1 <= x.heads <= 12 and 1 <= x.feed_forwards[0] <= 1536 for x in plan.layers)


def test_claims_count_plans_within_ten_percent_and_own_up_to_a_miss() -> None:
    trials = tuple(Trial((1,), (1,), 10.0, ms, ms + 1) for ms in (10.9, 9.1, 9.9, 11.2))
    found = {claim["id"]: claim for claim in claims(Outcome("fp32", trials, TABLE, 42.0))}
    near, before, worst, seconds = (
        found[f"latency_table.fp32.{name}"] for name in ("near", "near_before", "worst", "seconds")
    )
    assert (near["value"], near["target"], near["met"]) == (0.75, ">= 0.9", False) and near["why"]
    assert (before["value"], before["target"]) == (0.5, None)
    assert worst["value"] == pytest.approx(0.12)
    assert (seconds["value"], seconds["target"], seconds["met"]) == (42.0, "<= 90", True)
