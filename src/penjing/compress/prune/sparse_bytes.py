"""What sparsity buys: the bytes of a model's weights after entropy coding, fp32 or int8, by really coding them.

A tensor with zeros is stored as the gaps between the values that are there, and those values; each stream is Huffman
coded by zlib, which every device can inflate. Gaps of random places come within 1% of their entropy like this (a bitmap
with deflate's matches: 18% above it at 90% sparsity). Values are split into byte planes, so that the exponents, which
repeat, stand together. int8 is symmetric with one scale a row of each matrix; vectors stay fp32. The container is
safetensors. Left out: speed. A sparse file is inflated to dense weights before it runs.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor

from ...runtime.errors import PruningError

LONGEST_GAP = 255
"""Bytes of this value stand for that many zeros with no value after them."""
INT8_LIMIT = 127
NOT_FASTER = "Dense kernels multiply the zeros too: once decoded the model is no faster and takes no less memory."


@dataclass(frozen=True)
class CodedSize:
    """One model in one precision: its entries, how many are zero, bytes as dense arrays, bytes of the coded file."""

    precision: str
    entries: int
    zeros: int
    dense: int
    coded: int


def coded_size(weights: Mapping[str, Tensor], precision: str) -> CodedSize:
    """Codes all of `weights` ("fp32" or "int8") and counts. The zeros are those of the stored values."""
    stored = {name: _stored(value, precision) for name, value in weights.items()}
    entries, zeros, dense = 0, 0, 0
    for values, scales in stored.values():
        entries, zeros = entries + values.size, zeros + int(values.size - np.count_nonzero(values))
        dense += values.nbytes + (0 if scales is None else scales.nbytes)
    return CodedSize(precision, entries, zeros, dense, len(_pack(stored)))


def pack_sparse(weights: Mapping[str, Tensor], precision: str) -> bytes:
    """The coded file. Raises PruningError for a precision other than "fp32" and "int8" or weights not finite."""
    return _pack({name: _stored(value, precision) for name, value in weights.items()})


def unpack_sparse(coded: bytes) -> dict[str, Tensor]:
    """The dense weights: for "fp32" exactly those that were packed, for "int8" at most half a scale away.

    Raises PruningError when the bytes are not `pack_sparse`'s.
    """
    try:
        streams = load(coded)
        index = json.loads(bytes(streams.pop("index")))
        return {name: _decoded(name, entry, streams) for name, entry in index.items()}
    except (SafetensorError, KeyError, ValueError, zlib.error) as error:
        raise PruningError(f"these bytes are not a packed model ({error!r}): make them with pack_sparse") from None


def what_sparsity_buys(fp32: CodedSize, int8: CodedSize) -> str:
    """One sentence for a model card, and the one about speed."""
    share = fp32.zeros / fp32.entries
    sizes = ", ".join(
        f"{size.precision} {size.coded / 1e6:.2f} MB coded instead of {size.dense / 1e6:.2f} MB"
        for size in (fp32, int8)
    )
    return f"{share:.1%} of all weights are zero: {sizes}. {NOT_FASTER}"


Stored = tuple[NDArray[np.generic], NDArray[np.float32] | None]
"""Values as they are stored, and the scales of their rows where they are int8."""


def _stored(value: Tensor, precision: str) -> Stored:
    array = value.detach().cpu().numpy()
    if precision not in ("fp32", "int8"):
        raise PruningError(f"the precision {precision!r} is unknown: use fp32 or int8")
    if not np.isfinite(array).all():
        raise PruningError("weights that are not finite cannot be packed: train again at a lower learning rate")
    if precision == "fp32" or array.ndim != 2 or array.dtype != np.float32:
        return array, None
    largest = np.abs(array).max(axis=1, keepdims=True)
    scales = np.where(largest > 0, largest / INT8_LIMIT, 1).astype(np.float32)
    return np.rint(array / scales).clip(-INT8_LIMIT, INT8_LIMIT).astype(np.int8), scales


def _pack(stored: Mapping[str, Stored]) -> bytes:
    streams: dict[str, NDArray[np.generic]] = {}
    index = {name: {"shape": values.shape, "dtype": values.dtype.str} for name, (values, _) in stored.items()}
    for name, (values, scales) in stored.items():
        there = values.reshape(-1) != 0
        zeros = values.size - int(there.sum())
        kept = values.reshape(-1)
        if zeros * values.itemsize * 8 > values.size:  # else the places, of up to a bit each, cost more than the zeros
            streams[f"{name}.gaps"] = _deflated(_gaps(there))
            kept = kept[there]
        streams[f"{name}.values"] = _deflated(_planes(kept))
        if scales is not None:
            streams[f"{name}.scales"] = scales
    streams["index"] = np.frombuffer(json.dumps(index).encode(), np.uint8)
    return bytes(save(streams))


def _decoded(name: str, entry: Mapping[str, Any], streams: Mapping[str, NDArray[np.generic]]) -> Tensor:
    shape, dtype = tuple(entry["shape"]), np.dtype(entry["dtype"])
    planes = _inflated(streams[f"{name}.values"]).reshape(dtype.itemsize, -1)
    values = np.ascontiguousarray(planes.T).reshape(-1).view(dtype)
    if f"{name}.gaps" in streams:
        dense = np.zeros(math.prod(shape), dtype)
        dense[_places(_inflated(streams[f"{name}.gaps"]))] = values
        values = dense
    array = values.reshape(shape)
    if f"{name}.scales" in streams:
        array = array.astype(np.float32) * streams[f"{name}.scales"]
    return torch.from_numpy(array.copy())


def _gaps(there: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Zeros before each value, in bytes; a longer gap takes several."""
    zeros = np.diff(np.flatnonzero(there), prepend=-1) - 1
    ends = np.cumsum(zeros // LONGEST_GAP + 1) - 1
    gaps = np.full(0 if len(ends) == 0 else ends[-1] + 1, LONGEST_GAP, np.uint8)
    gaps[ends] = zeros % LONGEST_GAP
    return gaps


def _places(gaps: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What `_gaps` was made from, as indices."""
    ends = gaps != LONGEST_GAP
    zeros: NDArray[np.int64] = np.cumsum(gaps, dtype=np.int64)[ends]
    return zeros + np.arange(len(zeros))


def _planes(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """All first bytes, then all second bytes, and so on."""
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(-1, values.itemsize)
    return np.ascontiguousarray(octets.T).reshape(-1)


def _deflated(stream: NDArray[np.uint8]) -> NDArray[np.uint8]:
    coder = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
    return np.frombuffer(coder.compress(stream.tobytes()) + coder.flush(), np.uint8)


def _inflated(stream: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.frombuffer(zlib.decompress(stream.tobytes()), np.uint8)
