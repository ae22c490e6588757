"""The main line from end to end on a tiny teacher: to a bundle, killed on the way, and with bad input."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import make_sentences
from tiny_recipe import tiny_recipe

from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import make_and_prove, run_recipe
from penjing.pipeline.sections import Recipe
from penjing.pipeline.text_files import read_split
from penjing.pipeline.workspace import Workspace
from penjing.runtime import load
from penjing.runtime.errors import ExportError

STAGES = (
    "data", "corpus", "teacher", "teacher-outputs", "student", "student-files", "teacher-files", "teacher-proof",
    "student-proof", "measured",
)  # fmt: skip
MOMENTS = (
    "teacher", "teacher-outputs", "student", "student-files", "teacher-proof", "bundle", "measured",
)  # fmt: skip
"""In whose unfinished folder a run is killed; `bundle` is the shipping."""


def digests(bundle: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(bundle.iterdir())}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("run")
    raw = tiny_recipe(folder)
    write_hard_table(folder / "test.tsv", 50)
    raw["data"]["test"] = str(folder / "test.tsv")
    run_recipe(check_recipe(raw, "test"), folder / "out")
    return raw, folder / "out"


def write_hard_table(path: Path, count: int) -> None:
    """Sentences as the tiny recipe has them, with the label of every second one turned round."""
    texts, labels = make_sentences(count, 3)
    turned = (("negative", "positive")[label ^ number % 2] for number, label in enumerate(labels))
    rows = [f"{text}\t{label}" for text, label in zip(texts, turned, strict=True)]
    path.write_text("\n".join(["text\tlabel", *rows]) + "\n", encoding="utf-8")


def test_one_call_makes_a_bundle_that_answers_on_both_engines(finished: tuple[dict[str, Any], Path]) -> None:
    bundle = finished[1] / "bundle"
    for engine in ("onnx", "tflite"):
        for precision in ("fp32", "int8"):
            predictor = load(bundle, engine=engine, precision=precision)
            assert predictor.predict("the film was very lovely").label == "positive"
            assert predictor.predict("a dull plot").label == "negative"


def test_every_split_is_judged_by_its_own_texts(finished: tuple[dict[str, Any], Path]) -> None:
    raw, out = finished
    space = Workspace(out)
    recipe = check_recipe(raw, "test")
    assert isinstance(recipe, Recipe)
    with space.locked():
        made = make_and_prove(recipe, space)
    proofs = [*made.proof.student_torch, *made.proof.student, *made.proof.teacher]
    assert {(p.split, p.n) for p in proofs} == {("validation", 80), ("test", 50)}
    assert all(p.value > 0.9 for p in proofs if p.split == "validation")
    assert all(0.4 < p.value < 0.6 for p in proofs if p.split == "test")
    predictor, test = load(out / "bundle"), read_split(made.data / "test.jsonl")
    gold = [raw["task"]["labels"][number] for number in test.labels]
    right = [predictor.predict(text).label == label for text, label in zip(test.texts, gold, strict=True)]
    (own,) = (p for p in proofs if p.split == "test" and p.file == "model.int8.onnx" and p in made.proof.student)
    assert own.value == sum(right) / 50


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


KILL = """
import fnmatch, os, signal, sys, threading, time

pattern, delay = os.environ.pop("KILL_IN"), float(os.environ.pop("KILL_AFTER"))

def end():
    time.sleep(delay)
    os.kill(os.getpid(), signal.SIGKILL)

def watch(event, arguments):
    global pattern
    if event == "os.mkdir" and pattern and fnmatch.fnmatch(os.fsdecode(arguments[0]), pattern):
        pattern = None
        threading.Thread(target=end, daemon=True).start()

sys.addaudithook(watch)
if not pattern:
    threading.Thread(target=end, daemon=True).start()
"""
"""As `sitecustomize.py` on the path, it ends its process with SIGKILL, KILL_AFTER seconds after it made a folder that
matches KILL_IN, or, with that empty, after its start. Only the process itself surely sees a folder of a few ms."""


@pytest.mark.timeout(900)  # nine starts of the whole command
def test_a_run_killed_again_and_again_ends_with_the_same_files(finished: tuple[dict[str, Any], Path]) -> None:
    """Killed once while it starts and once up to half a second into every kind of work, where a fixed seed says."""
    raw, out = finished
    recipe, again, path = out.parent / "recipe.yaml", out.parent / "again", out.parent / "kill"
    recipe.write_text(yaml.safe_dump(raw), encoding="utf-8")
    path.mkdir()
    (path / "sitecustomize.py").write_text(KILL, encoding="utf-8")
    command = [sys.executable, "-m", "penjing", "run", str(recipe), "--out", str(again)]
    source = random.Random(8)
    kill(command, source.uniform(0, 5), path)
    for moment in MOMENTS:
        delay = source.uniform(0, 0.5)
        if not list(again.glob(f"{moment}-????????????")):  # else the kill before this one came after it
            kill(command, delay, path, working_in=f"*/.{moment}*.part*")
    assert not (again / "report.html").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert digests(again / "bundle") == digests(out / "bundle")
    assert {path.name for path in again.iterdir()} == {path.name for path in out.iterdir()}


def kill(command: list[str], delay: float, path: Path, working_in: str = "") -> None:
    """Starts the command, which ends with SIGKILL as `KILL` says."""
    search = os.pathsep.join([str(path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": search, "KILL_IN": working_in, "KILL_AFTER": str(delay)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, f"not killed in {working_in}: {done.returncode} {done.stderr[-2000:]}"


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
