"""`watch` and `calibrate` on a real tiny detector: what they print, what they refuse in one line, what they leave."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from command import penjing_command
from tiny_bundle import rehash
from tiny_detector_bundle import FEATURES, FILES, WINDOW, series, shared_detector_bundle

import penjing
from penjing.export.tflite_edit import add_buffer, edited
from penjing.pipeline.sample_lines import SampleLines
from penjing.runtime import load_detector
from penjing.runtime.bundle import open_bundle
from penjing.runtime.calibration import best_f1_threshold, conformal_threshold
from penjing.runtime.detector import open_detector, thresholds_of

SERIES = series(60, seed=9)
SERIES[40:44, 2] += 8
SECONDS = 1714564800 + np.arange(60)
"""From 2024-05-01T12:00:00Z."""


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The last line of a command that must fail."""
    assert penjing_command(*arguments) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("penjing: ")
    return message


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """A copy that the test may change."""
    return str(shutil.copytree(shared_detector_bundle(), tmp_path / "tiny"))


def csv_text(
    samples: np.ndarray, times: Sequence[Any] | None = None, labels: Sequence[Any] | None = None, end: str = "\n"
) -> str:
    """A header and rows; columns in another order than the bundle's, and one that it does not know."""
    rows = ["note,heat,load,speed" + (",Time" if times is not None else "") + (",odd" if labels is not None else "")]
    for i, (speed, load, heat) in enumerate(samples.tolist()):
        row = ["x", *(("" if np.isnan(value) else repr(value)) for value in (heat, load, speed))]
        row += [str(times[i])] if times is not None else []
        row += [str(labels[i])] if labels is not None else []
        rows.append(",".join(row))
    return "\n".join(rows) + end


def write(folder: Path, text: str | bytes) -> str:
    path = folder / "data"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def watched(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """The objects that `watch --json` prints of the fp32 ONNX file."""
    assert penjing_command("watch", *arguments, "--json", "--precision", "fp32") == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("command", ["watch", "calibrate"])
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert penjing_command(command, "--help") == 0
    assert f"penjing {command}" in capsys.readouterr().out.partition("Example")[2]


def test_watch_says_of_every_sample_what_the_stream_says(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = watched(capsys, bundle, "--input", write(tmp_path, csv_text(SERIES, SECONDS)), "--all")
    expected = load_detector(bundle, "onnx", "fp32").stream().push(SERIES, SECONDS)
    assert [answer["line"] for answer in found] == list(range(2, 62))
    assert [answer["time"] for answer in found] == SECONDS.tolist()
    assert [answer["alarm"] for answer in found] == expected.alarms.tolist()
    scores = [np.nan if answer["score"] is None else answer["score"] for answer in found]
    np.testing.assert_allclose(scores, expected.scores, rtol=1e-5)
    assert found[42]["drivers"] == {d.feature: pytest.approx(d.share) for d in expected.drivers[42]}


def test_watch_prints_alarms_with_their_time_and_what_drove_them(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path, csv_text(SERIES, SECONDS))
    assert penjing_command("watch", bundle, "--input", source, "--precision", "fp32") == 0
    printed = capsys.readouterr()
    header, *rows = [line.split("\t") for line in printed.out.splitlines()]
    assert header == ["time", "line", "score", "threshold", "alarm", "drivers"]
    row = next(row for row in rows if row[1] == "43")
    assert row[0] == "2024-05-01T12:00:41Z" and float(row[2]) > float(row[3]) and row[4] == "alarm"
    assert row[5].startswith("heat ")
    assert printed.err == f"penjing: 60 samples, {len(rows)} alarms\n"


def test_json_lines_dates_and_stdin_say_the_same(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = watched(capsys, bundle, "--input", write(tmp_path, csv_text(SERIES, SECONDS)), "--all")
    dates = [f"2024-05-01T12:00:{second:02}Z" for second in range(60)]
    objects = [
        {"timestamp": d, "x": [1], **dict(zip(FEATURES, s, strict=True))}
        for d, s in zip(dates, SERIES.tolist(), strict=True)
    ]
    text = "\n".join(json.dumps(row) for row in objects) + "\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    found = watched(capsys, bundle, "--all")
    assert [answer["line"] for answer in found] == list(range(1, 61))
    assert [{**answer, "line": 0} for answer in found] == [{**answer, "line": 0} for answer in expected]


@pytest.mark.parametrize(("engine", "precision"), [(e, p) for e in ("onnx", "tflite") for p in ("fp32", "int8")])
def test_every_engine_and_precision_can_be_chosen(
    engine: str, precision: str, bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choice = ("--engine", engine, "--precision", precision)
    assert penjing_command("watch", bundle, "--input", write(tmp_path, csv_text(SERIES)), *choice) == 0
    threshold = load_detector(bundle, engine, precision).calibrated().threshold
    assert f"\t{threshold:.6g}\talarm\t" in capsys.readouterr().out


def test_missing_values_are_empty_nan_null_or_absent(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gappy = SERIES.copy()
    gappy[[5, 6, 7, 8], [0, 1, 2, 0]] = np.nan
    lines = csv_text(gappy).splitlines()
    lines[9] = lines[9].removesuffix(",") + ",nan"
    from_csv = watched(capsys, bundle, "--input", write(tmp_path, "\n".join(lines) + "\r\n"), "--all")
    records = [dict(zip(FEATURES, sample, strict=True)) for sample in gappy.tolist()]
    del records[5]["speed"]
    records[6]["load"] = None
    text = "".join(json.dumps(record) + "\n" for record in records)
    from_json = watched(capsys, bundle, "--input", write(tmp_path, text), "--all")
    expected = load_detector(bundle, "onnx", "fp32").stream().push(gappy).scores[WINDOW - 1 :]
    for found in (from_csv, from_json):
        np.testing.assert_allclose([answer["score"] for answer in found[WINDOW - 1 :]], expected, rtol=1e-5)


def test_half_a_line_at_the_end_is_noted_and_not_scored(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path, csv_text(SERIES, end="")[:-4])
    assert penjing_command("watch", bundle, "--input", source) == 0
    notes = capsys.readouterr().err.splitlines()
    assert notes[0].endswith("ends in the middle of line 61, which was not scored: end it with a newline")
    assert notes[1].startswith("penjing: 59 samples")


BAD_LINES = [
    ("x,abc,0,0", r"heat is 'abc', not a number"),
    ("x,1,0", "it has 3 columns, the header has 4"),
    ('x,"1,0,0', "its quotes do not close"),
    ("x,inf,0,0", "heat is infinite"),
    ("x,1e39,0,0", "heat is infinite, or beyond float32"),
    (b"x,\xff,0,0", "it is not UTF-8"),
]


@pytest.mark.parametrize(("line", "words"), BAD_LINES)
def test_a_bad_row_is_named_by_its_line_after_the_rows_before_it_were_answered(
    line: str | bytes, words: str, bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = line if isinstance(line, bytes) else line.encode()
    text = csv_text(SERIES[:50]).encode() + b"\n" + raw + b"\nx,0,0,0\n"
    assert penjing_command("watch", bundle, "--input", write(tmp_path, text), "--all", "--json") == 2
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 50
    (message,) = printed.err.splitlines()
    assert f"data, line 53: {words}" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("speed,load\n1,2\n", "line 1: the header has 2 columns (speed, load) and lacks heat"),
        ("speed,load,heat,heat\n", "line 1: the header names heat twice"),
        ('{"speed": 1}\n[1, 2]\n', "line 2: it is a JSON list, not an object"),
        ('{"speed": 1}\n{"speed": \n', "line 2: it is not JSON"),
        ('{"speed": true}\n', "line 1: speed is 'True', not a number"),
        ('{"pace": 1}\n', "line 1: it has none of the features speed, load, heat"),
        ('{"speed": 1, "time": 1}\n{"speed": 1}\n', "line 2: it has no 'time'"),
        ("speed,load,heat,time\n1,2,3,soon\n", "line 2: its time is 'soon': write seconds"),
        ("speed,load,heat,time\n1,2,3,5\n1,2,3,4\n", "line 3: its time 4 goes back from 5: sort the series"),
        ("x" * 1_100_000, "line 1: it is longer than 1048576 bytes"),
    ],
)
def test_what_is_no_stream_of_samples_is_refused(
    text: str, words: str, bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path, text)
    if words:
        assert words in refusal(capsys, "watch", bundle, "--input", source)
    else:
        assert penjing_command("watch", bundle, "--input", source) == 0
        assert "0 samples, 0 alarms" in capsys.readouterr().err


def test_a_missing_file_a_text_bundle_and_a_followed_stdin_are_refused(
    bundle: str, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no file" in refusal(capsys, "watch", bundle, "--input", str(tmp_path / "none"))
    assert "--follow waits at the end of a file" in refusal(capsys, "watch", bundle, "--follow")
    assert "no detector" in refusal(capsys, "watch", str(tiny_bundle))
    assert "no detector" in refusal(capsys, "calibrate", str(tiny_bundle), "x", "--false-alarms", "0.1")
    assert "an anomaly detector, which takes no text" in refusal(capsys, "predict", bundle, "good")


def test_blocks_may_end_anywhere() -> None:
    raw = csv_text(SERIES, SECONDS).encode()
    whole, _ = SampleLines("x", FEATURES).take(raw)
    lines = SampleLines("x", FEATURES)
    parts = [lines.take(raw[i : i + 7]) for i in range(0, len(raw), 7)]
    assert all(error is None for _, error in parts)
    np.testing.assert_array_equal(np.concatenate([rows.values for rows, _ in parts]), whole.values)
    assert tuple(line for rows, _ in parts for line in rows.lines) == whole.lines
    np.testing.assert_array_equal(whole.values, SERIES)


def test_follow_answers_lines_as_they_are_written(bundle: str, tmp_path: Path) -> None:
    header, *rows = csv_text(SERIES).splitlines(keepends=True)
    path = Path(write(tmp_path, header))
    source = str(Path(penjing.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    command = [sys.executable, "-m", "penjing", "watch", bundle, "--input", str(path), "--all", "--json", "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        try:
            assert child.stdout is not None
            for number, row in enumerate(rows[:3]):
                with path.open("a", encoding="utf-8") as file:
                    file.write(row[:9])
                    file.flush()
                    time.sleep(0.01)
                    file.write(row[9:])
                assert json.loads(child.stdout.readline())["line"] == number + 2
        finally:
            child.kill()


HELD_OUT = series(500, seed=10)


def scores_of(bundle: str, file: str, samples: np.ndarray) -> np.ndarray:
    scores = open_detector(open_bundle(bundle), file).stream().push(samples).scores
    return scores[WINDOW - 1 :]


def test_calibrate_moves_every_threshold_and_nothing_else(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in Path(bundle).iterdir()}
    old = open_bundle(bundle).manifest
    assert penjing_command("calibrate", bundle, write(tmp_path, csv_text(HELD_OUT)), "--false-alarms", "0.02") == 0
    printed, after = capsys.readouterr(), {path.name: path.read_bytes() for path in Path(bundle).iterdir()}
    new = open_bundle(bundle).manifest
    for file, threshold in thresholds_of(new).items():
        assert threshold == conformal_threshold(scores_of(bundle, file, HELD_OUT), 0.02)
        assert (
            f"{file}\tconformal\t{thresholds_of(old)[file].threshold:.6g}\t{threshold.threshold:.6g}\t0.02"
            in printed.out
        )
    assert set(thresholds_of(new)) == set(FILES)
    assert {name for name in before if before[name] != after[name]} == {"manifest.json"} and set(before) == set(after)
    assert new.postprocess["policy"] == old.postprocess["policy"]
    assert "497 normal rows are few for a false-alarm rate of 0.02" in printed.err
    assert penjing_command("verify", bundle) == 0
    assert penjing_command("inspect", bundle) == 0
    assert "threshold of model.onnx\t" in capsys.readouterr().out


def test_calibrate_says_that_metadata_inside_a_tflite_file_keep_the_old_threshold(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def with_metadata(model: Any) -> None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = "TFLITE_METADATA", add_buffer(model, np.zeros(4, np.uint8))
        model.metadata = [*(model.metadata or []), entry]

    file, held_out = Path(bundle, "model.tflite"), write(tmp_path, csv_text(HELD_OUT))
    assert penjing_command("calibrate", bundle, held_out, "--false-alarms", "0.02") == 0
    assert "metadata" not in capsys.readouterr().err
    file.write_bytes(edited(file.read_bytes(), with_metadata))
    rehash(Path(bundle), file.name)
    assert penjing_command("calibrate", bundle, held_out, "--false-alarms", "0.05") == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "metadata" in line]
    assert len(told) == 1 and told[0].endswith(
        "model.tflite itself is unchanged: other readers of its metadata still find the threshold of its export"
    )


def test_labels_leave_anomalies_out_or_choose_the_best_f1(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples, marks = HELD_OUT.copy(), np.zeros(500, int)
    samples[100:110, 2] += 6
    marks[100:110] = 1
    source = write(tmp_path, csv_text(samples, labels=marks.tolist()))
    touched = np.array([marks[i : i + WINDOW].any() for i in range(497)])  # a window is as odd as its oddest sample
    scores = scores_of(bundle, "model.onnx", samples)
    assert penjing_command("calibrate", bundle, source, "--false-alarms", "0.05", "--label", "odd") == 0
    assert thresholds_of(open_bundle(bundle).manifest)["model.onnx"] == conformal_threshold(scores[~touched], 0.05)
    assert penjing_command("calibrate", bundle, source, "--method", "best-f1", "--label", "odd") == 0
    assert thresholds_of(open_bundle(bundle).manifest)["model.onnx"] == best_f1_threshold(scores, touched)
    assert penjing_command("calibrate", bundle, source, "--method", "pot", "--false-alarms", "0.001") == 0
    assert thresholds_of(open_bundle(bundle).manifest)["model.onnx"].method == "pot"


def test_what_cannot_be_calibrated_is_refused_and_the_bundle_stays(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (Path(bundle) / "manifest.json").read_bytes()
    short, few = HELD_OUT[: WINDOW - 1], HELD_OUT[:50]
    cases = [
        (short, None, ("--false-alarms", "0.1"), "has 3 samples, in which no window of 4 fits"),
        (few, None, ("--false-alarms", "0.01"), "47 normal rows cannot tell a false-alarm rate of 0.01, which needs"),
        (few, None, ("--false-alarms", "2"), "a false-alarm rate of 2 is none"),
        (few, None, (), "conformal needs the rate that you want: give --false-alarms"),
        (few, None, ("--method", "best-f1"), "give --label COLUMN"),
        (few, [0] * 50, ("--method", "best-f1", "--label", "odd"), "all 47 labelled rows are normal rows"),
        (few, [1] * 50, ("--method", "best-f1", "--label", "odd"), "all 47 labelled rows are anomalies"),
        (few, [1] * 50, ("--false-alarms", "0.1", "--label", "odd"), "all 47 labelled rows are anomalies"),
        (few, ["?"] * 50, ("--false-alarms", "0.1", "--label", "odd"), "line 2: odd is '?': a label is one of 0, 1"),
        (few, None, ("--false-alarms", "0.1", "--label", "odd"), "lacks odd"),
        (HELD_OUT[:0], None, ("--false-alarms", "0.1"), "holds no samples"),
    ]  # fmt: skip
    for samples, labels, options, words in cases:
        assert words in refusal(
            capsys, "calibrate", bundle, write(tmp_path, csv_text(samples, labels=labels)), *options
        )
    assert (Path(bundle) / "manifest.json").read_bytes() == before


def test_a_file_whose_engine_is_not_installed_keeps_its_threshold(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = thresholds_of(open_bundle(bundle).manifest)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)  # as where it cannot be imported
    source = write(tmp_path, csv_text(HELD_OUT))
    assert penjing_command("calibrate", bundle, source, "--false-alarms", "0.02") == 0
    assert "model.tflite keeps its threshold: the engine tflite is not installed" in capsys.readouterr().err
    new = thresholds_of(open_bundle(bundle).manifest)
    assert {file for file in FILES if new[file] != old[file]} == {"model.onnx", "model.int8.onnx"}
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "no model file could be calibrated" in refusal(capsys, "calibrate", bundle, source, "--false-alarms", "0.02")


def test_verify_and_inspect_know_a_detector(bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert penjing_command("verify", bundle) == 0
    shown = capsys.readouterr().out
    assert all(f"{file}\t8 of 8 decided alike\t" in shown for file in FILES)
    assert penjing_command("inspect", bundle) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "features\tspeed, load, heat" in lines and "window\t4 samples" in lines
    assert any(line.startswith("threshold of model.onnx\t") and "for 0.05 false alarms" in line for line in lines)


IMPORTS = """
import json, sys
from penjing.pipeline.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_watch_needs_the_base_install_alone(bundle: str, tmp_path: Path) -> None:
    source = str(Path(penjing.__file__).parents[1])
    arguments = ["watch", bundle, "--input", write(tmp_path, csv_text(SERIES))]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *arguments],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "onnxruntime" in loaded  # and pydantic, which typer takes where it is
    assert not loaded & {"torch", "sklearn", "scipy", "pandas", "onnx", "transformers", "ai_edge_litert"}
