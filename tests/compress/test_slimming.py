"""Network slimming: the penalty and the choice against closed forms, the cut against the masked model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import nn

from penjing.compress.models.conv_autoencoder import ConvAutoencoder, ConvAutoencoderConfig
from penjing.compress.models.conv_files import load_conv_model, save_conv_model
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig
from penjing.compress.models.small_cnn import SmallCnn, SmallCnnConfig
from penjing.compress.prune.apply import apply_plan
from penjing.compress.prune.channel_plan import ChannelPlan, plan_channels
from penjing.compress.prune.cut_channels import masked, slim
from penjing.compress.prune.plan import PruningPlan, fingerprint_of
from penjing.compress.prune.slimming import choose_channels, choose_neurons, scale_penalty, scales_of, smallest_cut
from penjing.compress.prune.units import Shape
from penjing.runtime.errors import PruningError

Model = TypeVar("Model", bound=nn.Module)
ENCODER = MobileBertConfig.uniform(
    2, heads=2, head_size=8, feed_forwards=3, intermediate_size=10,
    vocab_size=50, hidden_size=32, embedding_size=16, bottleneck_size=16, max_positions=20,
)  # fmt: skip


def randomized(model: Model, seed: int = 0) -> Model:
    """Weights, shifts and running statistics that no fold can ignore; every scale is another."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.uniform_(module.weight, -1.0, 1.0)
            nn.init.normal_(module.bias)
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return model.eval()


def small_cnn() -> SmallCnn:
    return randomized(SmallCnn(SmallCnnConfig((9, 6, 12, 8))))


def autoencoder() -> ConvAutoencoder:
    return randomized(ConvAutoencoder(ConvAutoencoderConfig(3, 32, encoder=(9, 6), decoder=(10,))))


def encoder() -> MobileBertClassifier:
    torch.manual_seed(0)
    return MobileBertClassifier(ENCODER, 2).eval()


Make = Callable[[], Any]
both = pytest.mark.parametrize("make", [small_cnn, autoencoder])


@both
def test_the_penalty_is_the_l1_norm_of_the_scales_and_its_gradient_their_sign(make: Make) -> None:
    model = make()
    scales = torch.cat([block.norm.weight for block in model.blocks().values()])
    penalty: Any = scale_penalty(model, 0.01)
    penalty.backward()
    assert penalty.item() == pytest.approx(0.01 * scales.detach().abs().sum().item(), rel=1e-5)
    for block in model.blocks().values():
        assert torch.equal(block.norm.weight.grad, 0.01 * block.norm.weight.detach().sign())
        assert block.norm.bias.grad is None and block.conv.weight.grad is None


def test_the_penalty_of_neurons_is_the_sum_of_products_of_lengths_with_its_gradient() -> None:
    model: Any = encoder()
    penalty: Any = scale_penalty(model, 0.5)
    penalty.backward()
    up, down = model.mobilebert.encoder.layers()[1].stacked()[2]
    incoming = np.hypot(np.linalg.norm(up.dense.weight.detach(), axis=1), up.dense.bias.detach().numpy())
    outgoing = np.linalg.norm(down.dense.weight.detach(), axis=0)
    np.testing.assert_allclose(scales_of(model)["layer.1.2"].detach(), incoming * outgoing, rtol=1e-5)
    wanted = 0.5 * up.dense.weight.detach() * torch.tensor(outgoing / incoming)[:, None]
    np.testing.assert_allclose(up.dense.weight.grad, wanted, rtol=1e-4, atol=1e-7)
    assert down.LayerNorm.weight.grad is None, "NoNorm's own scales sit on the residual stream and are left alone"


def test_the_scale_of_a_neuron_cannot_be_evaded_by_moving_it_to_the_other_side() -> None:
    model: Any = encoder()
    before = scale_penalty(model, 1.0).item()
    with torch.no_grad():
        up, down = model.mobilebert.encoder.layers()[0].stacked()[0]
        up.dense.weight *= 0.1
        up.dense.bias *= 0.1
        down.dense.weight *= 10.0
    assert scale_penalty(model, 1.0).item() == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("rate", [0.07, 0.2, 0.33, 0.5, 0.6])
def test_the_channels_that_stay_are_those_above_the_percentile_of_all_scales(rate: float) -> None:
    model = small_cnn()
    scales = {name: block.norm.weight.detach().abs().numpy() for name, block in model.blocks().items()}
    threshold = np.percentile(np.concatenate(list(scales.values())), 100 * rate, method="inverted_cdf")
    plan = choose_channels(model, rate)
    for cut in plan.layers:
        assert cut.kept == tuple(np.flatnonzero(scales[cut.layer] > threshold)), cut.layer
    assert plan.cut_share * 35 == pytest.approx(np.ceil(rate * 35))


def test_a_layer_is_never_emptied_and_others_go_in_its_place() -> None:
    scales = {"a": torch.tensor([0.01, 0.03, 0.02]), "b": torch.tensor([0.9, 0.4, 0.5, 0.6, 0.7])}
    assert smallest_cut(scales, 0.5, 1) == {"a": (1,), "b": (0, 3, 4)}
    assert smallest_cut(scales, 0.5, 2) == {"a": (1, 2), "b": (0, 4)}
    assert smallest_cut(scales, 0.0, 1) == {"a": (0, 1, 2), "b": (0, 1, 2, 3, 4)}


def test_among_equal_scales_the_first_layer_and_channel_stays() -> None:
    scales = {"a": torch.ones(3), "b": torch.ones(3)}
    assert smallest_cut(scales, 0.5, 1) == {"a": (0, 1), "b": (0,)}


@both
@pytest.mark.parametrize("rate", [0.0, 0.5, 0.7])
def test_the_cut_model_does_what_the_masked_model_does(make: Make, rate: float) -> None:
    model = make()
    plan = choose_channels(model, rate)
    small, whole = slim(model, plan), masked(model, plan)
    assert small.config.widths == plan.widths
    with torch.no_grad():
        inputs = 3 * torch.randn(5, *model.example().shape[1:])
        assert (small(inputs) - whole(inputs)).abs().max() < 1e-5
        changed = (model(inputs) - whole(inputs)).abs().max().item()
    assert (changed > 0.01) == (rate > 0), "what was cut did something, so the fold had something to do"


@both
def test_without_the_fold_of_the_shift_the_cut_model_would_be_another(make: Make) -> None:
    model = make()
    plan = choose_channels(model, 0.5)
    silent = make()
    for block, cut in zip(silent.blocks().values(), plan.layers, strict=True):
        block.norm.bias.data[list(cut.cut)] = 0.0
        block.norm.weight.data[list(cut.cut)] = 0.0
    with torch.no_grad():
        inputs = model.example()
        assert (slim(model, plan)(inputs) - silent(inputs)).abs().max() > 0.01


def test_with_zero_padding_the_fold_is_exact_only_away_from_the_borders() -> None:
    config = ConvAutoencoderConfig(2, 32, encoder=(8,), decoder=(), kernel_size=5)
    model = randomized(ConvAutoencoder(config))
    model.blocks()["encoder.0"].norm.bias.data.abs_()  # relu lets every shift through
    plan = choose_channels(model, 0.5)
    small, whole = slim(model, plan), masked(model, plan)
    small.output.padding_mode = whole.output.padding_mode = "zeros"
    with torch.no_grad():
        inputs = model.example()
        difference = (small(inputs) - whole(inputs)).abs().amax((0, 1))
    assert difference[2:-2].max() < 1e-5
    assert difference[:2].min() > 0.01 and difference[-2:].min() > 0.01, "two samples, half a kernel, at each border"


@both
def test_the_savings_of_the_table_add_up_to_the_parameters_that_go(make: Make, tmp_path: Any) -> None:
    model = make()
    plan = choose_channels(model, 0.6)
    small = slim(model, plan)
    rows = plan.table_rows()
    assert sum(row[3] for row in rows) == sum(p.numel() for p in model.parameters()) - sum(
        p.numel() for p in small.parameters()
    )
    assert [(row[0], row[1] + row[2]) for row in rows] == [(c.layer, c.width) for c in plan.layers]
    save_conv_model(small, tmp_path)
    again = load_conv_model(tmp_path)
    assert torch.equal(again(model.example()), small(model.example()))


def test_a_table_of_a_hand_counted_cut() -> None:
    model = SmallCnn(SmallCnnConfig((4, 3), classes=2))
    plan = plan_channels(model, {"block.0": [1], "block.1": [0, 2]})
    # A channel of the first block: 9 weights, scale and shift, and 3 x 9 in the next; of the second: 1 x 9, 2, and 2.
    assert plan.table_rows() == [("block.0", 1, 3, 3 * (9 + 2 + 27)), ("block.1", 2, 1, 9 + 2 + 2)]


@both
def test_a_plan_round_trips_through_json_and_still_fits(make: Make) -> None:
    model = make()
    plan = choose_channels(model, 0.5)
    again = ChannelPlan.from_json(plan.to_json())
    assert again == plan
    assert slim(model, again).config == slim(model, plan).config


def neurons(shape: Shape) -> float:
    """A cost: how many there are."""
    return float(sum(sum(layer.feed_forwards) for layer in shape.layers))


def test_neurons_that_slimming_cuts_leave_by_the_one_place_that_applies_plans() -> None:
    model = encoder()
    with torch.no_grad():
        for up, _ in model.mobilebert.encoder.layers()[1].stacked():
            up.dense.weight[3:] = 0.0  # as training with the penalty leaves them
            up.dense.bias[3:] = 0.0
    masks = choose_neurons(model, neurons, 39)
    assert masks.kept_neurons == ((10, 10, 10), (3, 3, 3))
    small = apply_plan(model, PruningPlan(fingerprint_of(model), "slimming", (0, 1), masks))
    ids = torch.randint(1, 50, (3, 12))
    batch = (ids, torch.ones_like(ids), torch.zeros_like(ids))
    assert (small(*batch) - model(*batch)).abs().max() < 1e-5
    assert small.config.layers[1].feed_forwards == (3, 3, 3)


def cut_twice(model: SmallCnn, plan: ChannelPlan) -> None:
    slim(slim(model, plan), plan)


def other_weights(model: SmallCnn, plan: ChannelPlan) -> None:
    slim(randomized(SmallCnn(model.config), seed=1), plan)


def other_class(_: SmallCnn, plan: ChannelPlan) -> None:
    slim(autoencoder(), plan)


def nan_scale(model: SmallCnn, _: ChannelPlan) -> None:
    model.blocks()["block.1"].norm.weight.data[2] = float("nan")
    choose_channels(model, 0.5)


def nan_weight(model: SmallCnn, _: ChannelPlan) -> None:
    model.blocks()["block.1"].conv.weight.data[:] = float("nan")
    slim(model, choose_channels(model, 0.5))


def unknown_layer(model: SmallCnn, _: ChannelPlan) -> None:
    plan_channels(model, {"block.9": [0]})


def another_architecture(_: SmallCnn, __: ChannelPlan) -> None:
    scale_penalty(nn.Sequential(nn.BatchNorm1d(3)), 0.1)


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [(cut_twice, "has the widths"), (other_weights, "was made for the model"), (other_class, "is for a SmallCnn"),
     (nan_scale, "a scale of block.1 is not a finite number"), (nan_weight, "differ by nan"),
     (unknown_layer, "block.9"), (another_architecture, "cannot cut Sequential: it cuts SmallCnn")],
)  # fmt: skip
def test_what_cannot_be_cut_is_refused_in_one_line(attempt: Callable[[Any, Any], None], reason: str) -> None:
    model = small_cnn()
    with pytest.raises(PruningError, match=reason) as caught:
        attempt(model, choose_channels(model, 0.5))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_a_rate_outside_zero_to_one_is_refused(rate: float) -> None:
    with pytest.raises(PruningError, match="from 0 to below 1"):
        choose_channels(small_cnn(), rate)


def test_a_rate_beyond_the_floor_names_the_largest_possible() -> None:
    with pytest.raises(PruningError, match=r"largest possible rate is 0\.8857"):
        choose_channels(small_cnn(), 0.95)
    assert sum(choose_channels(small_cnn(), 0.8857).widths) == 4
    with pytest.raises(PruningError, match="each layer must keep one"):
        choose_channels(small_cnn(), 0.5, floor=0)


def edited(change: Callable[[dict[str, Any]], None]) -> str:
    raw = json.loads(choose_channels(small_cnn(), 0.5).to_json())
    change(raw)
    return json.dumps(raw)


@pytest.mark.parametrize(
    "change",
    [lambda raw: raw["layers"][0].update(kept=[0, 0]), lambda raw: raw["layers"][0].update(kept=[0, 99]),
     lambda raw: raw["layers"][0].update(kept=[-1, 2]), lambda raw: raw["layers"][0].update(kept=[]),
     lambda raw: raw["layers"][0].update(kept=[0.5]), lambda raw: raw["layers"][0].update(kept=7),
     lambda raw: raw["layers"][0].update(kept=[3, 1]), lambda raw: raw["layers"][0].pop("width"),
     lambda raw: raw["layers"][0].update(width=99), lambda raw: raw["layers"][0].update(saved=1),
     lambda raw: raw["layers"][0].update(layer="block.1"), lambda raw: raw["layers"].pop(),
     lambda raw: raw.update(model="VGG"), lambda raw: raw.pop("fingerprint")],
)  # fmt: skip
def test_a_plan_edited_into_nonsense_is_refused_in_one_line(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(PruningError) as caught:
        slim(small_cnn(), ChannelPlan.from_json(edited(change)))
    assert "\n" not in str(caught.value)


def test_text_that_is_no_json_is_no_plan() -> None:
    with pytest.raises(PruningError, match="not a channel plan"):
        ChannelPlan.from_json("kept: all")
