"""Modelled cycles: which blocks are modelled, and what llvm-mca says of code whose cost is known."""

from __future__ import annotations

import pytest

from penjing.benchmarks.arm64.blocks import Section
from penjing.benchmarks.arm64.cycles import hot_blocks, model_cycles
from penjing.benchmarks.arm64.host_tools import can_model_cycles
from penjing.runtime.errors import TargetError

needs_llvm = pytest.mark.skipif(not can_model_cycles(), reason="no llvm-mca-19")
ADD, FMUL, RET, LDADD, NOP = "91000400", "1e200800", "d65f03c0", "b8210020", "d503201f"
"""add x0, x0, #1; fmul s0, s0, s0; ret; ldadd w1, w0, [x1]; nop"""
MODELS = ("cortex-a53", "cortex-a72", "neoverse-n1")


def section(blocks: dict[str, int]) -> Section:
    return Section(sum(n * len(code) // 8 for code, n in blocks.items()), 0, 0, 0, 0, blocks)


def test_the_blocks_that_run_most_are_chosen_until_98_percent() -> None:
    hot, share = hot_blocks(section({NOP * 10: 9, ADD * 2: 450, RET: 5, LDADD: 5}))
    assert hot == [ADD * 2, NOP * 10]
    assert share == pytest.approx(0.99)


@needs_llvm
@pytest.mark.parametrize("model", MODELS)
def test_a_chain_costs_its_latency_and_no_more(model: str) -> None:
    adds, muls = model_cycles([section({ADD * 8: 1000}), section({FMUL * 8: 1000})], model)
    assert adds == pytest.approx(8000, rel=0.05)
    assert 3 <= muls / 8000 < 6.1, "a multiplication of floats takes three to six cycles"


@needs_llvm
def test_sections_cost_what_they_cost_alone_and_blocks_add_up() -> None:
    one, other = section({ADD * 8: 1000}), section({FMUL * 8: 10, ADD * 8: 1000})
    together = model_cycles([one, other], "cortex-a72")
    assert together == [*model_cycles([one], "cortex-a72"), *model_cycles([other], "cortex-a72")]
    assert together[1] > together[0]


@needs_llvm
@pytest.mark.parametrize("model", MODELS)
def test_what_a_table_refuses_is_left_out(model: str) -> None:
    (cycles,) = model_cycles([section({LDADD + ADD * 8 + RET: 100})], model)
    assert 800 <= cycles < 1010


@needs_llvm
def test_a_core_that_is_unknown_to_llvm_is_one_line() -> None:
    with pytest.raises(TargetError, match="llvm-mca-19 cannot model the code") as error:
        model_cycles([section({ADD: 1})], "no-such-core")
    assert "\n" not in str(error.value)
