"""The main line from end to end on a tiny teacher: to a bundle, killed on the way, and with bad input."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import write_encoder, write_table

from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.run import run_recipe
from penjing.runtime import load
from penjing.runtime.errors import ExportError

BENCHMARK = {"lengths": [8], "threads": [1], "rounds": 3, "repeats": 1, "texts": 6, "cold_rounds": 1}


def tiny_recipe(folder: Path) -> dict[str, Any]:
    """A recipe whose data and teacher lie in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_encoder(folder / "encoder")
    write_table(folder / "train.tsv", 240, 1)
    write_table(folder / "validation.tsv", 80, 2)
    return {
        "name": "tiny",
        "task": {"labels": ["negative", "positive"], "max_length": 16},
        "data": {"train": str(folder / "train.tsv"), "validation": str(folder / "validation.tsv")},
        "teacher": {
            "model": str(folder / "encoder"), "epochs": 3, "batch_size": 16, "learning_rate": 3e-3,
        },
        "student": {
            "layers": 2, "hidden_size": 32, "bottleneck_size": 16, "embedding_size": 16, "heads": 4,
            "intermediate_size": 16, "feed_forwards": 2,
        },
        "distill": {"transfer_epochs": 1, "epochs": 1, "batch_size": 16, "learning_rate": 1e-3},
        "export": {"sequence_lengths": [8, 16]},
        "limits": {"flips": 0.2, "metric_drop": 0.2},
        "benchmark": BENCHMARK,
    }  # fmt: skip


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
    assert len(before) == 9
    assert before == {path.name: path.stat().st_mtime_ns for path in out.glob("*-????????????")}


def test_a_run_killed_again_and_again_ends_with_the_same_files(finished: tuple[dict[str, Any], Path]) -> None:
    raw, out = finished
    recipe, again = out.parent / "recipe.yaml", out.parent / "again"
    recipe.write_text(yaml.safe_dump(raw), encoding="utf-8")
    command = [sys.executable, "-m", "penjing", "run", str(recipe), "--out", str(again)]
    for stage in ("teacher-", "student-", "student-files-"):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not list(again.glob(f".{stage}*.part")):
            time.sleep(0.02)
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert digests(again / "bundle") == digests(out / "bundle")


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


FIT = """
import sys
from pathlib import Path
from penjing.pipeline.fit import ask_teacher, read_corpora, read_data, train_student, train_teacher
from penjing.pipeline.recipe import load_recipe
from penjing.pipeline.workspace import Workspace
from penjing.compress.training import process_state
recipe, space = load_recipe(sys.argv[1]), Workspace(Path(sys.argv[2]))
with space.locked():
    data, corpus = read_data(recipe, space), read_corpora(recipe, space)
    teacher = train_teacher(recipe, space, data)
    outputs = ask_teacher(recipe, space, data, corpus, teacher)
    train_student(recipe, space, data, corpus, teacher, outputs)
print(f"processes {process_state().num_processes}\\n", end="", flush=True)
"""


def test_two_processes_learn_what_one_learns(finished: tuple[dict[str, Any], Path]) -> None:
    """`accelerate launch` over the recipe; dropout is off in the tiny teacher, so only rounding differs."""
    raw, out = finished
    recipe, script, both = out.parent / "two.yaml", out.parent / "fit.py", out.parent / "both"
    recipe.write_text(yaml.safe_dump(raw), encoding="utf-8")
    script.write_text(FIT, encoding="utf-8")
    # On CPUs `--cpu` starts one process unless MPI is installed; `--multi_gpu` without a GPU starts them over gloo.
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, str(script), str(recipe), str(both)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("processes 2") == 2
    for stage, phase in (("teacher", None), ("student", "transfer"), ("student", "task")):
        curves = [json.loads(next(o.glob(f"{stage}-*/history.json")).read_text()) for o in (out, both)]
        points = [curve if phase is None else curve[phase] for curve in curves]
        assert [p["step"] for p in points[0]] == [p["step"] for p in points[1]]
        assert abs(points[0][-1]["metric"] - points[1][-1]["metric"]) < 0.06
        assert abs(points[0][-1]["loss"] - points[1][-1]["loss"]) < 0.1
