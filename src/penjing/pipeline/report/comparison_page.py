"""The table and the page of compared cuts, and their files. Left out: the drawing (`comparison_figure.py`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ...benchmarks.measurement import Measurement
from .comparison import ComparedModel, CutComparison, Times
from .comparison_figure import cuts_picture
from .lottery_figure import standalone_svg
from .model import Share
from .table import Table
from .words import BUSY, DASH, between, busy_words, megabytes, milliseconds, processor_words
from .write import page, write_texts

TEMPLATE = "compare.html.j2"
PRECISIONS = ("fp32", "int8")
COLUMNS = (
    "Model", "MACs cut", "Parameters", "without embeddings", "MACs", "MB (int8 ONNX)", "Accuracy", "95%", "int8", "95%",
    "n", "ms (fp32)", "95%", "ms (int8)", "95%",
)  # fmt: skip


def write_comparison(folder: Path, found: CutComparison) -> None:
    """Writes `compare.json`, `compare.svg` and `compare.html` into `folder`. Raises OutputError when it cannot."""
    picture = cuts_picture(found)
    written = [comparison_table(found), _machine_table(found.times)]
    html = page(
        TEMPLATE, [picture], written,
        recipe=found.recipe, created=found.created, headline=picture.title, warnings=tuple(_warnings(found.times)),
    )  # fmt: skip
    texts = {
        "compare.json": json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False) + "\n",
        "compare.svg": standalone_svg(picture.svg),
        "compare.html": html,
    }
    write_texts(folder, texts)


def comparison_table(found: CutComparison) -> Table:
    """One row a model."""
    n = found.models[0].accuracy.n
    note = (
        f"Accuracy: of the torch model and of its int8 ONNX file on {n:,} validation texts, seed {found.seed}."
        f" Milliseconds: medians of ONNX Runtime at {found.sequence_length} tokens, batch 1, 1 thread, all models in"
        f" one interleaved run, {len(found.times.measurements[0].samples_ms):,} samples each."
    )
    return Table("cuts", "All models", COLUMNS, tuple(_row(found, model) for model in found.models), note)


def _row(found: CutComparison, model: ComparedModel) -> tuple[str, ...]:
    dense = found.models[0].macs
    times = [cell for precision in PRECISIONS for cell in _times(found.times.of(model.label, precision))]
    return (
        model.label, DASH if model.method is None else f"{1 - model.macs / dense:.1%}", f"{model.parameters:,}",
        f"{model.non_embedding:,}", f"{model.macs:,}", megabytes(model.bytes), *_share(model.accuracy),
        *_share(model.accuracy_int8), f"{model.accuracy.n:,}", *times,
    )  # fmt: skip


def _share(share: Share) -> tuple[str, str]:
    return f"{share.value:.4f}", between(f"{share.low:.3f}", f"{share.high:.3f}")


def _times(measured: Measurement) -> tuple[str, str]:
    low, high = measured.p50_interval
    return milliseconds(measured.p50), between(milliseconds(low), milliseconds(high))


def _machine_table(times: Times) -> Table:
    machine = times.machine
    floors = "; ".join(f"{noise.first.precision} {noise.floor:.3f}x" for noise in times.noise_floors)
    packages = (f"{name} {version}" for name, version in machine.packages.items())
    rows = (
        ("Processor", processor_words(machine)),
        ("System", f"{machine.system}, {machine.architecture}, Python {machine.python}"),
        ("Packages", ", ".join(packages)),
        ("In use before", busy_words(machine)),
        ("Noise floor", f"{floors}: {times.noise_floors[0].first.subject} against itself"),
    )
    return Table("machine", "Machine", ("What", "Value"), rows, wide=(0, 1))


def _warnings(times: Times) -> Iterator[str]:
    noisy = [noise for noise in times.noise_floors if noise.is_high]
    if noisy:
        worst = max(noise.floor for noise in noisy)
        yield f"Noisy machine: one file differed from itself by {worst:.2f}x. Measure again on a quiet machine."
    if (times.machine.busy_share or 0) > BUSY:
        yield f"Before the timing began, {times.machine.busy_share:.0%} of the processor was in use by something else."
