"""The pages of several targets: a machine, a board that grew hot and was lost, a phone, an emulated core."""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from penjing.benchmarks.counts import InstructionCount
from penjing.benchmarks.download_size import DownloadSize
from penjing.benchmarks.machine import MachineDescription
from penjing.benchmarks.measurement import Condition, Measurement
from penjing.benchmarks.memory_use import PHASES, STAGES, ColdSplit, MemoryStage, MemoryUse
from penjing.benchmarks.op_profile import OpProfile, OpTime
from penjing.benchmarks.parity import Parity
from penjing.benchmarks.plan import SubjectFacts
from penjing.benchmarks.results import Run, RunSettings
from penjing.benchmarks.sensors import SensorReading
from penjing.pipeline.report import write_target_report
from penjing.pipeline.report.markdown import run_markdown
from penjing.pipeline.report.target_pages import page_names
from penjing.pipeline.report.words import DASH
from penjing.runtime.errors import OutputError

SMALL, LARGE = "small int8 ONNX", "large fp32 ONNX"
LABELS = (SMALL, LARGE)
NAMES = ("here", "board", "phone", "a53")
BURST = Condition("warm", 128, 1)
TWO = Condition("warm", 128, 2)
LONG = Condition("warm", 128, 1, "sustained")
BEGAN = 1.8e9
MACHINE = MachineDescription(
    "A CPU", "aarch64", 4, ("neon",), 4000, False, "Linux", "3.11.0", {"onnxruntime": "1.22"}, "schedutil", 0.1, 0.01
)
FACTS = tuple(SubjectFacts(label, "tiny", "model.onnx", "onnx", "int8", 5_000_000, "ab" * 32) for label in LABELS)
EMPTY = Run(
    "local", "2025-01-01T00:00:00+00:00", MACHINE, RunSettings((128,), (1,), 20, 10, 200, 5, 1), FACTS,
    (), (), (), (), (),
)  # fmt: skip


def timed(label: str, condition: Condition, median: float, rounds: int = 20, rise: float = 0.0) -> Measurement:
    """Rounds of ten calls, one a second; the last third is slower by `rise`."""
    noise = np.random.default_rng(len(label)).standard_normal((rounds, 10))
    level = median * (1 + rise * (np.arange(rounds) >= rounds * 0.6))[:, None]
    samples = tuple(float(x) for x in (level * np.exp(0.01 * noise)).reshape(-1))
    starts = tuple(BEGAN + i for i in range(rounds))
    return Measurement(label, "tiny", "model.onnx", "onnx", "int8", condition, rounds, samples, starts=starts)


def memory(label: str, dirty: tuple[float, ...] = (16.0, 24.0, 30.0, 30.5, 29.0)) -> MemoryUse:
    """20 MB of files are mapped in the baseline, 30 at the peak, 4 of them the model's. The last stage gives 1 back."""
    mapped = (20.0, 25.0, 29.0, 30.0, 30.0)
    stages = tuple(
        MemoryStage(name, own + files, own + files, own, files, own + files + 2, 0.0 if i < 2 else 4.0)
        for i, (name, own, files) in enumerate(zip(STAGES, dirty, mapped, strict=True))
    )
    return MemoryUse(label, 1, stages, 7.5, 3, (stages,) * 3)


def only_peak(label: str) -> MemoryUse:
    stages = tuple(MemoryStage(name, None, None, None, None, 61.0) for name in STAGES)
    return MemoryUse(label, 1, stages, None, 3)


def split(label: str, phases: tuple[str, ...]) -> ColdSplit:
    return ColdSplit(label, 1, {phase: (10.0 + i, 11.0 + i, 12.0 + i) for i, phase in enumerate(phases)})


@pytest.fixture(scope="module")
def here() -> Run:
    operators = tuple(OpTime(f"Op{i}", 4, 1.0 / (i + 1), 0.5 / (i + 1)) for i in range(9))
    return replace(
        EMPTY,
        measurements=tuple(timed(label, BURST, ms) for label, ms in zip(LABELS, (4.0, 20.0), strict=True)),
        profiles=tuple(OpProfile(label, 128, 1, operators) for label in LABELS),
        memory=tuple(memory(label) for label in LABELS),
        cold_splits=tuple(split(label, PHASES) for label in LABELS),
        downloads=(DownloadSize(SMALL, 5.0, 4.0, 0.5, 0.1, {"linux-x86_64": (29.0, 11.0)}),),
    )


@pytest.fixture(scope="module")
def board() -> Run:
    """Throttled, and the connection was lost before the second file of the second condition."""
    readings = tuple(SensorReading(BEGAN + i, 40.0 + i, 1800.0 if i < 15 else 1200.0) for i in range(20))
    return replace(
        EMPTY,
        target="ssh://user@board",
        measurements=(*(timed(label, BURST, 9.0, rise=0.4) for label in LABELS), timed(SMALL, TWO, 7.0), timed(
            SMALL, Condition("text", None, 1), 8.0)),
        sensors=readings,
        memory=(only_peak(SMALL),),
        partial="the connection was lost in step 3 of 9: run again to continue",
    )  # fmt: skip


@pytest.fixture(scope="module")
def phone() -> Run:
    return replace(
        EMPTY,
        target="adb://0123",
        measurements=tuple(timed(label, LONG, ms, rounds=310) for label, ms in zip(LABELS, (6.0, 7.0), strict=True)),
        settings=replace(EMPTY.settings, mode="sustained", cores=(4, 5)),
        cold_splits=(split(SMALL, PHASES[2:]),),
    )


@pytest.fixture(scope="module")
def emulated() -> Run:
    counts = (81_000_000, 81_000_400, 81_000_200)
    return replace(
        EMPTY,
        target="qemu:cortex-a53",
        parities=(
            Parity(SMALL, "model.int8.onnx", 200, 0, 0.031, True, ""),
            Parity(LARGE, "model.onnx", 200, 3, math.nan, False, "3 of 200 decisions differ from this machine's"),
        ),
        counts=(
            InstructionCount(SMALL, "model.int8.onnx", 128, 20, counts, "dotprod", 0.31, 9, 9, 9, 9, 5e7, "cortex-a55"),
            InstructionCount(LARGE, "model.onnx", 128, 20, counts, "neither", 0.0, 9, 9, 9, 9),
        ),
    )


@pytest.fixture(scope="module")
def runs(here: Run, board: Run, phone: Run, emulated: Run) -> tuple[Run, ...]:
    return here, board, phone, emulated


@pytest.fixture(scope="module")
def folder(runs: tuple[Run, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("targets") / "new"
    assert write_target_report(runs, NAMES, folder) == folder / "index.html"
    return folder


def page_text(folder: Path, name: str) -> str:
    """What a reader reads: no styles, pictures or tags."""
    page = (folder / f"{name}.html").read_text(encoding="utf-8")
    bare = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).replace("\u2060", "").split())


def tables(folder: Path, name: str) -> list[str]:
    return re.findall(r"<table>.*?</table>", (folder / f"{name}.html").read_text(encoding="utf-8"), flags=re.DOTALL)


def test_every_target_has_a_page_and_its_run_beside_it(folder: Path, runs: tuple[Run, ...]) -> None:
    index = (folder / "index.html").read_text(encoding="utf-8")
    for name, run in zip(NAMES, runs, strict=True):
        assert f'<a href="{name}.html">{name}</a>' in index
        assert 'href="index.html"' in (folder / f"{name}.html").read_text(encoding="utf-8")
        read = Run.from_json(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
        assert (read.target, read.measurements, read.counts) == (run.target, run.measurements, run.counts)


class _Balance(HTMLParser):
    """Remembers tags that were opened and not closed, and every id."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id"]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ["index", *NAMES])
def test_each_page_is_whole_and_needs_nothing_from_outside(folder: Path, name: str) -> None:
    page = (folder / f"{name}.html").read_text(encoding="utf-8")
    parser = _Balance()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    for outside in ("<script", "<link", "<img", "<iframe", "@import", "src="):
        assert outside not in page
    assert set(re.findall(r'href="([^"#]+)"', page)) <= {f"{stem}.html" for stem in ("index", *NAMES)}
    pictures = page.count("<svg")
    assert len(re.findall(r'role="img" aria-label="[^"]{40,}"', page)) == pictures


def test_colours_of_patterns_are_no_references(folder: Path) -> None:
    page = (folder / "here.html").read_text(encoding="utf-8")
    assert "<pattern" in page
    assert not re.search(r'(fill|stroke)="#[a-z]+-', page)


def test_counts_and_milliseconds_share_no_table(folder: Path) -> None:
    assert not re.search(r"\bms\b|milliseconds", page_text(folder, "a53"))
    side = tables(folder, "index")
    assert [table for table in side if "a53" in table and "trusted" in table] == []
    assert [table for table in side if "81.000" in table and "board" in table] == []
    assert "no figure here is a time" in page_text(folder, "index")


def test_an_emulated_core_tells_kernels_spread_and_that_cycles_are_modelled(folder: Path) -> None:
    text = page_text(folder, "a53")
    assert f"{SMALL} 128 81.000 0.000% (3) dotprod 31.0%" in text
    assert "modelled by llvm-mca for cortex-a55 with all data at hand, never checked against silicon" in text
    assert "81.000 million instructions, not time" in text


def test_answers_that_differ_are_said_on_both_pages(folder: Path) -> None:
    text = page_text(folder, "a53")
    assert f"{LARGE} does not answer as on this machine: 3 of 200 decisions differ" in text
    assert "3 not a number NO: 3 of 200 decisions differ" in text
    assert "as here: 0 of 200 flip, largest difference 0.031" in page_text(folder, "index")
    assert "NOT as here: 3 of 200 flip" in page_text(folder, "index")


def test_each_latency_has_its_verdict_and_the_reason(folder: Path) -> None:
    text = page_text(folder, "board")
    assert "200 throttled: the last third of the rounds took 1.40x the first while the clock fell from 1800" in text
    assert "2 of 4 medians should not be believed" in text
    assert "200 trusted" in page_text(folder, "here")
    first = tables(folder, "index")[0].split("<tr")[2]  # one condition's first file, a cell for each timed target
    assert re.findall(r"\) (\w+)</td>", first) == ["trusted", "throttled"]


def test_a_partial_run_is_called_partial_and_still_drawn(folder: Path) -> None:
    assert "Partial: the connection was lost in step 3 of 9" in page_text(folder, "board")
    assert "board is partial: the connection was lost" in page_text(folder, "index")
    assert "Latency over time" in page_text(folder, "board")


def test_temperature_and_clock_are_drawn_where_they_are_known(folder: Path) -> None:
    page = (folder / "board.html").read_text(encoding="utf-8")
    assert ">MHz</text>" in page
    assert ">°C</text>" in page
    assert "40 to 59 °C, 1,200 to 1,800 MHz" in page_text(folder, "board")
    assert "No sensor of temperature or clock was read meanwhile." in page_text(folder, "phone")
    assert ">MHz</text>" not in (folder / "phone.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("at", "is_drawn"), [(19.5, True), (-60.0, False), (60.0, False)])
def test_a_single_reading_is_drawn_if_it_was_taken_meanwhile(
    here: Run, tmp_path: Path, at: float, is_drawn: bool
) -> None:
    write_target_report([replace(here, sensors=(SensorReading(BEGAN + at, 41.0, None),))], ["here"], tmp_path)
    (page,) = (path for path in tmp_path.glob("*.html") if path.name != "index.html")
    text = page.read_text(encoding="utf-8")
    assert (">°C</text>" in text) == is_drawn
    assert ("No sensor of temperature or clock was read meanwhile." in text) != is_drawn


def test_a_long_run_is_drawn_small(folder: Path) -> None:
    assert (folder / "phone.html").stat().st_size < 400_000
    assert "128 tokens, 1 thread, sustained" in page_text(folder, "phone")
    assert "sustained load, calls back to back, random order, seed 1, on cores 4, 5" in page_text(folder, "phone")


def test_memory_is_told_by_cause_and_sums_to_its_total(folder: Path) -> None:
    text = page_text(folder, "here")
    causes = "16.0 + 20.0 8.0 + 6.0 6.0 + 4.0 -1.0 + 0.0"
    assert f"{SMALL} {causes} 29.0 (29.0{DASH}29.0) 59.0 61.0 7.5 3" in text
    assert "29.0 + 30.0, peak 61.0" in page_text(folder, "index")


def test_memory_of_which_only_the_peak_is_known_is_not_split(folder: Path) -> None:
    page = (folder / "board.html").read_text(encoding="utf-8")
    assert "not split: only the peak is told" in page
    assert "mapped file pages</text>" not in page
    assert "peak 61.0" in page_text(folder, "index")


def test_phases_that_a_native_runner_lacks_are_named(folder: Path) -> None:
    assert "Not part of it here: process, runtime." in page_text(folder, "phone")
    assert "Not part of it here" not in page_text(folder, "here")


def test_the_slowest_operators_are_drawn_and_the_others_in_one_bar(folder: Path) -> None:
    page = (folder / "here.html").read_text(encoding="utf-8")
    assert page.count(">Op5</text>") == len(LABELS)
    assert ">Op6</text>" not in page
    assert page.count(">all others</text>") == len(LABELS)


def test_names_of_pages_are_safe_and_all_different() -> None:
    names = ("index", "ssh://user@host", "SSH user host", "///", "../../x", "ssh-user-host-2")
    found = page_names(names)
    assert found == ["index-2", "ssh-user-host", "ssh-user-host-2", "target", "x", "ssh-user-host-2-2"]


def test_a_name_can_not_become_markup(here: Run, tmp_path: Path) -> None:
    write_target_report([replace(here, partial="<script>")], ["<script>alert(1)</script>"], tmp_path)
    for name in ("index", "script-alert-1-script"):
        page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_files_that_differ_under_one_label_are_warned_of(here: Run, emulated: Run, tmp_path: Path) -> None:
    other = replace(emulated, subjects=(replace(FACTS[0], sha256="cd" * 32), FACTS[1]))
    write_target_report([here, other], ["a", "b"], tmp_path)
    assert f"{SMALL} is not the same file on every target" in page_text(tmp_path, "index")
    assert f"{LARGE} is not the same" not in page_text(tmp_path, "index")


def test_a_run_that_found_nothing_still_has_its_page(tmp_path: Path) -> None:
    write_target_report([replace(EMPTY, partial="device out of space")], ["phone"], tmp_path)
    assert "No figure: device out of space" in page_text(tmp_path, "phone")


def test_the_same_runs_give_the_same_bytes(runs: tuple[Run, ...], folder: Path, tmp_path: Path) -> None:
    write_target_report(runs, NAMES, tmp_path)
    for path in sorted(folder.iterdir()):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_folder_that_can_not_be_made_is_an_output_error(emulated: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="choose another folder"):
        write_target_report([emulated], ["a53"], tmp_path / "file" / "report")


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_each_run_needs_a_name(emulated: Run, names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"run|zip"):
        write_target_report([emulated] if names else [], names, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_terminal_gets_the_same_tables(here: Run, emulated: Run) -> None:
    assert "## Memory by cause" in run_markdown(here)
    assert "## Parity" in run_markdown(emulated)
    assert "## Latency" not in run_markdown(emulated)
