"""The report of a made-up run: what its three files say, and what they must never hold."""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from penjing.benchmarks.cold import PIPELINE
from penjing.benchmarks.compare import compare, noise_floor
from penjing.benchmarks.machine import MachineDescription
from penjing.benchmarks.measurement import Condition, Measurement
from penjing.benchmarks.memory_use import PHASES, STAGES, ColdSplit, MemoryStage, MemoryUse
from penjing.benchmarks.op_profile import OpProfile, OpTime
from penjing.benchmarks.plan import SubjectFacts
from penjing.benchmarks.results import Run, RunSettings
from penjing.benchmarks.wrapper import WrapperCost
from penjing.pipeline.report import Claim, Curve, CurvePoint, DataSummary, ModelRow, Report, Share, write_report
from penjing.pipeline.report.figures import _spread
from penjing.pipeline.report.words import facts, headline, milliseconds, warnings
from penjing.runtime.errors import OutputError

STUDENT, TEACHER = "student int8 (ONNX)", "teacher fp32 (ONNX)"
HOSTILE = '<script>alert(1)</script> $x^ & "a" | [b](c) `d`'
WARM = Condition("warm", 128, 1)
TEXT = Condition("text", None, 1)
COLD = Condition("cold", None, 1)


def measured(subject: str, condition: Condition, median: float, rounds: int = 20, calls: int = 10) -> Measurement:
    noise = np.random.default_rng(len(subject)).standard_normal((rounds, calls))
    samples = tuple(float(x) for x in (median * np.exp(0.01 * noise)).reshape(-1))
    memory = 60.0 if condition.kind == "cold" else None
    return Measurement(subject, "tiny", "model.onnx", "onnx", "int8", condition, rounds, samples, memory)


def made_up_run() -> Run:
    machine = MachineDescription(
        "A CPU", "x86_64", 2, ("avx2",), 8000, True, "Linux", "3.11.0", {"numpy": "2.0.0"}, None, 0.1, 0.01
    )
    facts = tuple(SubjectFacts(label, "tiny", "model.onnx", "onnx", "int8", 5_000_000) for label in (STUDENT, TEACHER))
    measurements = [
        measured(label, condition, factor * base)
        for condition, base in ((WARM, 4.0), (TEXT, 1.0))
        for label, factor in ((STUDENT, 1.0), (TEACHER, 5.0))
    ]
    measurements += [measured(STUDENT, COLD, 300.0, 5, 1), measured(PIPELINE, COLD, 4500.0, 5, 1)]
    floors, comparisons = [], []
    for condition in (WARM, TEXT, COLD):
        first, second = (m for m in measurements if m.condition == condition)
        floors.append(noise_floor(first, replace(first, subject=f"{STUDENT} (A/A)")))
        comparisons.append(compare(first, second, floors[-1].floor))
    cost = WrapperCost(STUDENT, 1, 2, 2, 0.05, 0.9, 0.96, 1.0, 1.04, 1.03, 1.05, (0.96, 0.96), (1.0, 1.0))
    profile = OpProfile(STUDENT, 128, 1, (OpTime("MatMul", 12, 2.0, 0.8), OpTime("Add", 6, 0.5, 0.2)))
    return Run(
        "local", "2025-01-01T00:00:00+00:00", machine, RunSettings((128,), (1,), 20, 10, 200, 5, 1), facts,
        tuple(measurements), tuple(floors), tuple(comparisons), (cost,), (profile,),
    )  # fmt: skip


def row(label: str, role: str, size: int, value: float) -> ModelRow:
    return ModelRow(
        label, role, "model.onnx", "onnx", "int8", size, "accuracy", "validation", 872, value, value - 0.02,
        value + 0.02, 4_900_000, 1_900_000, Share(7, 872, 0.004, 0.016), 0.031,
    )  # fmt: skip


@pytest.fixture(scope="module")
def report() -> Report:
    return Report(
        recipe="tiny",
        created="2025-01-01T00:10:00+00:00",
        student=STUDENT,
        teacher=TEACHER,
        models=(row(STUDENT, "student", 5_100_000, 0.885), row(TEACHER, "teacher", 90_900_000, 0.895)),
        seeds=(1, 2, 3),
        agreement=Share(842, 872, 0.951, 0.976),
        data=DataSummary({"train": 100, "validation": 20}, 0),
        curves=(Curve("task", (CurvePoint(10, 0.5, 0.7), CurvePoint(20, 0.4, 0.9), CurvePoint(30, 0.3, 0.8))),),
        run=made_up_run(),
        claims=(Claim("speed", 4.98, "x", (4.9, 5.1), 200, ">= 5", False, "penjing run tiny", "too many small ops"),),
    )


@pytest.fixture(scope="module")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, report)
    return folder


def test_the_headline_gives_size_speed_and_likeness(report: Report, folder: Path) -> None:
    said = headline(report)
    assert said.startswith("student int8 (ONNX): 5.10 MB, ")
    assert "128 tokens, 1 thread" in said
    assert said.endswith("decides like its teacher on 96.6% of 872 validation texts")
    assert said in (folder / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert said in html.unescape((folder / "report.html").read_text(encoding="utf-8"))


def test_json_holds_every_raw_sample_and_gives_the_report_back(report: Report, folder: Path) -> None:
    raw = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert raw["schema_version"] == 1
    assert len(raw["run"]["measurements"][0]["samples_ms"]) == 200
    assert Report.from_json(raw) == report


def test_the_page_needs_nothing_from_outside(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "://" not in page
    for outside in ("<script", "<link", "<img", "<iframe", "@import", "<!DOCTYPE svg", "src="):
        assert outside not in page
    assert set(re.findall(r"url\((.)", page)) <= {"#"}
    assert page.count("<svg") == 5


def test_ids_of_the_pictures_do_not_collide(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page)) <= {(i, "") for i in ids} | {("", i) for i in ids}


class _Balance(HTMLParser):
    """Remembers tags that were opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_tag_is_closed(folder: Path) -> None:
    parser = _Balance()
    parser.feed((folder / "report.html").read_text(encoding="utf-8"))
    assert parser.open == []


def test_a_missed_target_stays_in_the_report_with_its_reason(folder: Path) -> None:
    for name in ("report.md", "report.html"):
        assert "NO: too many small ops" in (folder / name).read_text(encoding="utf-8")


def test_quality_figures_stand_with_n_interval_and_seeds(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "| Accuracy (validation) | 95% | n |" in text.replace("---:", "")
    assert "| 0.8850 | 0.865\N{EN DASH}0.905 | 872 | 7 of 872 (0.4%\N{EN DASH}1.6%) | 0.031 |" in text
    assert "Seeds: 1, 2, 3." in text


def test_text_from_outside_can_not_become_markup(report: Report, tmp_path: Path) -> None:
    hostile = replace(
        report,
        recipe=HOSTILE,
        models=(replace(report.models[0], label=HOSTILE), report.models[1]),
        data=DataSummary({"train": 100}, 1, (HOSTILE,)),
        curves=(Curve(HOSTILE, report.curves[0].points),),
        failures=(HOSTILE,),
    )
    write_report(tmp_path, hostile)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "[b](c)" not in text
    assert "| `d`" not in text


def test_no_warning_for_a_quiet_run(report: Report) -> None:
    assert warnings(report) == ()


def test_noise_a_busy_machine_and_duplicates_are_warned_of(report: Report, tmp_path: Path) -> None:
    run = report.run
    assert run is not None
    loud = noise_floor(measured("a", WARM, 1.0), measured("a", WARM, 1.3))
    busy = replace(run, noise_floors=(loud, *run.noise_floors[1:]), machine=replace(run.machine, busy_share=0.6))
    noisy = replace(report, run=busy, data=DataSummary({"train": 1}, 2, ("x", "y")))
    said = " ".join(warnings(noisy))
    assert "2 validation texts stand in the training data too" in said
    assert "1 of 3 conditions" in said
    assert "60% of the processor" in said
    write_report(tmp_path, noisy)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("Note.") == 3


def test_a_failed_run_without_timing_still_gets_its_report(report: Report, tmp_path: Path) -> None:
    failed = replace(
        report, run=None, claims=(), curves=(), data=None, agreement=None, failures=("model.onnx: 3% flips",),
        models=(replace(report.models[0], logit_difference=math.nan),),
    )  # fmt: skip
    write_report(tmp_path, failed)
    assert "Failed.</strong> model.onnx: 3% flips" in (tmp_path / "report.html").read_text(encoding="utf-8")
    raw = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert raw["models"][0]["logit_difference"] is None


def test_a_report_without_any_model_is_still_written(report: Report, tmp_path: Path) -> None:
    write_report(tmp_path, replace(report, models=(), run=None))
    assert "no file of the student was kept" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_the_same_report_gives_the_same_bytes(report: Report, folder: Path, tmp_path: Path) -> None:
    write_report(tmp_path, report)
    for name in ("report.json", "report.md", "report.html"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_folder_that_can_not_be_made_is_an_output_error(report: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="choose another folder"):
        write_report(tmp_path / "file" / "report", report)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0523, "0.0523"), (-0.01, "-0.0100"), (3.214, "3.21"), (16.94, "16.9"), (325.4, "325"), (0.0004, "0.0004")],
)
def test_milliseconds_keep_their_leading_digits(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_memory_phases_and_the_course_of_latency_are_shown_where_they_were_measured(
    report: Report, tmp_path: Path
) -> None:
    assert report.run is not None
    stages = tuple(MemoryStage(name, 50.0, 45.0, 20.0 + i, 30.0, 55.0, 4.0) for i, name in enumerate(STAGES))
    timed = [replace(m, starts=tuple(1.8e9 + i for i in range(m.rounds))) for m in report.run.measurements]
    run = replace(
        report.run,
        measurements=tuple(timed),
        memory=(MemoryUse(STUDENT, 1, stages, None, 3),),
        cold_splits=(ColdSplit(STUDENT, 1, dict.fromkeys(PHASES, (30.0, 31.0, 32.0))),),
    )
    write_report(tmp_path, replace(report, run=run))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 8
    for title in ("Memory by cause", "Where a cold start's time goes", "Latency over time"):
        assert f">{title}</h3>" in html.unescape(page)
    assert "| 128 tokens, 1 thread | student int8 (ONNX) |" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "No sensor of temperature or clock was read meanwhile." in page


def test_every_median_stands_with_its_verdict(report: Report, folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "| Samples | Verdict on p50 and p90 |" in text.replace("---:", "")
    assert "| 200 | trusted |" in text
    assert any(fact.name == "Median latency" and fact.detail.endswith("; trusted") for fact in facts(report))


def test_labels_are_spread_apart_and_stay_inside() -> None:
    for heights in ([0.5] * 6, [0.0, 0.01, 1.0], [0.9, 0.95, 1.0], [0.0, 0.0, 0.0]):
        placed = _spread(heights, gap=0.09)
        assert all(b - a >= 0.09 - 1e-9 for a, b in pairwise(placed))
        assert placed[0] >= 0
        assert placed[-1] <= 1
