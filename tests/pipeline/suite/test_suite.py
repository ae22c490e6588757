"""Suites from end to end on tiny cells: here and in processes, with a failing cell, killed, and resumed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import psutil
import pytest
from command import penjing_command
from tiny_suite import detector_suite, text_suite

from penjing.pipeline.suite.cells import Job, make_job
from penjing.pipeline.suite.child import EXIT_ORPHAN
from penjing.pipeline.suite.file import load_suite
from penjing.pipeline.suite.result import SuiteResult
from penjing.pipeline.suite.run import run_suite
from penjing.pipeline.suite.runners import on_processes
from penjing.pipeline.suite.shared import SharedWorkspace
from penjing.runtime import load, load_detector


def manifests(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(out.glob("cells/*/*/bundle/manifest.json"))}


def test_two_processes_share_one_teacher_and_what_it_said(tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = run_suite(load_suite(text_suite(tmp_path)), out, partial(on_processes, workers=2))
    assert not found.failures
    for shared in ("teacher", "teacher-outputs", "teacher-files"):
        (times,) = out.glob(f"stages/.{shared}-????????????.seconds")
        assert len(times.read_text().split()) == 1, f"{shared} was made more than once"
    assert len(list(out.glob("stages/student-????????????"))) == 2
    for row in found.rows:
        assert row.parameters and row.ms and row.bytes
        assert row.minutes is not None and row.own_minutes is not None and row.own_minutes < row.minutes
        assert load(out / "cells" / row.cell / "seed-1" / "bundle").predict("the film was lovely").label == "positive"
    assert found.rows[0].verdict == "baseline" and found.rows[1].verdict == "cannot say"


@pytest.fixture(scope="module")
def with_a_failure(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SuiteResult]:
    folder = tmp_path_factory.mktemp("suite")
    cells = [
        {"name": "broken", "set": {"data.train": f"{folder / 'other.npz'}::X", "data.label": None}},
        {"name": "maha", "set": {"detector.kind": "mahalanobis"}},
        {"name": "plain"},
    ]
    path = detector_suite(folder, cells=cells)
    return path, run_suite(load_suite(path), folder / "out")


def test_a_failing_cell_does_not_stop_the_rest(with_a_failure: tuple[Path, SuiteResult]) -> None:
    path, found = with_a_failure
    assert [row.cell for row in found.rows] == ["plain", "broken", "maha"]
    assert {result.cell for result in found.failures} == {"broken"}
    broken, maha = found.rows[1:]
    assert (broken.verdict, broken.failed, broken.value) == ("cannot say", (1, 2), None)
    assert maha.verdict == "better" and maha.difference is not None and maha.difference > 0.2
    assert maha.on_front and maha.ms is not None
    out = path.parent / "out"
    assert "other.npz" in (out / "suite.html").read_text(encoding="utf-8")
    assert (out / "suite.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert SuiteResult.from_json(json.loads((out / "suite.json").read_text(encoding="utf-8"))) == found


def test_a_cell_is_a_bundle_with_its_report_and_its_figures(with_a_failure: tuple[Path, SuiteResult]) -> None:
    folder = with_a_failure[0].parent / "out" / "cells" / "maha" / "seed-2"
    assert load_detector(folder / "bundle").bundle.manifest.name == "maha"
    assert (folder / "report.html").is_file() and (folder / "recipe.yaml").is_file()
    cell = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
    assert cell["p50_ms"] > 0 and cell["minutes"] > 0 and cell["error"] == ""
    assert [figure["file"] for figure in cell["figures"]] == ["model.onnx"]


def test_again_only_what_failed_is_made(with_a_failure: tuple[Path, SuiteResult]) -> None:
    path, _ = with_a_failure
    out = path.parent / "out"
    before = manifests(out)
    assert len(before) == 4
    (path.parent / "other.npz").write_bytes((path.parent / "table.npz").read_bytes())
    found = run_suite(load_suite(path), out)
    assert not found.failures
    after = manifests(out)
    assert len(after) == 6
    assert before.items() <= after.items()
    assert found.rows[1].reason.startswith("false alarms on")  # without labels another metric: not compared


def test_a_suite_killed_in_the_middle_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = detector_suite(tmp_path), tmp_path / "out"
    command = [sys.executable, "-m", "penjing", "suite", str(path), "--out", str(out)]
    suite = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(out.glob("cells/*/*/cell.json")):
        assert suite.poll() is None
        time.sleep(0.02)
    suite.kill()
    suite.wait()
    assert not (out / "suite.json").exists()
    before = {path: made for path, made in manifests(out).items() if (path.parents[1] / "cell.json").is_file()}
    assert before
    assert penjing_command("suite", str(path), "--out", str(out), "--json") == 0
    found = SuiteResult.from_json(json.loads(capsys.readouterr().out))
    assert [(row.cell, row.seeds) for row in found.rows] == [("plain", (1, 2)), ("maha", (1, 2))]
    assert before.items() <= manifests(out).items()


def test_a_cells_process_ends_with_the_suite_that_started_it(tmp_path: Path) -> None:
    """Or it would hold the folder of its cell when the suite goes on."""
    command = [sys.executable, "-m", "penjing.pipeline.suite.child", json.dumps(asdict(first_job(tmp_path)))]
    child = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.close()  # as the system does when a process is killed
    assert child.wait() == EXIT_ORPHAN


def test_a_process_that_is_lost_each_time_is_reported(tmp_path: Path) -> None:
    job = first_job(tmp_path)
    stop = threading.Event()

    def kill_all() -> None:
        while not stop.wait(0.02):
            for child in psutil.Process().children():
                if "penjing.pipeline.suite.child" in " ".join(child.cmdline()):
                    child.kill()

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        (result,) = on_processes([job], 1)
    finally:
        stop.set()
        killer.join()
    assert "worker was lost 2 times, last: its process ended with -9" in result.error


def test_a_changed_data_file_is_another_job(tmp_path: Path) -> None:
    job = first_job(tmp_path)
    assert first_job(tmp_path).identity == job.identity
    (tmp_path / "table.npz").write_bytes((tmp_path / "table.npz").read_bytes() + b" ")
    suite = load_suite(tmp_path / "suite.yaml")
    cell, seed, recipe = next(suite.jobs())
    assert make_job(cell, seed, recipe, tmp_path / "out").identity != job.identity


def first_job(folder: Path) -> Job:
    (folder / "out" / "stages").mkdir(parents=True, exist_ok=True)
    cell, seed, recipe = next(load_suite(detector_suite(folder)).jobs())
    return make_job(cell, seed, recipe, folder / "out")


def test_a_stage_that_two_want_at_once_is_made_once(tmp_path: Path) -> None:
    made = []

    def work(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.2)

    spaces = [SharedWorkspace(tmp_path / name, tmp_path) for name in "ab"]
    threads = [threading.Thread(target=space.stage, args=("teacher", work)) for space in spaces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert spaces[0].seconds() == spaces[1].seconds() and min(spaces[0].seconds().values()) >= 0.2
