"""The main line from end to end on a tiny teacher: to a bundle, killed on the way, and with bad input."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_recipe import tiny_recipe

from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import run_recipe
from penjing.runtime import load
from penjing.runtime.errors import ExportError

STAGES = (
    "data", "corpus", "teacher", "teacher-outputs", "student", "student-files", "teacher-files", "teacher-proof",
    "student-proof", "measured",
)  # fmt: skip
MOMENTS = (
    "teacher", "teacher-outputs", "student", "student-files", "teacher-proof", "bundle", "measured",
)  # fmt: skip
"""Whose unfinished folder a killed run waits for; `bundle` is the shipping."""


def digests(bundle: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(bundle.iterdir())}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("run")
    raw = tiny_recipe(folder)
    run_recipe(check_recipe(raw, "test"), folder / "out")
    return raw, folder / "out"


def test_one_call_makes_a_bundle_that_answers_on_both_engines(finished: tuple[dict[str, Any], Path]) -> None:
    bundle = finished[1] / "bundle"
    for engine in ("onnx", "tflite"):
        for precision in ("fp32", "int8"):
            predictor = load(bundle, engine=engine, precision=precision)
            assert predictor.predict("the film was very lovely").label == "positive"
            assert predictor.predict("a dull plot").label == "negative"


def test_the_report_stands_beside_the_bundle(finished: tuple[dict[str, Any], Path]) -> None:
    out = finished[1]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["schema_version"] == 1
    assert {row["file"] for row in report["models"]} >= {"model.onnx", "model.int8.onnx", "model.int8.tflite"}
    assert "http" not in (out / "report.html").read_text(encoding="utf-8").replace("http://www.w3.org", "")
    assert (out / "report.md").read_text(encoding="utf-8").startswith("#")


def test_a_second_run_computes_nothing_again(finished: tuple[dict[str, Any], Path]) -> None:
    raw, out = finished
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*-????????????")}
    run_recipe(check_recipe(raw, "test"), out)
    assert sorted(name.rpartition("-")[0] for name in before) == sorted(STAGES)
    assert before == {path.name: path.stat().st_mtime_ns for path in out.glob("*-????????????")}


@pytest.mark.timeout(900)  # nine starts of the whole command
def test_a_run_killed_again_and_again_ends_with_the_same_files(finished: tuple[dict[str, Any], Path]) -> None:
    """Killed once while it starts and once up to half a second into every kind of work, where a fixed seed says."""
    raw, out = finished
    recipe, again = out.parent / "recipe.yaml", out.parent / "again"
    recipe.write_text(yaml.safe_dump(raw), encoding="utf-8")
    command = [sys.executable, "-m", "penjing", "run", str(recipe), "--out", str(again)]
    source = random.Random(8)
    kill(command, source.uniform(0, 5))
    for moment in MOMENTS:
        kill(command, source.uniform(0, 0.5), working_in=again / f".{moment}*.part")
    assert not (again / "report.html").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert digests(again / "bundle") == digests(out / "bundle")
    assert {path.name for path in again.iterdir()} == {path.name for path in out.iterdir()}


def kill(command: list[str], delay: float, working_in: Path | None = None) -> None:
    """Starts the command and ends it with SIGKILL, `delay` seconds after its start or after it works in a folder."""
    if working_in is not None:
        remove_empty(working_in)
    began = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while working_in is not None and last_change(working_in) < began:
        assert process.poll() is None, f"the run ended before it worked in {working_in}"
        time.sleep(0.005)
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def remove_empty(pattern: Path) -> None:
    """Folders of that name without a file, which a kill just before this one may have left: a run that goes on in such
    a folder changes nothing there until it is done, so nobody could see it work."""
    for folder in pattern.parent.glob(pattern.name):
        if not any(path.is_file() for path in folder.rglob("*")):
            shutil.rmtree(folder)


def last_change(pattern: Path) -> float:
    """Of the folders of that name and all that is in them; an earlier killed run may have left some."""
    times = [0.0]
    for path in (*pattern.parent.glob(pattern.name), *pattern.parent.glob(f"{pattern.name}/**/*")):
        with suppress(FileNotFoundError):  # renamed or removed meanwhile
            times.append(path.stat().st_mtime)
    return max(times)


def test_a_file_beyond_its_limit_fails_the_run_and_the_report_says_where(
    finished: tuple[dict[str, Any], Path],
) -> None:
    raw, out = finished
    strict = {**raw, "limits": {"flips": 0.0, "metric_drop": 0.0, "logit_difference": 1e-9}}
    with pytest.raises(ExportError, match=r"model\.int8\.onnx: .*logit"):
        run_recipe(check_recipe(strict, "test"), out)
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "**Failed:**" in text
    assert "model.int8.onnx: logit difference" in text
    assert "relative error" in text


COUNT = """
import atexit, sys
def say():
    training = sys.modules.get("penjing.compress.training")
    if training:
        print(f"processes {training.process_state().num_processes}\\n", end="", flush=True)
atexit.register(say)
"""
"""As `sitecustomize.py` on the path, it lets every process of the run say at its end among how many it worked."""


@pytest.mark.timeout(900)  # many fresh processes; the usual limit is for one
def test_two_processes_learn_what_one_learns(finished: tuple[dict[str, Any], Path]) -> None:
    """`accelerate launch` over the whole run; dropout is off in the tiny teacher, so only rounding differs."""
    raw, out = finished
    recipe, both, path = out.parent / "two.yaml", out.parent / "both", out.parent / "path"
    recipe.write_text(yaml.safe_dump(raw), encoding="utf-8")
    path.mkdir()
    (path / "sitecustomize.py").write_text(COUNT, encoding="utf-8")
    # On CPUs `--cpu` starts one process unless MPI is installed; `--multi_gpu` without a GPU starts them over gloo.
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command += ["-m", "penjing", "run", str(recipe), "--out", str(both)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment["PYTHONPATH"] = os.pathsep.join([str(path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("processes 2") == 2
    assert done.stdout.count("report.html") == 1
    assert (both / "report.html").is_file()
    assert load(both / "bundle").predict("the film was very lovely").label == "positive"
    for stage, phase in (("teacher", None), ("student", "transfer"), ("student", "task")):
        curves = [json.loads(next(o.glob(f"{stage}-*/history.json")).read_text()) for o in (out, both)]
        points = [curve if phase is None else curve[phase] for curve in curves]
        assert [p["step"] for p in points[0]] == [p["step"] for p in points[1]]
        assert abs(points[0][-1]["metric"] - points[1][-1]["metric"]) < 0.06
        assert abs(points[0][-1]["loss"] - points[1][-1]["loss"]) < 0.1
