"""The latency table of a model's shape on this machine: what each number of heads and each width costs in a layer.

One file, the ladder, has a layer for every size that is measured: all numbers of heads beside the widest feed-forward,
then all widths beside the most heads. ONNX Runtime's profiler tells its layers apart. Three files of one layer say the
same of the last one, which computes little but the first token. Piecewise linear as in Kwon et al. 2022 (arXiv
2204.09656, section 3.3), and never falling: where noise made a larger layer look faster, the fit is the nearest one in
which it is not, since the search for a cut counts on that. Left out: widths other than those of heads and
feed-forwards; another hidden size is another table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.isotonic import isotonic_regression

from ..benchmarks.plain import from_plain, to_plain
from ..benchmarks.processor import describe_processor
from ..compress.models.encoder import LayerShape
from ..compress.prune.costs import LatencyTable, Points
from ..compress.prune.units import Shape
from ..runtime.errors import PruningError
from .latency_models import Anatomy, Precision, dissect, export_random, time_files
from .text_files import read_json, write_json

HEAD_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the way from one head to all."""
NEURON_SHARES = (1 / 32, 1 / 8, 3 / 8, 2 / 3, 1.0)
"""Of all; the smallest is near enough to none."""
WIDTHS = ("hidden_size", "embedding_size", "bottleneck_size")


@dataclass(frozen=True)
class Ladder:
    """The sizes that are measured, ascending; `largest` is a layer with the last of each."""

    heads: tuple[int, ...]
    neurons: tuple[int, ...]
    largest: LayerShape

    @staticmethod
    def of(shape: Shape) -> Ladder:
        """Up to as many heads and neurons as any layer of the shape has."""
        most = max(layer.heads for layer in shape.layers)
        widest = max(width for layer in shape.layers for width in layer.feed_forwards)
        first = shape.layers[0]
        largest = LayerShape(most, first.head_size, (widest,) * len(first.feed_forwards))
        heads = sorted({1 + round(share * (most - 1)) for share in HEAD_SHARES})
        neurons = sorted({max(1, round(share * widest)) for share in NEURON_SHARES})
        return Ladder(tuple(heads), tuple(neurons), largest)

    @property
    def stacks(self) -> tuple[tuple[LayerShape, ...], ...]:
        """The layers of each model: those of the ladder and one more, then three times one layer alone, which is the
        largest, the one with the fewest heads, the one with the narrowest feed-forwards."""
        most, widest = self.heads[-1], self.neurons[-1]
        rungs = [(h, widest) for h in self.heads] + [(most, n) for n in self.neurons[:-1]]
        alone = ((most, widest),), ((self.heads[0], widest),), ((most, self.neurons[0]),)
        return tuple(tuple(self._layer(*size) for size in sizes) for sizes in ([*rungs, (most, widest)], *alone))

    def _layer(self, heads: int, neurons: int) -> LayerShape:
        return LayerShape(heads, self.largest.head_size, (neurons,) * len(self.largest.feed_forwards))


def measure_latency_table(
    shape: Shape, num_labels: int, sequence_length: int, folder: Path, precision: Precision = "fp32"
) -> LatencyTable:
    """Exports four models of random weights into `folder`, measures them in ONNX Runtime and fits the table.

    Raises PruningError when the shape has fewer positions than `sequence_length`.
    """
    files = export_ladder(shape, num_labels, sequence_length, folder, precision)
    times = time_files(files, sequence_length)
    return table_of(shape, files, times, sequence_length, precision)


def export_ladder(
    shape: Shape, num_labels: int, sequence_length: int, folder: Path, precision: Precision
) -> tuple[Path, ...]:
    """The files of `Ladder.stacks`."""
    if sequence_length > shape.max_positions:
        raise PruningError(
            f"latency is asked for at {sequence_length} tokens, the model takes {shape.max_positions}:"
            f" choose a length up to {shape.max_positions}"
        )
    shapes: list[Shape] = [replace(shape, layers=stack) for stack in Ladder.of(shape).stacks]
    return tuple(
        export_random(each, num_labels, sequence_length, folder / f"ladder-{i}.onnx", precision)
        for i, each in enumerate(shapes)
    )


def table_of(
    shape: Shape, files: Sequence[Path], times: Sequence[float], sequence_length: int, precision: Precision
) -> LatencyTable:
    """The table from the files of `export_ladder` and the milliseconds that each takes as a whole."""
    rungs, *alone = (dissect(file, sequence_length, ms) for file, ms in zip(files, times, strict=True))
    fitted = fit_table(Ladder.of(shape), rungs, alone)
    machine, sizes = describe_processor().name, _shared_widths(shape)
    return replace(fitted, machine=machine, sequence_length=sequence_length, precision=precision, sizes=sizes)


def fit_table(ladder: Ladder, rungs: Anatomy, alone: Sequence[Anatomy]) -> LatencyTable:
    """The table from what the layers of `Ladder.stacks` took; machine, length and precision are left to the caller.

    What a layer takes without neurons counts as attention.
    """
    stacked, count = len(ladder.largest.feed_forwards), len(ladder.heads)
    by_heads = rungs.layers[:count]
    heads, neurons = _parts(ladder.heads, by_heads, ladder.neurons, [*rungs.layers[count:-1], by_heads[-1]], stacked)
    full, fewest, narrowest = (sum(each.layers) for each in alone)
    ends = [sorted({sizes[0], sizes[-1]}) for sizes in (ladder.heads, ladder.neurons)]
    last_times = [times[-len(sizes) :] for sizes, times in zip(ends, ([fewest, full], [narrowest, full]), strict=True)]
    last_heads, last_neurons = _parts(ends[0], last_times[0], ends[1], last_times[1], stacked)
    rest = float(np.median([each.rest for each in alone]))
    return LatencyTable("", 0, heads, neurons, rest, last_heads, last_neurons)


def write_table(table: LatencyTable, path: Path) -> None:
    """As JSON."""
    write_json(path, to_plain(table))


def read_table(path: Path) -> LatencyTable:
    """What `write_table` wrote. Raises PruningError when it is missing or something else."""
    try:
        return from_plain(LatencyTable, read_json(path))
    except FileNotFoundError:
        raise PruningError(f"{path} is missing: measure the latency table again") from None
    except (ValueError, KeyError, TypeError) as error:
        raise PruningError(f"{path} is not a latency table ({error}): measure it again") from None


def _shared_widths(shape: Shape) -> dict[str, int]:
    """The widths that all layers of the shape share, by name."""
    return {name: getattr(shape, name) for name in WIDTHS if hasattr(shape, name)}


def _parts(
    heads: Sequence[int], by_heads: Sequence[float], neurons: Sequence[int], by_width: Sequence[float], stacked: int
) -> tuple[Points, Points]:
    """Attention and one feed-forward, from layers of all heads beside the widest, and all widths beside the most."""
    by_heads, by_width = isotonic_regression(by_heads).tolist(), isotonic_regression(by_width).tolist()
    bare = _without_neurons(neurons, by_width)
    feed_forwards = by_width[-1] - bare
    return (
        tuple((size, ms - feed_forwards) for size, ms in zip(heads, by_heads, strict=True)),
        tuple((size, (ms - bare) / stacked) for size, ms in zip(neurons, by_width, strict=True)),
    )


def _without_neurons(neurons: Sequence[int], by_width: Sequence[float]) -> float:
    """What a layer takes at width 0, on the line through the two smallest widths."""
    if len(neurons) == 1:
        return 0.0
    slope = (by_width[1] - by_width[0]) / (neurons[1] - neurons[0])
    return by_width[0] - slope * neurons[0]
