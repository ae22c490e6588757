"""Which matrices of an encoder may be sparse: those that the form for devices keeps, and no others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from penjing.compress.models.bert import BertClassifier, BertShape
from penjing.compress.models.encoder import LayerShape
from penjing.compress.models.folded import inference_form
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig
from penjing.compress.prune.sparse_encoder import device_sizes, sparse_matrices, sparser_masks
from penjing.compress.prune.units import Encoder
from penjing.compress.prune.weight_masks import sparsity_of
from penjing.runtime.errors import PruningError

LAYERS = (LayerShape(4, 4, (12, 8)), LayerShape(2, 4, (10, 6)))


def make(kind: str) -> Encoder:
    torch.manual_seed(0)
    if kind == "bert":
        return BertClassifier(BertShape((LayerShape(4, 4, (24,)), LayerShape(3, 4, (16,))), 30, 16, 16, 12), 2).eval()
    norm = "no_norm" if kind == "folded" else "layer_norm"
    shape = MobileBertConfig(LAYERS, 30, hidden_size=24, embedding_size=8, bottleneck_size=16, norm=norm)
    return MobileBertClassifier(shape, 2).eval()


@pytest.mark.parametrize(("kind", "count"), [("bert", 2 * 6), ("folded", 2 * 8), ("unfolded", 2 * 11)])
def test_the_matrices_are_those_of_the_layers(kind: str, count: int) -> None:
    model = make(kind)
    names = sparse_matrices(model)
    weights = dict(model.named_parameters())
    assert len(names) == len(set(names)) == count
    assert all(weights[name].dim() == 2 and ".encoder.layer." in name for name in names)


@pytest.mark.parametrize("kind", ["bert", "folded", "unfolded"])
def test_no_zero_is_lost_in_the_form_for_devices(kind: str) -> None:
    model = make(kind)
    masks = sparser_masks(model, None, 0.5)
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name] *= mask
    form = inference_form(model, 12)
    layers: nn.Module = form.get_submodule("layers") if kind != "unfolded" else form
    zeros = sum(int((w == 0).sum()) for w in layers.parameters() if w.dim() == 2)
    assert zeros >= sum(int((~mask).sum()) for mask in masks.values())
    fp32, int8 = device_sizes(model, 12)
    assert fp32.zeros <= int8.zeros and fp32.entries == int8.entries == sum(
        v.numel() for v in form.state_dict().values()
    )


def test_masks_grow_from_those_before() -> None:
    model = make("folded")
    first = sparser_masks(model, None, 0.3)
    second = sparser_masks(model, first, 0.6)
    assert [sparsity_of(first), sparsity_of(second)] == pytest.approx([0.3, 0.6], abs=1e-3)
    assert all((first[name] | ~second[name]).all() for name in first)
    with pytest.raises(PruningError, match=r"a sparsity of 0\.3 cannot be reached from 0\.6"):
        sparser_masks(model, second, 0.3)
