"""Plans: shown, saved, checked, applied; the cut model equals the masked one, and costs are counted right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from penjing.compress.models.bert import BertClassifier, BertShape
from penjing.compress.models.checkpoint import count_parameters, load_student, save_student
from penjing.compress.models.encoder import LayerShape
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig
from penjing.compress.prune.apply import apply_plan, keep_layers, probe
from penjing.compress.prune.costs import LatencyTable, cost_of, shape_after
from penjing.compress.prune.plan import PLAN_NAME, PruningPlan, fingerprint_of, read_plan, write_plan
from penjing.compress.prune.table import plan_rows, shape_of_plan
from penjing.compress.prune.units import Encoder, MaskTensors, UnitMasks, applied, as_tensors, full_masks
from penjing.compress.prune.vocabulary import VocabularyCut
from penjing.runtime.errors import PruningError


def make_bert() -> BertClassifier:
    torch.manual_seed(0)
    shape = BertShape(
        (LayerShape(4, 8, (24,)),) * 3, vocab_size=50, hidden_size=32, embedding_size=16, max_positions=20
    )
    return BertClassifier(shape, 3).eval()


def stirred(model: MobileBertClassifier) -> MobileBertClassifier:
    """Weights large enough for every unit to be seen in the logits; fresh ones are nearly zero."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.3)
    return model.eval()


def make_mobilebert() -> MobileBertClassifier:
    torch.manual_seed(0)
    config = MobileBertConfig.uniform(
        3, heads=4, head_size=4, feed_forwards=2, intermediate_size=24, vocab_size=50, hidden_size=32,
        embedding_size=16, bottleneck_size=16, max_positions=20,
    )  # fmt: skip
    return stirred(MobileBertClassifier(config, 3))


def some_plan(model: Encoder, layers: tuple[int, ...] = (0, 2)) -> PruningPlan:
    """Cuts a layer, uneven heads and neurons with odd factors, and rows."""
    parts = len(model.config.layers[0].feed_forwards)
    heads = ((1.0, 0.0, 0.5, 0.0), (0.0, 0.0, 0.0, 2.0))
    neurons = tuple(
        tuple(tuple(float((i * step + part) % 3) for i in range(24)) for part in range(parts)) for step in (1, 2)
    )
    vocabulary = VocabularyCut(tuple(range(0, 50, 2)), 50)
    return PruningPlan(fingerprint_of(model), "test", layers, UnitMasks(heads, neurons), vocabulary=vocabulary)


@pytest.fixture(params=[make_bert, make_mobilebert], ids=["bert", "mobilebert"])
def model(request: pytest.FixtureRequest) -> Encoder:
    made: Encoder = request.param()
    return made


@torch.no_grad()
def test_the_cut_model_is_smaller_and_answers_as_the_masked_one(model: Encoder) -> None:
    plan = some_plan(model)
    small = apply_plan(model, plan)
    ids, mask, types = probe(25, 0)
    with applied(whole := keep_layers(model, plan.layers), as_tensors(plan.masks)):
        wanted = whole(ids * 2, mask, types)
    assert torch.allclose(small(ids, mask, types), wanted, atol=1e-5)
    assert not torch.allclose(whole(ids * 2, mask, types), wanted, atol=1e-3)
    assert count_parameters(small)[0] < count_parameters(model)[0]
    assert [layer.heads for layer in small.config.layers] == [2, 1]


def test_a_cut_model_survives_the_disk(model: Encoder, tmp_path: Path) -> None:
    small = apply_plan(model, some_plan(model))
    save_student(small, tmp_path)
    again = load_student(tmp_path)
    assert again.config == small.config
    assert fingerprint_of(again) == fingerprint_of(small)


def test_masks_can_be_one_for_each_sample(model: Encoder) -> None:
    whole = as_tensors(full_masks(model.config))
    each = MaskTensors(
        tuple(h.repeat(4, 1) for h in whole.heads), tuple(tuple(n.repeat(4, 1) for n in x) for x in whole.neurons)
    )
    each.heads[1][2] = 0  # the third text alone loses a layer's heads
    inputs = probe(50, 0)
    with torch.no_grad():
        plain = model(*inputs)
        with applied(model, each):
            masked = model(*inputs)
    same = (plain - masked).abs().amax(1) < 1e-6
    assert same.tolist() == [True, True, False, True]


def test_a_plan_survives_the_disk(model: Encoder, tmp_path: Path) -> None:
    plan = some_plan(model)
    write_plan(plan, tmp_path)
    assert read_plan(tmp_path) == plan


def test_costs_are_those_of_the_real_model(model: Encoder) -> None:
    small = apply_plan(model, some_plan(model))
    cost = cost_of(small.config, 3, 16)
    assert (cost.parameters, cost.non_embedding) == count_parameters(small)
    macs = _macs_by_hooks(small, 16)
    assert cost.macs == macs + sum(2 * s.heads * s.head_size * 16**2 for s in small.config.layers)


def test_latency_is_read_off_the_table_between_its_points() -> None:
    table = LatencyTable("test", 128, heads=((1, 1.0), (3, 2.0)), neurons=((0, 0.0), (24, 12.0)), rest_ms=5.0)
    shape = replace(make_bert().config, layers=(LayerShape(2, 8, (12,)), LayerShape(3, 8, (24,))))
    assert cost_of(shape, 3, 128, table).latency_ms == pytest.approx(5.0 + 1.5 + 6.0 + 2.0 + 12.0)


def test_of_other_widths_a_latency_table_says_nothing() -> None:
    shape = BertShape((LayerShape(4, 8, (24,)),), 30, 32, 32, 20)
    table = LatencyTable("test", 16, ((1, 1.0), (4, 3.0)), ((1, 1.0), (24, 3.0)), 1.0, sizes={"hidden_size": 24})
    narrow = replace(shape, hidden_size=24, embedding_size=24)
    assert cost_of(shape, 3, 16, table).latency_ms is None
    assert cost_of(narrow, 3, 16, table).latency_ms == 7.0
    plan = PruningPlan("", "fisher", (0,), UnitMasks(((1, 0, 0, 0),), (((1,) * 24,),)), {"hidden": 24})
    saved = [row[-1] for row in plan_rows(plan, shape, 3, 16, table)]
    assert shape_of_plan(plan, shape).embedding_size == 24  # a word table is never wider than its states
    assert saved == ["", "2.00", "0.00", ""]


def test_the_table_shows_every_cut_and_its_savings_add_up(model: Encoder) -> None:
    plan = some_plan(model)
    rows = plan_rows(plan, model.config, 3, 16)
    assert [row[0] for row in rows] == [
        "layers", "layer 0: heads", "layer 0: neurons", "layer 2: heads", "layer 2: neurons", "vocabulary rows", "all",
    ]  # fmt: skip
    saved = [int(row[3].replace(",", "")) for row in rows]
    assert sum(saved[:-1]) == saved[-1] == count_parameters(model)[0] - count_parameters(apply_plan(model, plan))[0]


def test_a_plan_fits_once_and_only_its_own_model(model: Encoder) -> None:
    plan = some_plan(model)
    small = apply_plan(model, plan)
    with pytest.raises(PruningError, match=r"the plan was made for the model .*a plan fits once"):
        apply_plan(small, plan)
    other = make_bert() if isinstance(model, MobileBertClassifier) else make_mobilebert()
    with pytest.raises(PruningError, match="only the model it was made for"):
        apply_plan(other, plan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(layers=[]), r"layers are \[\]"),
        (lambda raw: raw.update(layers=[2, 0]), "ascending"),
        (lambda raw: raw.update(layers=[0, 7]), "from 0 to 2"),
        (lambda raw: raw.update(layers=[0]), "masks are of 2 layers"),
        (lambda raw: raw["masks"]["heads"].__setitem__(0, [0, 0, 0, 0]), "layer 0: heads: all 4 are cut"),
        (lambda raw: raw["masks"]["heads"].__setitem__(1, [1]), "layer 2: heads: 1 factors for 4 units"),
        (lambda raw: raw["masks"]["neurons"][0][0].__setitem__(0, float("nan")), "not a number"),
        (lambda raw: raw["masks"]["neurons"].__setitem__(0, [[1]] * 5), "feed-forwards, the plan 5"),
        (lambda raw: raw.update(widths={"hidden": 99}), "width 'hidden' is 99"),
        (lambda raw: raw.update(widths={"height": 1}), "no such width"),
        (lambda raw: raw["vocabulary"].update(old_size=60), "60 rows"),
        (lambda raw: raw["vocabulary"].update(kept=[3, 3]), "ascending"),
        (lambda raw: raw.pop("masks"), "is not a plan"),
        (lambda raw: raw.update(masks=3), "is not a plan"),
    ],
)
def test_a_plan_edited_into_nonsense_is_refused(model: Encoder, tmp_path: Path, change: Any, message: str) -> None:
    write_plan(some_plan(model), tmp_path)
    raw = json.loads((tmp_path / PLAN_NAME).read_text(encoding="utf-8"))
    change(raw)
    (tmp_path / PLAN_NAME).write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(PruningError, match=message):
        apply_plan(model, read_plan(tmp_path))


def test_a_missing_plan_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(PruningError, match=r"plan\.json is missing: make the plan with `penjing prune plan`"):
        read_plan(tmp_path)


def test_the_shape_after_a_plan_counts_what_is_left(model: Encoder) -> None:
    plan = some_plan(model)
    left = shape_after(keep_layers(model, plan.layers).config, plan.masks)
    assert [layer.feed_forwards for layer in left.layers] == list(plan.masks.kept_neurons)


def _macs_by_hooks(model: Encoder, length: int) -> int:
    """Multiply-accumulates of every linear layer, counted from the rows it really gets."""
    counted = []
    hooks = [
        m.register_forward_hook(lambda m, i, _o: counted.append(m.weight.numel() * i[0].numel() // m.in_features))
        for m in model.modules()
        if isinstance(m, torch.nn.Linear)
    ]
    ids = torch.ones((1, length), dtype=torch.int64)
    with torch.no_grad():
        model(ids, torch.ones_like(ids), torch.zeros_like(ids))
    for hook in hooks:
        hook.remove()
    return sum(counted)
