"""The operators that a module runs at one sequence length: products, norms, softmax, attention, tables, copies.

The module runs once in torch, which tells every operator and its shapes; so whatever the form for devices does (folded
norms, the last layer's first row alone, layers of different widths) is counted as it is. Left out: what an engine fuses
of them, which the fitted coefficients learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ...export.signature import TEXT

Kind = Literal["linear", "product", "softmax", "norm", "relu", "gelu", "tanh", "sum", "table", "copy"]
Size = tuple[int, ...]

ELEMENTWISE: dict[str, Kind] = {
    "add": "sum", "sub": "sum", "rsub": "sum", "mul": "sum", "div": "sum", "relu": "relu", "gelu": "gelu",
    "tanh": "tanh", "clone": "copy", "cat": "copy", "constant_pad_nd": "copy",
}  # fmt: skip
ROWWISE: dict[str, Kind] = {"_softmax": "softmax", "native_layer_norm": "norm", "embedding": "table"}
FEWEST_DIMENSIONS = 4
"""A transposition of so many is one of heads, which engines carry out; one of fewer is a matrix's, read as it lies."""


@dataclass(frozen=True)
class Operator:
    """`size` is (rows, inner, outputs) of a linear, (count, rows, inner, outputs) of products of two activations,
    (rows, width) of a softmax, norm or table, and (elements,) of the rest."""

    kind: Kind
    size: Size


def count_operators(model: nn.Module, length: int) -> tuple[Operator, ...]:
    """What `model` (in eval mode, inputs as of TEXT) runs on one text of `length` tokens, in order."""
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    recorder = _Recorder(weights)
    with torch.no_grad(), recorder:
        model(*TEXT.examples(1, length))
    return tuple(recorder.found)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator below autograd; `weights` are the storages of what is constant."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.weights, self.found = weights, list[Operator]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.found += _operators(func.overloadpacket.__name__, args, result, self._is_weight)
        return result

    def _is_weight(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self.weights


def _operators(name: str, args: Any, result: Any, is_weight: Callable[[Tensor], bool]) -> Iterator[Operator]:
    if name in ("addmm", "mm"):
        left, right = args[-2:]
        (rows, inner), outputs = left.shape, right.shape[1]
        constant = is_weight(left) or is_weight(right)
        yield Operator("linear", (rows, inner, outputs)) if constant else Operator("product", (1, rows, inner, outputs))
    elif name == "bmm":
        yield Operator("product", (*args[0].shape, args[1].shape[2]))
    elif name in ROWWISE:
        shape = (result[0] if isinstance(result, tuple) else result).shape
        yield Operator(ROWWISE[name], (prod(shape[:-1]), shape[-1]))
    elif name in ELEMENTWISE:
        yield Operator(ELEMENTWISE[name], (result.numel(),))
    elif name == "transpose" and result.dim() >= FEWEST_DIMENSIONS:
        yield Operator("copy", (result.numel(),))
    elif name in ("split", "split_with_sizes"):
        yield Operator("copy", (sum(part.numel() for part in result),))
    elif name == "slice" and result.shape != args[0].shape and not is_weight(args[0]):
        yield Operator("copy", (result.numel(),))
