"""What a model takes and gives: names, types and shapes of a text classifier and of an anomaly detector.

Every input has the shape [batch, length, *tail]: tokens of a text, or samples of a window with their channels. Left
out: models that mix the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..runtime.manifest import InputSpec

EXAMPLE_BATCH, EXAMPLE_LENGTH = 2, 16


@dataclass(frozen=True)
class Signature:
    """The inputs, all of one type and shape, and the one output, [batch, ...].

    `length` is None where it is free; TFLite files have one signature `serving_<length>` each.
    """

    inputs: tuple[str, ...]
    output: str
    dtype: torch.dtype
    length: int | None = None
    tail: tuple[int, ...] = ()

    def examples(self, batch: int = EXAMPLE_BATCH, length: int = EXAMPLE_LENGTH) -> tuple[Tensor, ...]:
        """One tensor an input, all ones but for the last of three, the token types."""
        shape = (batch, self.length or length, *self.tail)
        return tuple(torch.full(shape, 0 if name == "token_type_ids" else 1, dtype=self.dtype) for name in self.inputs)

    def specs(self) -> tuple[InputSpec, ...]:
        """As the manifest tells them."""
        dtype = str(self.dtype).removeprefix("torch.")
        return tuple(InputSpec(name, dtype, ("batch", self.length or "sequence", *self.tail)) for name in self.inputs)


TEXT = Signature(("input_ids", "attention_mask", "token_type_ids"), "logits", torch.int64)
"""Of every text classifier: tokens [batch, sequence] to logits [batch, labels]."""


def samples_signature(window: int, channels: int) -> Signature:
    """Of a detector: `samples` [batch, window, channels] in float32 to `scores` [batch]."""
    return Signature(("samples",), "scores", torch.float32, window, (channels,))
