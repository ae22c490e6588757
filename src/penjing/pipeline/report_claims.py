"""Claims of a report's figures, the same for text and for sentence encoders: sizes of files, and times.

Left out: quality, which each kind of recipe states by its own proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..benchmarks.measurement import Condition
from ..benchmarks.results import Run
from .report import Report
from .targets import stated

Claims = Iterator[dict[str, Any]]


def size_claims(name: str, report: Report) -> Claims:
    """Parameters of the student, its files in MB, and int8 over fp32."""
    rows = {row.file: row for row in report.models if row.role == "student"}
    yield stated(f"{name}.student.parameters", next(iter(rows.values())).total_parameters or 0, "parameters", None, 1)
    for file, row in rows.items():
        yield stated(f"{name}.{file}.size", row.bytes / 1e6, "MB", None, 1)
    for kind in ("onnx", "tflite"):
        share = rows[f"model.int8.{kind}"].bytes / rows[f"model.{kind}"].bytes
        yield stated(f"{name}.int8.{kind}.share", share, "share", None, 1)


def speed_claims(name: str, report: Report) -> Claims:
    """How many times as fast as the teacher at the longest length and one thread, and what a start costs."""
    run = report.run
    assert run is not None
    int8, fp32, warm = "student int8 ONNX", "student fp32 ONNX", Condition("warm", max(run.settings.lengths), 1)
    for suffix, subject, other in (
        ("speed.fp32", int8, "teacher fp32 ONNX"),
        ("speed.int8", int8, "teacher int8 ONNX"),
        ("speed.same", fp32, "teacher fp32 ONNX"),
    ):
        found = run.comparison(subject, other, warm)
        if found is not None:
            yield stated(f"{name}.{suffix}", found.ratio, "x", (found.low, found.high), run.settings.rounds)
    for subject in (int8, "teacher fp32 ONNX"):
        measured = run.find(subject, warm)
        if measured is not None:
            samples = len(measured.samples_ms)
            yield stated(f"{name}.{subject.split()[0]}.p50", measured.p50, "ms", measured.p50_interval, samples)
    for cost in run.wrapper:
        if cost.subject == int8:
            yield stated(f"{name}.wrapper", cost.overhead, "x", (cost.low, cost.high), cost.n)
    yield from _cold(name, run, int8)


def _cold(name: str, run: Run, student: str) -> Claims:
    found = {m.subject: m for m in run.measurements if m.condition.kind in ("cold", "import")}
    own, peer = found[student], found.get("transformers pipeline")
    n = len(own.samples_ms)
    if peer is not None:  # it answers whole texts alone
        yield stated(f"{name}.cold.speed", peer.p50 / own.p50, "x", None, n)
        if own.peak_rss_mb and peer.peak_rss_mb:
            yield stated(f"{name}.cold.memory", peer.peak_rss_mb / own.peak_rss_mb, "x", None, n)
    loaded = found["import penjing.runtime"]
    yield stated(f"{name}.import", loaded.p50, "ms", loaded.p50_interval, len(loaded.samples_ms))
