"""Sparse files: exact round trips, sizes against the entropy, and what is said about them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from penjing.compress.prune.sparse_bytes import (
    NOT_FASTER,
    coded_size,
    pack_sparse,
    unpack_sparse,
    what_sparsity_buys,
)
from penjing.runtime.errors import PruningError

ROWS, COLUMNS = 400, 500


def weights(sparsity: float, values: Tensor | None = None) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(0)
    there = torch.rand(ROWS, COLUMNS, generator=source) >= sparsity
    dense = torch.randn(ROWS, COLUMNS, generator=source) if values is None else values.expand(ROWS, COLUMNS)
    return {"matrix": dense * there, "bias": torch.randn(7, generator=source), "positions": torch.arange(9)}


@pytest.mark.parametrize("sparsity", [0.0, 0.01, 0.6, 0.999, 1.0])
def test_fp32_comes_back_exactly(sparsity: float) -> None:
    before = weights(sparsity)
    after = unpack_sparse(pack_sparse(before, "fp32"))
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) and after[name].dtype == value.dtype for name, value in before.items())


def test_int8_comes_back_within_half_a_scale_and_keeps_every_zero() -> None:
    before = weights(0.6)
    after = unpack_sparse(pack_sparse(before, "int8"))
    scale = before["matrix"].abs().amax(1, keepdim=True) / 127
    assert ((after["matrix"] - before["matrix"]).abs() <= 0.501 * scale).all()
    assert (after["matrix"][before["matrix"] == 0] == 0).all()
    assert torch.equal(after["bias"], before["bias"])


@pytest.mark.parametrize("sparsity", [0.5, 0.9, 0.98])
def test_where_the_weights_are_costs_about_its_entropy(sparsity: float) -> None:
    before = weights(sparsity, torch.ones(1))
    values = int(before["matrix"].count_nonzero()) / 8  # equal bytes take Huffman's least, one bit each
    overhead = coded_size(weights(1.0), "int8").coded
    entropy = -sparsity * math.log2(sparsity) - (1 - sparsity) * math.log2(1 - sparsity)
    places = coded_size(before, "int8").coded - overhead - values
    assert 0.98 < places / (entropy * ROWS * COLUMNS / 8) < 1.05


def test_counts_and_dense_bytes_are_those_of_the_arrays() -> None:
    fp32, int8 = (coded_size(weights(0.6), precision) for precision in ("fp32", "int8"))
    assert fp32.entries == ROWS * COLUMNS + 7 + 9
    assert fp32.dense == 4 * (ROWS * COLUMNS + 7) + 8 * 9
    assert int8.dense == ROWS * COLUMNS + 4 * ROWS + 4 * 7 + 8 * 9
    assert fp32.coded < 0.45 * fp32.dense and int8.coded < 0.6 * int8.dense
    assert coded_size(weights(0.9), "fp32").coded < fp32.coded < coded_size(weights(0.0), "fp32").coded


def test_the_sentence_names_both_sizes_and_says_that_nothing_is_faster() -> None:
    sizes = [coded_size(weights(0.6), precision) for precision in ("fp32", "int8")]
    words = what_sparsity_buys(*sizes)
    assert words.startswith("59.9% of all weights are zero: fp32 0.") and "int8 0." in words
    assert words.endswith(NOT_FASTER)


def test_bad_input_is_refused_in_one_line() -> None:
    with pytest.raises(PruningError, match="'fp16' is unknown"):
        pack_sparse(weights(0.5), "fp16")
    with pytest.raises(PruningError, match="not finite"):
        pack_sparse({"a": torch.tensor([torch.inf])}, "fp32")
    coded = pack_sparse(weights(0.5), "fp32")
    for broken in (b"", coded[:-9], b"x" * 100):
        with pytest.raises(PruningError, match="not a packed model"):
            unpack_sparse(broken)
