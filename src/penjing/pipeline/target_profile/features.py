"""What a model costs, as numbers that latency is about linear in: sums over its operators.

Products count in whole tiles, as kernels compute them; how large an engine's tiles are on a device is chosen by what
was measured there (`fit.py`). A product with one row is bound by reading its weights and stands apart. So do products
whose last outputs fill no more than half a tile: XNNPACK takes a narrower kernel for the whole of them, which runs 1.4
times the instructions (424 x 322 against 424 x 320, Cortex-A72). Left out: what each number costs on a device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .operators import Operator

HALF, WHOLE = 4, 8
"""Outputs in half of the narrowest tile that engines prefer, and in a whole one."""
CACHE_MB = (1, 4, 16)
"""Of second- and third-level caches: weights beyond one come from farther away at every inference."""
FEATURES = (
    "models", "operators",
    "linears", "linear_macs", "linear_narrow_macs", "linear_inputs", "linear_outputs", "linear_weights",
    "row_linears", "row_weights", "row_narrow_weights",
    "products", "product_calls", "product_macs", "product_narrow_macs", "product_outputs", "product_operands",
    "softmax_rows", "softmax_elements", "norm_rows", "norm_elements", "relu_elements", "gelu_elements",
    "tanh_elements", "sum_elements", "copy_elements", "table_elements",
    *(f"weights_beyond_{size}_mb" for size in CACHE_MB),
)  # fmt: skip
"""Their order is that of a fit's coefficients."""


@dataclass(frozen=True)
class Tile:
    """What a kernel computes at a time: so many rows of so many outputs."""

    rows: int
    outputs: int


def features(operators: Iterable[Operator], tile: Tile, weight_bytes: int) -> dict[str, float]:
    """By name. `weight_bytes` is a weight's size: 4 in fp32, 1 in int8."""
    found = Counter[str](models=1)
    for operator in operators:
        found["operators"] += 1
        found.update(_parts(operator, tile))
    weights = found["linear_weights"] + found["row_weights"]
    found.update({f"weights_beyond_{size}_mb": max(0, weights - (size << 20) // weight_bytes) for size in CACHE_MB})
    return {name: float(found[name]) for name in FEATURES}


def _parts(operator: Operator, tile: Tile) -> dict[str, int]:
    kind, size = operator.kind, operator.size
    if kind == "linear":
        return _row(tile, *size[1:]) if size[0] == 1 else _linear(tile, *size)
    if kind == "product":
        return _product(tile, *size)
    if kind in ("softmax", "norm"):
        return {f"{kind}_rows": size[0], f"{kind}_elements": size[0] * size[1]}
    elements = size[0] * size[1] if kind == "table" else size[0]
    return {f"{kind}_elements": elements}


def _linear(tile: Tile, rows: int, inner: int, outputs: int) -> dict[str, int]:
    macs = _up(rows, tile.rows) * inner * _up(outputs, tile.outputs)
    return {
        "linears": 1, "linear_macs": macs, "linear_narrow_macs": macs * _is_narrow(outputs),
        "linear_inputs": rows * inner, "linear_outputs": rows * outputs, "linear_weights": inner * outputs,
    }  # fmt: skip


def _row(tile: Tile, inner: int, outputs: int) -> dict[str, int]:
    weights = inner * _up(outputs, tile.outputs)
    return {"row_linears": 1, "row_weights": weights, "row_narrow_weights": weights * _is_narrow(outputs)}


def _product(tile: Tile, count: int, rows: int, inner: int, outputs: int) -> dict[str, int]:
    macs = count * _up(rows, tile.rows) * inner * _up(outputs, tile.outputs)
    return {
        "products": 1, "product_calls": count, "product_macs": macs, "product_narrow_macs": macs * _is_narrow(outputs),
        "product_outputs": count * rows * outputs, "product_operands": count * inner * (rows + outputs),
    }  # fmt: skip


def _is_narrow(outputs: int) -> bool:
    return _up(outputs, HALF) < _up(outputs, WHOLE)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
