"""Lottery tickets: masks by magnitude, the three ways to rewind, controls, transfer, and the winning criterion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from penjing.compress.models.lenet import random_lenet
from penjing.compress.prune.lottery import (
    Lottery,
    draw,
    from_early_step,
    play_round,
    shares_of_original,
    shares_of_remaining,
    with_shuffled_weights,
)
from penjing.compress.prune.lottery_curve import Curve, Point, unbroken_sparsity, winning_score, winning_sparsity
from penjing.compress.prune.weight_masks import (
    Masks,
    apply_masks,
    bare_state,
    full_masks,
    load_masks,
    random_masks,
    save_masks,
    smallest_removed,
    sparsity_of,
)
from penjing.runtime.errors import PruningError

NAMES = ("0.weight", "2.weight")
STEPS = 6


def make_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 10), nn.Tanh(), nn.Linear(10, 3))


class Recorder:
    """A real training of a few steps that keeps the weights it was given."""

    def __init__(self) -> None:
        self.starts: list[dict[str, Tensor]] = []

    def __call__(self, model: nn.Module, start_step: int, stop_step: int | None) -> float:
        self.starts.append(bare_state(model))
        optimizer = torch.optim.SGD(model.parameters(), 0.5)
        for step in range(start_step, STEPS if stop_step is None else stop_step):
            x = torch.randn(16, 6, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(model(x), (x[:, 0] > 0).long()))
            optimizer.step()
        return float(start_step)


def flat(tensors: dict[str, Tensor]) -> Tensor:
    return torch.cat([tensors[name].flatten() for name in NAMES])


def half_masks() -> Masks:
    model = make_model()
    return smallest_removed(bare_state(model), full_masks(model, NAMES), 0.5)


def test_a_share_of_what_remains_each_round_follows_the_closed_form() -> None:
    assert shares_of_remaining(0.2, 18) == pytest.approx([1 - 0.8**n for n in range(1, 19)])
    assert shares_of_remaining(0.2, 18)[-1] == pytest.approx(1 - 0.0180, abs=1e-4)  # the paper's 1.80%
    assert shares_of_original(0.1, 7) == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    sparsities = shares_of_remaining(0.2, 5)
    reached = [sparsity_of(r.masks) for r in draw(Lottery(make_model, Recorder(), NAMES), sparsities)]
    assert reached == pytest.approx([0, *sparsities], abs=0.5 / 320)


def test_the_global_ranking_is_that_of_a_numpy_sort() -> None:
    weights = bare_state(make_model())
    masks = smallest_removed(weights, smallest_removed(weights, full_masks(make_model(), NAMES), 0.3), 0.7)
    magnitudes = np.abs(flat(weights).numpy())
    expected = np.ones(320, dtype=bool)
    expected[np.argsort(magnitudes)[: round(0.7 * 320)]] = False
    assert np.array_equal(flat(masks).numpy(), expected)


def test_weights_that_are_gone_stay_gone_though_others_are_smaller_now() -> None:
    masks = {"a": torch.tensor([False, True, True, True])}
    assert smallest_removed({"a": torch.tensor([9.0, 0.1, 5.0, 6.0])}, masks, 0.5)["a"].tolist() == [0, 0, 1, 1]


def test_the_weights_of_the_last_step_are_ranked_not_those_of_the_last_forward() -> None:
    model = make_model()
    apply_masks(model, full_masks(model, NAMES))
    model(torch.zeros(1, 6))
    with torch.no_grad():  # as an optimizer step does: torch's own `weight` does not see it before the next forward
        model.get_parameter("0.weight_orig").fill_(1e-9)
    gone = smallest_removed(bare_state(model), full_masks(make_model(), NAMES), 120 / 320)
    assert not gone["0.weight"].any() and gone["2.weight"].all()


def test_rewinding_gives_the_starting_weights_where_the_mask_is_one_and_zero_elsewhere() -> None:
    training = Recorder()
    rounds = list(draw(Lottery(make_model, training, NAMES), (0.5, 0.75)))
    start = bare_state(make_model())
    for played, given in zip(rounds, training.starts, strict=True):
        for name, value in given.items():
            kept = played.masks.get(name, torch.ones_like(value))
            assert torch.equal(value, start[name] * kept)  # the head, "4.weight", is rewound too
            assert torch.equal(played.weights[name] * kept, played.weights[name])
    assert not torch.equal(rounds[0].weights["4.weight"], start["4.weight"])


def test_learning_rate_rewinding_goes_on_from_the_trained_weights() -> None:
    training = Recorder()
    rounds = list(draw(Lottery(make_model, training, NAMES, keep_weights=True), (0.5, 0.75)))
    for before, after, given in zip(rounds, rounds[1:], training.starts[1:], strict=False):
        for name, value in given.items():
            assert torch.equal(value, before.weights[name] * after.masks.get(name, torch.ones_like(value)))


def test_early_rewinding_starts_from_the_weights_of_that_step() -> None:
    reference = make_model()
    Recorder()(reference, 0, 3)
    training = Recorder()
    early = from_early_step(Lottery(make_model, training, NAMES), 3)
    played = play_round(early, half_masks())
    assert played.score == 3.0  # the schedule went on from step 3
    for name, value in training.starts[-1].items():
        assert torch.equal(value, bare_state(reference)[name] * played.masks.get(name, torch.ones_like(value)))


def test_shuffled_weights_are_the_same_values_at_other_places() -> None:
    shuffled, start = with_shuffled_weights(Lottery(make_model, Recorder(), NAMES), 1).make_model(), make_model()
    for name, value in bare_state(shuffled).items():
        original = bare_state(start)[name]
        assert torch.equal(value.flatten().sort().values, original.flatten().sort().values)
        assert torch.equal(value, original) == (name not in NAMES)


@pytest.mark.parametrize("per_layer", [True, False])
def test_a_random_mask_has_the_sparsity_of_the_ticket(per_layer: bool) -> None:
    masks = half_masks()
    drawn = random_masks(masks, 1, per_layer=per_layer)
    counts, wanted = ([int(m[name].sum()) for name in NAMES] for m in (drawn, masks))
    assert sum(counts) == sum(wanted) and (counts == wanted) == per_layer
    assert not torch.equal(flat(drawn), flat(masks))


def test_masks_survive_the_disk_and_fit_a_model_of_another_task(tmp_path: Path) -> None:
    masks = smallest_removed(
        bare_state(random_lenet(1, classes=2)), full_masks(random_lenet(1, 2), ("first.weight", "second.weight")), 0.9
    )
    save_masks(random_masks(masks, 2, per_layer=False), tmp_path / "drawn.safetensors")
    save_masks(masks, tmp_path / "masks.safetensors")
    loaded = load_masks(tmp_path / "masks.safetensors")
    assert loaded.keys() == masks.keys() and all(torch.equal(loaded[n], masks[n]) for n in masks)
    other = random_lenet(1, classes=10)
    before = bare_state(other)
    apply_masks(other, loaded)
    assert all(torch.equal(value, before[n] * loaded.get(n, torch.tensor(1))) for n, value in bare_state(other).items())


def test_the_lenet_of_the_paper_has_its_count_and_its_hidden_start_for_every_task() -> None:
    assert sum(p.numel() for p in random_lenet(1).parameters()) == 64 * 300 + 300 * 100 + 100 * 10 + 410
    assert torch.equal(random_lenet(3).second.weight, random_lenet(3, classes=2).second.weight)


def curve() -> Curve:
    """Dense 0.90 with a deviation of 0.02, so 0.88 wins."""
    means = {0.5: 0.89, 0.6: 0.87, 0.7: 0.88, 0.8: 0.5}
    dense = [Point("dense", 0.0, seed, score) for seed, score in ((1, 0.88), (2, 0.90), (3, 0.92))]
    tickets = [Point("ticket", s, seed, m) for s, m in means.items() for seed in (1, 2, 3)]
    return Curve("accuracy", 100, (*dense, *tickets))


def test_the_winning_ticket_is_the_sparsest_within_one_deviation_of_dense() -> None:
    assert winning_score(curve()) == pytest.approx(0.88)
    assert winning_sparsity(curve()) == 0.7
    assert unbroken_sparsity(curve()) == 0.5
    assert winning_sparsity(curve(), "rate_ticket") is None


def test_a_curve_survives_json() -> None:
    assert Curve.from_json(curve().to_json()) == curve()


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "sparsity": (lambda: smallest_removed(bare_state(make_model()), half_masks(), 1.0), "sparsity of 1 .*below 1"),
    "backwards": (lambda: smallest_removed(bare_state(make_model()), half_masks(), 0.2), "0.2 cannot .* from 0.5"),
    "nan": (lambda: smallest_removed({"a": torch.tensor([torch.nan])}, {"a": torch.tensor([True])}, 0.5), "a holds"),
    "name": (lambda: full_masks(make_model(), ("7.weight",)), "no parameter '7.weight'"),
    "shape": (lambda: apply_masks(make_model(), {"0.weight": torch.ones(2, 2)}), r"shape \(2, 2\).*\(20, 6\)"),
    "rounds": (lambda: shares_of_original(0.1, 10), "10 rounds of 0.1 leave no network"),
    "kind": (lambda: Point("best", 0.5, 1, 0.9), "'best' is no kind"),
    "percent": (lambda: Point("ticket", 50.0, 1, 0.9), "a share, not a percentage"),
    "one seed": (lambda: winning_score(Curve("accuracy", 9, (Point("dense", 0.0, 1, 0.9),))), "two seeds"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line(case: str) -> None:
    call, words = BAD[case]
    with pytest.raises(PruningError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_model_is_not_masked_twice() -> None:
    model = make_model()
    apply_masks(model, half_masks())
    with pytest.raises(PruningError, match="masked already"):
        apply_masks(model, half_masks())


def test_a_file_that_holds_no_masks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no tensors")
    save_file({"a": torch.ones(2)}, tmp_path / "weights")
    for name, words in (("text", "cannot be read"), ("weights", "float32, not bool"), ("absent", "cannot be read")):
        with pytest.raises(PruningError, match=words):
            load_masks(tmp_path / name)
