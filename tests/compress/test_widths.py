"""Widths: rotation is exact, slicing equals projecting, BERT is cut back to what it was, plans replay bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_classifiers import logits_of, random_batches, tiny_bert, tiny_mobilebert
from torch import nn

from penjing.compress.models.bert import BertClassifier
from penjing.compress.models.closed_form import regress
from penjing.compress.models.mobilebert import MobileBertClassifier, NoNorm
from penjing.compress.prune.apply import apply_plan
from penjing.compress.prune.fold_norms import without_norms
from penjing.compress.prune.least_squares import LeastSquares
from penjing.compress.prune.plan import PruningPlan, fingerprint_of, read_plan, write_plan
from penjing.compress.prune.slice_mobilebert import Slice, Slices, choose_slices, sliced
from penjing.compress.prune.units import Encoder, full_masks
from penjing.compress.prune.widths import cut_widths, hidden_basis, plan_widths
from penjing.compress.prune.word_codes import word_codes
from penjing.runtime.errors import PruningError

BATCHES = random_batches(8, size=8)
HELD_OUT = random_batches(3, size=8, seed=1)
SIZES = {BertClassifier: {"hidden": 24, "embedding": 8}, MobileBertClassifier: {"hidden": 24, "bottleneck": 12}}
MODELS = pytest.mark.parametrize("make", [tiny_bert, tiny_mobilebert])


def cut(model: Encoder, sizes: Mapping[str, int]) -> Encoder:
    return cut_widths(model, sizes, plan_widths(model, BATCHES, sizes))


def difference(model: Encoder, other: Encoder) -> float:
    """Largest one of logits on held-out texts, relative to the largest logit."""
    wanted = logits_of(model, HELD_OUT)
    return float((logits_of(other, HELD_OUT) - wanted).abs().max() / wanted.abs().max())


def normed_mobilebert() -> MobileBertClassifier:
    """With NoNorms far from 1 and 0, of either sign."""
    model: MobileBertClassifier = tiny_mobilebert()
    source = torch.Generator().manual_seed(3)
    for module in model.modules():
        if isinstance(module, NoNorm):
            sign = torch.randint(0, 2, module.weight.shape, generator=source) * 2 - 1
            module.weight.data = sign * (0.6 + 0.5 * torch.rand(module.weight.shape, generator=source))
            module.bias.data = 0.3 * torch.randn(module.bias.shape, generator=source)
    return model


def doubled_bert() -> tuple[BertClassifier, BertClassifier]:
    """A BERT, and one twice as wide whose channels all come in pairs: norms and answers are the same."""
    narrow = tiny_bert()
    hidden = narrow.config.hidden_size
    wide = BertClassifier(replace(narrow.config, hidden_size=2 * hidden, embedding_size=2 * hidden), 3).eval()
    weights = {}
    for name, value in wide.state_dict().items():
        small = narrow.state_dict()[name]
        if "pooler" not in name and value.shape[0] == 2 * small.shape[0]:
            small = torch.cat([small, small])
        if value.dim() == 2 and value.shape[1] == 2 * small.shape[1]:
            small = torch.cat([small, small], 1) / (1 if "embeddings" in name else 2)
        weights[name] = small
    # The pooler's second half is not heard.
    for name in ("bert.pooler.dense.weight", "bert.pooler.dense.bias"):
        weights[name] = torch.cat([weights[name], torch.zeros_like(weights[name])])
    weights["classifier.weight"] = torch.cat([narrow.classifier.weight, torch.zeros(3, hidden)], 1)
    wide.load_state_dict(weights)
    return narrow, wide


@torch.no_grad()
def projected(plain: MobileBertClassifier, slices: Slices) -> MobileBertClassifier:
    """The dense model, every reader of a stream seeing what is left of it."""
    encoder = plain.mobilebert.encoder
    for layer, hidden, shared, inner in zip(encoder.layers(), slices.hidden, slices.shared, slices.inner, strict=False):
        for reader in (layer.bottleneck.input.dense, layer.bottleneck.attention.dense, layer.attention.self.value):
            _see(reader, hidden)
        _see(layer.attention.self.query, shared)
        _see(layer.attention.self.key, shared)
        for (up, _), part in zip(layer.stacked(), inner, strict=False):
            _see(up.dense, part)
        _see(layer.output.bottleneck.dense, inner[-1])
    _see(plain.classifier, slices.hidden[-1])
    return plain


def _see(reader: nn.Module, part: Slice) -> None:
    reader.register_forward_pre_hook(lambda _module, inputs: (part.project(inputs[0]),))


def test_a_model_without_norms_is_the_same_function() -> None:
    model = normed_mobilebert()
    plain, scales = without_norms(model)
    assert difference(model, plain) < 1e-5
    norms = [module for module in plain.modules() if isinstance(module, NoNorm)]
    assert all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)
    batch = HELD_OUT[0]
    inputs = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
    dense, unscaled = (m(*inputs, with_layers=True)[1].hidden[2] for m in (model, plain))
    shift = dense - unscaled * scales[2]
    assert torch.allclose(shift, shift[:1, :1].expand_as(shift), atol=1e-4)


@pytest.mark.parametrize("make", [tiny_mobilebert, normed_mobilebert])
def test_a_mobilebert_rotated_at_full_size_gives_the_same_logits(make: Callable[[], MobileBertClassifier]) -> None:
    model = make()
    rotated = cut(model, {"hidden": 32, "bottleneck": 16, "embedding": 16})
    assert isinstance(rotated, MobileBertClassifier)
    assert difference(model, rotated) < 1e-4
    before = model.mobilebert.encoder.layers()[0].bottleneck.input.dense.weight
    after = rotated.mobilebert.encoder.layers()[0].bottleneck.input.dense.weight
    assert not torch.allclose(before, after, atol=1e-2)


def test_a_sliced_mobilebert_equals_the_one_whose_streams_are_projected() -> None:
    plain, _ = without_norms(normed_mobilebert())
    shape = replace(plain.config, hidden_size=20, bottleneck_size=9)
    slices = choose_slices(plain, BATCHES, shape)
    small = sliced(plain, shape, slices)
    dense = logits_of(plain, HELD_OUT)
    assert small.mobilebert.encoder.layers()[1].bottleneck.input.dense.weight.shape == (9, 20)
    assert difference(projected(plain, slices), small) < 1e-5
    assert (logits_of(plain, HELD_OUT) - dense).abs().max() > 1e-3  # the projection does take something


def test_a_doubled_bert_is_cut_back_to_what_it_was() -> None:
    narrow, wide = doubled_bert()
    assert difference(narrow, wide) < 1e-5
    sizes = {"hidden": 32}
    tensors = plan_widths(wide, BATCHES, sizes)
    small = cut_widths(wide, sizes, tensors)
    assert difference(wide, small) < 1e-3
    basis = hidden_basis(tensors)
    assert basis is not None and basis.shape == (64, 32)
    batch = HELD_OUT[0]
    inputs = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
    for dense, own in zip(*(m(*inputs, with_layers=True)[1].hidden for m in (wide, small)), strict=True):
        assert torch.allclose(dense @ basis, own, atol=1e-2)


def test_bert_at_full_size_stays_as_it_is() -> None:
    model = tiny_bert()
    assert difference(model, cut(model, {"hidden": 32, "embedding": 32})) < 1e-4


def test_a_bert_cut_in_two_steps_keeps_its_projection() -> None:
    model = tiny_bert()
    coded = cut(model, {"embedding": 8})
    both = cut(coded, {"hidden": 24})
    assert (both.config.hidden_size, both.config.embedding_size) == (24, 8)
    assert torch.equal(both.state_dict()["bert.embeddings.word_embeddings.weight"],
                       coded.state_dict()["bert.embeddings.word_embeddings.weight"])  # fmt: skip


@MODELS
@torch.no_grad()
def test_a_word_table_of_low_rank_loses_nothing(make: Callable[[], Encoder]) -> None:
    model = make()
    (table,) = (module for name, module in model.named_modules() if name.endswith("word_embeddings"))
    assert isinstance(table, nn.Embedding)
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(5)) @ torch.randn(6, table.embedding_dim)
    rows[0] = 0
    table.weight.copy_(rows)
    small = cut(model, {"embedding": 7})  # BERT's mean row takes one direction more
    assert small.config.embedding_size == 7
    assert difference(model, small) < 1e-3


def test_the_padding_row_of_a_mobilebert_stays_zero() -> None:
    small = cut(tiny_mobilebert(), {"embedding": 5})
    words = small.state_dict()["mobilebert.embeddings.word_embeddings.weight"]
    assert (words[0] == 0).all() and words[1:].abs().min() > 0


def test_codes_lose_what_the_trailing_singular_values_say() -> None:
    source = torch.Generator().manual_seed(0)
    rows, root = (torch.randn(*size, generator=source, dtype=torch.float64) for size in ((40, 12), (12, 12)))
    weights = torch.rand(40, generator=source, dtype=torch.float64)
    codes, back = word_codes(rows, weights, root @ root.T, 5)
    error = (rows - codes.double() @ back.double().T) @ root
    strengths = torch.linalg.svdvals(weights.sqrt()[:, None] * rows @ root)
    assert (weights @ error.square().sum(1)).item() == pytest.approx(strengths[5:].square().sum().item(), rel=1e-4)


def test_regression_in_batches_equals_regression_at_once() -> None:
    source = torch.Generator().manual_seed(0)
    x, y, prior = (torch.randn(*size, generator=source) + 1 for size in ((90, 7), (90, 3), (3, 7)))
    equations = LeastSquares()
    for start in range(0, 90, 30):
        equations.add(x[start : start + 30], y[start : start + 30])
    weight, bias = equations.solve(0.2, prior)
    wanted = regress(x, y - x @ prior.T, ridge=0.2)
    assert torch.allclose(weight, wanted[0] + prior, atol=1e-4)
    assert torch.allclose(bias, wanted[1], atol=1e-4)


@MODELS
def test_a_plan_replays_bit_for_bit_without_data(make: Callable[[], Encoder], tmp_path: Path) -> None:
    model = make()
    sizes = SIZES[type(model)]
    tensors = plan_widths(model, BATCHES, sizes)
    shape = cut_widths(model, sizes, tensors).config
    plan = PruningPlan(fingerprint_of(model), "test", (0, 1, 2), full_masks(shape), sizes, tensors=tensors)
    write_plan(plan, tmp_path)
    small = apply_plan(model, read_plan(tmp_path))
    weights = cut_widths(model, sizes, plan_widths(model, BATCHES, sizes)).state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in small.state_dict().items())
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("frozen", [False, True])
def test_the_model_is_left_as_it_is_and_may_be_frozen(frozen: bool) -> None:
    model = tiny_bert()
    model.requires_grad_(not frozen)
    before = fingerprint_of(model)
    tensors = plan_widths(model, BATCHES, {"hidden": 16})
    assert fingerprint_of(model) == before
    assert not any(value.requires_grad for value in tensors.values())


@pytest.mark.parametrize(
    ("make", "sizes", "message"),
    [
        (tiny_bert, {"hidden": 0}, "hidden size 0 .*2 to 32"),
        (tiny_bert, {"hidden": 33}, "hidden size 33 .*2 to 32"),
        (tiny_bert, {"bottleneck": 8}, "'bottleneck' is no width of a BERT model.*hidden, embedding"),
        (tiny_bert, {"hidden": 8, "embedding": 16}, "embedding size 16 is above the hidden size 8"),
        (tiny_mobilebert, {"bottleneck": 17}, "bottleneck size 17 .*1 to 16"),
        (tiny_mobilebert, {"vocabulary": 9}, "'vocabulary' is no width of a MobileBERT"),
    ],
)
def test_sizes_that_cannot_be_had_are_refused(make: Any, sizes: dict[str, int], message: str) -> None:
    with pytest.raises(PruningError, match=message):
        plan_widths(make(), BATCHES, sizes)


@pytest.mark.parametrize("change", [{"norm": "layer_norm"}, {"attention_input": "bottleneck"}, {"pooler": True}])
def test_a_mobilebert_that_cannot_be_rotated_is_refused_and_told_which_can(change: dict[str, Any]) -> None:
    model = MobileBertClassifier(replace(tiny_mobilebert().config, **change), 2)
    with pytest.raises(PruningError, match="those of BERT models and of MobileBERTs with 'no_norm', 'shared'"):
        plan_widths(model, BATCHES, {"hidden": 16})


@MODELS
def test_states_that_are_not_finite_are_refused(make: Callable[[], Encoder]) -> None:
    model = make()
    dict(model.named_parameters())[_some_bias(model)].data[3] = torch.nan
    with pytest.raises(PruningError, match=r"layer 1.* not finite"):
        plan_widths(model, BATCHES, {"hidden": 16})


def test_a_norm_scale_of_zero_and_missing_texts_are_refused() -> None:
    model = tiny_mobilebert()
    with pytest.raises(PruningError, match="no calibration texts"):
        plan_widths(model, [], {"hidden": 16})
    model.mobilebert.encoder.layers()[1].output.bottleneck.LayerNorm.weight.data[2] = 0
    with pytest.raises(PruningError, match=r"layer.1.output.bottleneck.LayerNorm has a scale of 0"):
        plan_widths(model, BATCHES, {"hidden": 16})


def test_tensors_of_other_sizes_are_refused() -> None:
    model = tiny_bert()
    tensors = plan_widths(model, BATCHES, {"hidden": 16})
    with pytest.raises(PruningError, match=r"do not fit the widths.*hidden.*12.*make the plan again"):
        cut_widths(model, {"hidden": 12}, tensors)
    with pytest.raises(PruningError, match="missing"):
        cut_widths(model, {"hidden": 16}, {})


def _some_bias(model: Encoder) -> str:
    return next(name for name, _ in model.named_parameters() if "layer.1.attention.output.dense.bias" in name)
