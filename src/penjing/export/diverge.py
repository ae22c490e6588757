"""Where an exported file goes wrong first: its blocks beside those of the torch module, on a few real texts.

Quantization adds a little error at every block; a fault adds much at one. Left out: why; the name of the block is where
to look.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from ..runtime.tokenizer import Encoded
from .block_values import Inputs, block_names, onnx_reader, tflite_reader, torch_values
from .verify import token_counts

TEXTS = 8
"""A wrong block shows on any text."""
NOTICEABLE = 0.05
"""Relative error below which a block passes for rounding."""
JUMP = 3.0
"""A block whose error is this many times that of the block before adds more than its share."""


@dataclass(frozen=True)
class Divergence:
    """`place`: the block at fault; `relative_error`: RMS of its error over RMS of its value.

    `trail`: the errors of all blocks, in order; each carries those before it along.
    """

    place: str
    relative_error: float
    trail: tuple[tuple[str, float], ...]

    @property
    def sentence(self) -> str:
        """For a report: the place, its error and that of the block before."""
        if self.relative_error <= NOTICEABLE:
            return f"no block stands out: the largest relative error is {self.relative_error:.2%}, at {self.place}"
        places = [place for place, _ in self.trail]
        number = places.index(self.place)
        before = f", {self.trail[number - 1][1]:.2%} in the block before" if number else ""
        return f"the values part at {self.place}: relative error {self.relative_error:.2%}{before}"


def locate_divergence(
    model: nn.Module, path: Path, file_format: str, texts: Encoded, sequence_lengths: tuple[int, ...] = ()
) -> Divergence:
    """The first block of the file that departs from `model`, the torch module that the file was exported from.

    `sequence_lengths` are those of a TFLite file's signatures. ONNX files below opset 18 carry no names of modules: of
    these only the logits are compared.
    """
    blocks = block_names(model)
    read = onnx_reader(path, blocks) if file_format == "onnx" else tflite_reader(path, model)
    errors: dict[str, float] = defaultdict(float)
    sizes: dict[str, float] = defaultdict(float)
    for inputs in _rows(texts, sequence_lengths if file_format == "tflite" else ()):
        expected, found = torch_values(model, inputs), read(inputs)
        for place, value in expected.items():
            if place in found and found[place].size == value.size:
                errors[place] += float(((found[place].reshape(value.shape) - value) ** 2).sum())
                sizes[place] += float((value**2).sum())
    return first_departure(tuple((place, _relative(errors[place], sizes[place])) for place in errors))


def first_departure(trail: tuple[tuple[str, float], ...]) -> Divergence:
    """The first block whose error is noticeable and a jump; without a jump the first noticeable one, else the largest.

    Example: (a, 0.01), (b, 0.4), (c, 0.5) parts at b.
    """
    before = 0.0
    noticeable = []
    for place, error in trail:
        if error > NOTICEABLE and error > JUMP * before:
            return Divergence(place, error, trail)
        noticeable += [(place, error)] if error > NOTICEABLE else []
        before = error
    place, error = noticeable[0] if noticeable else max(trail, key=lambda entry: entry[1])
    return Divergence(place, error, trail)


def _rows(texts: Encoded, sequence_lengths: tuple[int, ...]) -> Iterator[Inputs]:
    """The first few texts alone and without padding, or padded to the smallest of the lengths that fits."""
    for row, tokens in list(enumerate(token_counts(texts)))[:TEXTS]:
        length = min((n for n in sequence_lengths if n >= tokens), default=int(tokens))
        missing = ((0, 0), (0, length - int(tokens)))
        yield {name: np.pad(array[row : row + 1, :tokens], missing) for name, array in texts.inputs.items()}


def _relative(error: float, size: float) -> float:
    """RMS over RMS; what is not a number is infinitely wrong."""
    if not math.isfinite(error):
        return math.inf
    return math.sqrt(error / size) if size else (math.inf if error else 0.0)
