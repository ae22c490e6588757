"""The stage that measures a latency table, for recipes whose pruning has a budget in milliseconds.

Its folder carries the processor's name and the engine's version, so another machine measures a table of its own. Left
out: how it is measured (`latency_table.py`), and how the search uses it (`compress/prune`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..benchmarks.processor import describe_processor
from ..compress.models.checkpoint import load_student
from ..compress.prune.costs import LatencyTable
from ..compress.prune.units import Shape
from ..compress.prune.widths import check_sizes, shape_with
from ..runtime.onnx_engine import import_onnxruntime
from .latency_models import MOST_ROWS
from .latency_table import Ladder, measure_latency_table, read_table, write_table
from .sections import Recipe
from .workspace import Workspace

TABLE_NAME = "table.json"


def latency_table(recipe: Recipe, space: Workspace, student: Path, sizes: Mapping[str, int]) -> Path | None:
    """`table.json`: what layers of the student, cut to these widths, cost here. None without a budget in milliseconds.

    Raises PruningError when the student cannot be cut to `sizes`, or takes fewer tokens than `task.max_length`.
    """
    precision = recipe.latency_precision
    if precision is None:
        return None
    model, length = load_student(student), recipe.task.max_length
    check_sizes(model, sizes)
    shape, labels = measured_shape(shape_with(model.config, sizes)), model.num_labels

    def work(folder: Path) -> None:
        with TemporaryDirectory() as models:  # gigabytes for a large shape, and of no use later
            write_table(measure_latency_table(shape, labels, length, Path(models), precision), folder / TABLE_NAME)

    settings = {
        "shape": shape.to_dict(), "labels": labels, "length": length, "precision": precision,
        "processor": describe_processor().name, "engine": import_onnxruntime().__version__,
    }  # fmt: skip
    return space.stage("latency-table", work, settings=settings)


def read_latency_table(folder: Path | None) -> LatencyTable | None:
    """The table of the stage, if there is one."""
    return None if folder is None else read_table(folder / TABLE_NAME)


def measured_shape(shape: Shape) -> Shape:
    """All of the shape that a table depends on: one layer, the largest, and a word table no longer than is timed.

    Models that differ in the number of layers or words alone so share a table.
    """
    return replace(shape, layers=(Ladder.of(shape).largest,), vocab_size=min(shape.vocab_size, MOST_ROWS), pad_id=0)
