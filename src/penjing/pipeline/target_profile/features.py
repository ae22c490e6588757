"""What a model costs, as numbers that latency is about linear in: sums over its operators.

Products count in whole tiles, as kernels compute them; how large an engine's tiles are on a device, and whether it has
a narrower kernel for products that would leave much of a tile empty, is chosen by what was measured there (`fit.py`). A
product with one row is bound by reading its weights and stands apart. Left out: what each number costs on a device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .operators import Operator

NARROW = 2
"""Outputs of XNNPACK's narrower kernels."""
CACHE_MB = (1, 4, 16)
"""Of second- and third-level caches: weights beyond one come from farther away at every inference."""
FEATURES = (
    "models", "operators",
    "linears", "linear_macs", "linear_tiles", "linear_narrow_macs", "linear_narrow_tiles", "linear_row_tiles",
    "linear_inputs", "linear_weights",
    "row_linears", "row_weights", "row_narrow_weights",
    "products", "product_calls", "product_macs", "product_tiles", "product_row_tiles", "product_operands",
    "softmaxes", "softmax_rows", "softmax_elements", "norms", "norm_rows", "norm_elements",
    "relu_elements", "gelu_elements", "tanh_elements", "sum_elements", "copy_elements", "table_rows", "table_elements",
    *(f"weights_beyond_{size}_mb" for size in CACHE_MB),
)  # fmt: skip
"""Their order is that of a fit's coefficients."""
ROWWISE = {"softmax": "softmaxes", "norm": "norms", "table": "tables"}


@dataclass(frozen=True)
class Tile:
    """What a kernel computes at a time: so many rows of so many outputs.

    `narrow`: weights whose outputs fill whole tiles badly are computed NARROW outputs at a time.
    """

    rows: int
    outputs: int
    narrow: bool = False

    def is_narrow(self, outputs: int) -> bool:
        """XNNPACK's rule (`xnn_use_nr2`): fewer than a tile, or over 1% computed for nothing, and less by the other."""
        idle = -outputs % self.outputs
        wasteful = -outputs % NARROW < idle and 100 * idle > outputs
        return self.narrow and (outputs < self.outputs or wasteful)


def features(operators: Iterable[Operator], tile: Tile, weight_bytes: int) -> dict[str, float]:
    """By name. `weight_bytes` is a weight's size: 4 in fp32, 1 in int8."""
    found = Counter[str](models=1)
    weights = 0
    for operator in operators:
        found["operators"] += 1
        found.update(_parts(operator, tile))
        if operator.kind == "linear":
            weights += operator.size[1] * operator.size[2]
    found.update({f"weights_beyond_{size}_mb": max(0, weights - (size << 20) // weight_bytes) for size in CACHE_MB})
    return {name: float(found[name]) for name in FEATURES}


def _parts(operator: Operator, tile: Tile) -> dict[str, int]:
    kind, size = operator.kind, operator.size
    if kind == "linear":
        return _row(tile, *size[1:]) if size[0] == 1 else _linear(tile, *size)
    if kind == "product":
        return _product(tile, *size)
    if kind in ROWWISE:
        return {ROWWISE[kind]: 1, f"{kind}_rows": size[0], f"{kind}_elements": size[0] * size[1]}
    return {f"{kind}_elements": size[0]}


def _linear(tile: Tile, rows: int, inner: int, outputs: int) -> dict[str, int]:
    narrow = "_narrow" if tile.is_narrow(outputs) else ""
    width = NARROW if narrow else tile.outputs
    high, tiles = _up(rows, tile.rows), _tiles(rows, tile.rows) * _tiles(outputs, width)
    return {
        "linears": 1, f"linear{narrow}_macs": high * inner * _up(outputs, width), f"linear{narrow}_tiles": tiles,
        "linear_row_tiles": _tiles(rows, tile.rows), "linear_inputs": rows * inner, "linear_weights": inner * outputs,
    }  # fmt: skip


def _row(tile: Tile, inner: int, outputs: int) -> dict[str, int]:
    if tile.is_narrow(outputs):
        return {"row_linears": 1, "row_narrow_weights": inner * _up(outputs, NARROW)}
    return {"row_linears": 1, "row_weights": inner * _up(outputs, tile.outputs)}


def _product(tile: Tile, count: int, rows: int, inner: int, outputs: int) -> dict[str, int]:
    row_tiles = count * _tiles(rows, tile.rows)
    return {
        "products": 1, "product_calls": count, "product_row_tiles": row_tiles,
        "product_macs": row_tiles * tile.rows * inner * _up(outputs, tile.outputs),
        "product_tiles": row_tiles * _tiles(outputs, tile.outputs),
        "product_operands": count * inner * (rows + outputs),
    }  # fmt: skip


def _tiles(number: int, size: int) -> int:
    return -(-number // size)


def _up(number: int, multiple: int) -> int:
    return _tiles(number, multiple) * multiple
