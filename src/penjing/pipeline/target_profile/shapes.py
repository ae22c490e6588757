"""Random students: those that a profile measures, shallow and cheap, and whole ones that it has not seen.

Both are drawn from the same ranges, by seeds of different names, so that none of one is among the other. Most
measured students have two layers of different shapes: the first is what a deep student repeats, the last one computes
the first token alone. More layers take longer to export and tell less, but for what caches do: so some are deep and
wide, beyond all caches, and some are whole students of any depth. Left out: students that are cut out of a BERT.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...compress.models.encoder import LayerShape
from ...compress.models.mobilebert import MobileBertConfig
from ...export.signature import EXAMPLE_LENGTH

WORDS = 1000
"""Of the word table: how many it has decides the size of the file, not the time."""
LABELS = (2, 20)
HEAD_SIZES = (8, 12, 16, 24, 32, 48, 64)
HEADS = (1, 12)
BOTTLENECK = (32, 384)
HIDDEN, EMBEDDING, FEED_FORWARD = (64, 768), (32, 384), (48, 1536)
STACKED, MEASURED_STACKED, LAYERS = (1, 4), (1, 3), (1, 12)
LENGTHS = (8, 256)
DEEP_LAYERS, DEEP_WEIGHTS, SHARE = (4, 12), (2_000_000, 20_000_000), 6
"""Of the deep ones among the measured: layers, and about how many weights. One of six is deep, one of six whole."""
MEASURED, ONNX_LENGTHS, TFLITE_LENGTHS = 60, 3, 2
"""Students of a profile, and lengths of each: an ONNX file takes any, a TFLite file is compiled for each."""


@dataclass(frozen=True)
class Drawn:
    """A student's name and shape, and the lengths at which each engine runs it, ascending."""

    name: str
    config: MobileBertConfig
    labels: int
    lengths: Mapping[str, tuple[int, ...]]

    @property
    def longest(self) -> int:
        """Tokens that the form for devices takes: not fewer than those that the exporters try it with."""
        return max(EXAMPLE_LENGTH, *(length for lengths in self.lengths.values() for length in lengths))


def measured_students(count: int = MEASURED) -> list[Drawn]:
    """Those of a profile: always the same."""
    few = count // SHARE
    shallow = count - 2 * few
    return [
        *(_shallow(random.Random(f"profile-{i}"), f"p{i:02}", (i + 0.5) / shallow) for i in range(shallow)),
        *(_deep(random.Random(f"deep-{i}"), f"d{i:02}", (i + 0.5) / few) for i in range(few)),
        *(_whole(random.Random(f"whole-{i}"), f"w{i:02}", (i + 0.5) / few) for i in range(few)),
    ]


def unseen_students(count: int, seed: int) -> list[Drawn]:
    """Whole students, all layers of one alike as a recipe makes them; one length each, the same for both engines."""
    return [_unseen(random.Random(f"unseen-{seed}-{i}"), f"u{seed}-{i:02}") for i in range(count)]


def _shallow(source: random.Random, name: str, shift: float) -> Drawn:
    layers = _layer(source, MEASURED_STACKED), _layer(source, (1, 1))
    widest = source.choice(layers)
    config = _config(source, layers, widest.heads * widest.head_size)
    return Drawn(name, config, source.randint(*LABELS), _measured_lengths(shift))


def _deep(source: random.Random, name: str, shift: float) -> Drawn:
    while True:
        layer = _layer(source, STACKED)
        layers = (layer,) * source.randint(*DEEP_LAYERS)
        config = _config(source, layers, layer.heads * layer.head_size)
        narrow = config.bottleneck_size
        of_a_layer = 2 * narrow * (config.hidden_size + 2 * narrow + sum(layer.feed_forwards))
        if DEEP_WEIGHTS[0] <= len(layers) * of_a_layer <= DEEP_WEIGHTS[1]:
            return Drawn(name, config, source.randint(*LABELS), _measured_lengths(shift))


def _whole(source: random.Random, name: str, shift: float) -> Drawn:
    return replace(_unseen(source, name), lengths=_measured_lengths(shift))


def _measured_lengths(shift: float) -> dict[str, tuple[int, ...]]:
    return {"onnx": _lengths(shift, ONNX_LENGTHS), "tflite": _lengths(shift, TFLITE_LENGTHS)}


def _unseen(source: random.Random, name: str) -> Drawn:
    layer = _layer(source, STACKED)
    layers = (layer,) * round(_between(source, *LAYERS))
    length = round(_between(source, *LENGTHS))
    config = _config(source, layers, layer.heads * layer.head_size)
    return Drawn(name, config, source.randint(*LABELS), {"onnx": (length,), "tflite": (length,)})


def _layer(source: random.Random, stacked: tuple[int, int]) -> LayerShape:
    """Heads as wide as a bottleneck may be; all stacked feed-forwards alike."""
    while True:
        heads, head_size = source.randint(*HEADS), source.choice(HEAD_SIZES)
        if BOTTLENECK[0] <= heads * head_size <= BOTTLENECK[1]:
            break
    return LayerShape(heads, head_size, (_width(source, FEED_FORWARD),) * source.randint(*stacked))


def _config(source: random.Random, layers: tuple[LayerShape, ...], bottleneck: int) -> MobileBertConfig:
    return MobileBertConfig(
        layers, vocab_size=WORDS, hidden_size=_width(source, HIDDEN), embedding_size=_width(source, EMBEDDING),
        bottleneck_size=bottleneck, norm="layer_norm" if source.random() < 0.2 else "no_norm",
        activation="gelu" if source.random() < 0.3 else "relu",
    )  # fmt: skip


def _lengths(shift: float, count: int) -> tuple[int, ...]:
    """Spread evenly over the logarithm of all lengths; `shift` from 0 to 1 moves them within their shares."""
    low, high = map(math.log, LENGTHS)
    return tuple(round(math.exp(low + (high - low) * (i + shift) / count)) for i in range(count))


def _width(source: random.Random, limits: tuple[int, int]) -> int:
    """A multiple of 8."""
    return 8 * round(_between(source, *limits) / 8)


def _between(source: random.Random, low: float, high: float) -> float:
    """Every factor alike likely."""
    return math.exp(source.uniform(math.log(low), math.log(high)))
