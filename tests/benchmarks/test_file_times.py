"""Timing model files in rounds, here and by a process of its own as on a board."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from penjing.benchmarks.far_side import MARK
from penjing.benchmarks.far_times import MODULE, read_times_job, times_job
from penjing.benchmarks.file_times import FileTime, TimedFile, open_blocks, time_rounds
from penjing.benchmarks.plain import from_plain
from penjing.runtime.errors import EngineError


@pytest.fixture
def files(small: Path, large: Path) -> list[TimedFile]:
    return [
        TimedFile("small.onnx", small / "model.onnx", "onnx", (4, 8)),
        TimedFile("large.onnx", large / "model.onnx", "onnx", (4,)),
    ]


def test_every_file_is_timed_at_every_length_in_every_round(files: list[TimedFile]) -> None:
    found = [time for times in time_rounds(files, 2) for time in times]
    asked = [("small.onnx", 4), ("small.onnx", 8), ("large.onnx", 4)]
    assert sorted((t.name, t.length, t.round) for t in found) == sorted((*one, i) for one in asked for i in range(2))
    assert all(time.ms > 0 for time in found)


def test_what_is_done_is_left_out_and_rounds_differ_in_their_order() -> None:
    files = [TimedFile(str(i), Path(str(i)), "onnx", (4, 8)) for i in range(6)]
    orders = [[file.name for r, file, _ in open_blocks(files, 2) if r == i] for i in range(2)]
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])
    done = {("0", 4, 0), ("0", 8, 0), ("1", 4, 0)}
    left = {file.name: lengths for _, file, lengths in open_blocks(files, 1, done)}
    assert "0" not in left and left["1"] == (8,) and left["2"] == (4, 8)


def test_a_job_survives_the_way_to_the_far_side(files: list[TimedFile]) -> None:
    done = {("small.onnx", 4, 0), ("large.onnx", 4, 1)}
    assert read_times_job(times_job(files, 3, done)) == (files, 3, done)


def test_the_far_side_says_the_machine_every_time_and_the_end(files: list[TimedFile]) -> None:
    said = far_side(times_job(files, 1, {("small.onnx", 8, 0)}))
    assert [next(iter(line)) for line in said] == ["machine", "finding", "finding", "end"]
    times = [from_plain(FileTime, each) for line in said[1:-1] for each in line["finding"]]
    assert {(time.name, time.length, time.round) for time in times} == {("small.onnx", 4, 0), ("large.onnx", 4, 0)}


def test_a_file_that_the_engine_refuses_is_said_in_one_line(tmp_path: Path) -> None:
    bad = [TimedFile("bad.onnx", tmp_path / "bad.onnx", "onnx", (4,))]
    bad[0].path.write_bytes(b"no model")
    with pytest.raises(EngineError, match=r"bad\.onnx"):
        list(time_rounds(bad, 1))
    error = far_side(times_job(bad, 1, ()))[-1]["error"]
    assert error["kind"] == "EngineError" and "\n" not in error["message"]


def far_side(job: str) -> list[dict[str, dict[str, str]]]:
    done = subprocess.run([sys.executable, "-m", MODULE], input=job, capture_output=True, text=True, check=True)
    return [json.loads(line.removeprefix(MARK)) for line in done.stdout.splitlines() if line.startswith(MARK)]
