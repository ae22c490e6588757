"""The command line on a real tiny bundle: what it prints, what it refuses in one line, and how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import yaml
from command import penjing_command, refusal
from tiny import write_encoder, write_table
from tiny_bundle import FILES, LABELS, edit_manifest, poison
from tiny_detector_bundle import WINDOW, shared_detector_bundle

import penjing

COMMANDS = (
    "run", "suite", "predict", "watch", "calibrate", "verify", "bench", "compare", "inspect", "doctor",
    "recipe list", "recipe show", "recipe schema", "target setup", "target profile",
    "predict-latency", "android", "task-file",
)  # fmt: skip


def write_recipe(folder: Path, **sections: Any) -> Path:
    write_table(folder / "train.tsv", 40, seed=1)
    write_table(folder / "validation.tsv", 20, seed=2)
    data = {"train": str(folder / "train.tsv"), "validation": str(folder / "validation.tsv")}
    task = {"labels": ["negative", "positive"], "max_length": 16}
    raw = {"name": "tiny", "task": task, "data": data, "export": {"formats": ["onnx"]}, **sections}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert penjing_command(*command.split(), "--help") == 0
    assert f"penjing {command}" in capsys.readouterr().out.partition("Example")[2]


def test_alone_it_shows_its_commands_and_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert penjing_command() == 0
    shown = capsys.readouterr().out
    assert all(command.split()[0] in shown for command in COMMANDS)
    assert penjing_command("--version") == 0
    assert capsys.readouterr().out == f"{penjing.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runn"], "No such command"),
        (["recipe", "sho"], "No such command"),
        (["predict"], "see `penjing predict --help`"),
        (["predict", "x", "--engine", "tpu"], "onnx"),
        (["verify", "x", "--threads", "0"], "greater than or equal to 1"),
        (["run", "x", "--zz"], "--zz"),
    ],
)
def test_a_wrong_command_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in refusal(capsys, *arguments)


def test_one_text_is_answered_as_a_tab_separated_row(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert penjing_command("predict", str(tiny_bundle), "a good\tfilm") == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header == "label\tscore\ttext"
    label, score, text = row.split("\t")
    assert label in LABELS and 0 < float(score) <= 1 and text == "a good film"


@pytest.mark.parametrize("file", FILES)
def test_every_engine_and_precision_can_be_chosen(
    file: str, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, precision = file.rsplit(".", 1)[1], "int8" if "int8" in file else "fp32"
    choice = ("--engine", engine, "--precision", precision, "--threads", "2")
    assert penjing_command("predict", str(tiny_bundle), "a good film", "--json", *choice) == 0
    answer = json.loads(capsys.readouterr().out)
    expected = penjing_answer(tiny_bundle, engine, precision)
    assert answer["probabilities"] == pytest.approx(expected, abs=1e-6)
    assert answer["label"] == max(expected, key=lambda label: expected[label])


def penjing_answer(bundle: Path, engine: str, precision: str) -> dict[str, float]:
    from penjing.runtime import load

    return load(bundle, engine, precision).predict("a good film").probabilities


def test_a_file_of_texts_is_answered_in_order(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [f"{'very ' * (i % 7)}good film {i}" for i in range(300)]
    (tmp_path / "texts.txt").write_text("\n\n".join(texts), encoding="utf-8")
    assert penjing_command("predict", str(tiny_bundle), "--file", str(tmp_path / "texts.txt"), "--json") == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["text"] for answer in answers] == texts


def test_stdin_is_read_when_no_text_is_given(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("a good film\nvéry bad\n".encode())))
    assert penjing_command("predict", str(tiny_bundle)) == 0
    assert [row.split("\t")[2] for row in capsys.readouterr().out.splitlines()] == ["text", "a good film", "véry bad"]


def test_a_text_that_was_cut_is_reported(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    megabyte = "good film " * 100_000
    assert penjing_command("predict", str(tiny_bundle), megabyte, "--json") == 0
    assert json.loads(capsys.readouterr().out)["truncated"] is True
    assert penjing_command("predict", str(tiny_bundle), megabyte) == 0
    assert "1 of 1 texts are longer than 16 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no file"), (b"", "is empty"), (b"good\nb\xffd\n", "is not UTF-8 in line 2"), (b"a\0b\n", "NUL")],
)
def test_a_file_that_holds_no_text_is_refused(
    content: bytes | None, words: str, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "texts.txt"
    if content is not None:
        file.write_bytes(content)
    assert words in refusal(capsys, "predict", str(tiny_bundle), "--file", str(file))


@pytest.mark.parametrize(("content", "words"), [(b"", "stdin holds no text"), (b"ok\n\xff\n", "not UTF-8 in line 2")])
def test_bad_stdin_is_refused(
    content: bytes, words: str, tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert words in refusal(capsys, "predict", str(tiny_bundle))


def test_an_empty_text_and_a_doubled_source_are_refused(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "empty" in refusal(capsys, "predict", str(tiny_bundle), "  ")
    assert "give one of them" in refusal(capsys, "predict", str(tiny_bundle), "good", "--file", str(tmp_path / "x"))


def test_a_precision_that_the_bundle_lacks_lists_what_there_is(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "model.onnx (onnx, fp32)" in refusal(capsys, "predict", str(tiny_bundle), "good", "--precision", "int4")


def test_verify_replays_every_model_file(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert penjing_command("verify", str(tiny_bundle)) == 0
    shown = capsys.readouterr().out
    assert all(f"{file}\t4 of 4 decided alike\t" in shown for file in FILES)
    assert shown.endswith("hashes, 4 of 4 model files\n")


def test_verify_names_a_file_that_answers_differently(own_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    poison(own_bundle)
    assert penjing_command("verify", str(own_bundle)) == 2
    assert "penjing: model.onnx decides 4 of 4 texts differently" in capsys.readouterr().err


def test_verify_says_which_files_it_skips_without_their_engine(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)  # as where it cannot be imported
    assert penjing_command("verify", str(tiny_bundle)) == 0
    shown = capsys.readouterr().out
    assert shown.count("skipped: the engine tflite is not installed") == 2
    assert shown.endswith("2 of 4 model files\n")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert penjing_command("verify", str(tiny_bundle)) == 2
    assert "no model file could be replayed" in capsys.readouterr().err


def test_an_engine_that_is_not_installed_says_how_to_get_it(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    message = refusal(capsys, "predict", str(tiny_bundle), "good", "--engine", "tflite")
    assert "pip install 'penjing[tflite]'" in message


def test_inspect_shows_files_sizes_and_quality(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert penjing_command("inspect", str(tiny_bundle)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "labels\tbad, fair, good" in lines
    (row,) = [line.split("\t") for line in lines if line.startswith("model.onnx\t")]
    assert row[1:5] == ["onnx", "fp32", str((tiny_bundle / "model.onnx").stat().st_size), "ok"]
    assert row[5:] == ["accuracy 0.7500 [0.3000, 0.9500] on 4 of validation", "0 of 4"]


@pytest.mark.parametrize("command", ["verify", "inspect", "predict", "bench"])
def test_a_broken_bundle_is_refused_by_every_command(
    command: str, own_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ["good"] if command == "predict" else []
    model = own_bundle / "model.int8.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "its hash differs" in refusal(capsys, command, str(own_bundle), *text)
    model.unlink()
    assert "lacks the file 'model.int8.onnx'" in refusal(capsys, command, str(own_bundle), *text)
    edit_manifest(own_bundle, schema_version=99)
    assert "schema version 99" in refusal(capsys, command, str(own_bundle), *text)
    assert "is not a folder" in refusal(capsys, command, str(own_bundle / "none"), *text)


def test_a_file_name_that_points_outside_is_refused(own_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = {"sha256": "0", "bytes": 1, "format": "onnx"}
    edit_manifest(own_bundle, files={"../model.onnx": entry})
    assert "outside the bundle" in refusal(capsys, "inspect", str(own_bundle))


def test_bench_measures_a_file_and_writes_its_samples(
    own_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = json.loads((own_bundle / "manifest.json").read_text())["files"]
    edit_manifest(own_bundle, files={k: v for k, v in files.items() if k not in FILES or k == "model.int8.onnx"})
    out = tmp_path / "bench.json"
    arguments = ("--length", "8", "--threads", "1", "--json", str(out))
    assert "no folder" in refusal(capsys, "bench", str(own_bundle), "--json", str(tmp_path / "none" / "x.json"))
    assert penjing_command("bench", str(own_bundle), *arguments) == 0
    times, memory = capsys.readouterr().out.split("\n\n")
    rows = [line.split("\t") for line in times.splitlines()]
    assert {row[0] for row in rows[1:] if row[1] == "warm"} == {"model.int8.onnx"}
    assert {row[9] for row in rows[1:]} <= {"trusted", "noisy", "throttled"} and "first inference" in memory
    assert json.loads(out.read_text())["measurements"][0]["samples_ms"]


def test_bench_measures_a_detector_at_its_window_and_compares_no_text_with_it(
    own_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector, out = str(shared_detector_bundle()), tmp_path / "bench.json"
    assert penjing_command("bench", detector, "--threads", "1", "--json", str(out)) == 0
    found = json.loads(out.read_text())
    assert found["settings"]["lengths"] == [WINDOW]
    assert {subject["file"] for subject in found["subjects"]} == set(FILES)
    capsys.readouterr()
    assert "leave --length out" in refusal(capsys, "bench", detector, "--length", "8")
    assert "answer different questions" in refusal(capsys, "bench", detector, str(own_bundle))


def test_the_built_in_recipes_can_be_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert penjing_command("recipe", "list") == 0
    listed = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert listed["sst2"] == "GLUE SST-2: the sentiment of film review phrases."
    assert all(text.endswith((".", "?")) for text in listed.values())
    assert penjing_command("recipe", "show", "sst2") == 0
    assert yaml.safe_load(capsys.readouterr().out)["name"] == "sst2"
    assert "choose of these" in refusal(capsys, "recipe", "show", "sst3")
    assert penjing_command("recipe", "schema") == 0
    assert json.loads(capsys.readouterr().out)["anyOf"]


def test_doctor_names_versions_engines_and_extras(capsys: pytest.CaptureFixture[str]) -> None:
    assert penjing_command("doctor") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    parts = {row[0] for row in rows}
    assert {"python", "processor", "engine onnx", "engine tflite", "base", "compress", "export", "benchmarks"} <= parts
    assert ["part", "state", "next step"] in rows


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with the base install: no metadata of torch, and its import fails."""
    import penjing.pipeline.extras as extras

    def absent(package: str) -> str:
        raise PackageNotFoundError(package) if package == "torch" else AssertionError(package)

    real = extras.version
    monkeypatch.setattr(extras, "version", lambda p: absent(p) if p == "torch" else real(p))
    monkeypatch.setitem(sys.modules, "torch", None)


def test_a_missing_extra_is_one_line_with_the_command_to_install_it(
    without_torch: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(capsys, "run", "sst2", "--out", str(tmp_path / "out"))
    assert "needs torch: pip install 'penjing[compress,export]'" in message
    assert not (tmp_path / "out").exists()
    assert penjing_command("doctor") == 0
    assert "lacks torch\tpip install 'penjing[compress]'" in capsys.readouterr().out


def test_the_base_install_is_enough_for_the_commands_of_a_device(tiny_bundle: Path) -> None:
    """In a fresh process where nothing beyond the base can be imported."""
    blocked = ("torch", "transformers", "yaml", "onnx", "jinja2", "matplotlib", "psutil", "datasets", "accelerate")
    for arguments in (["--version"], ["predict", str(tiny_bundle), "good"], ["inspect", str(tiny_bundle)], ["doctor"]):
        code = f"import sys\nfor name in {blocked}: sys.modules[name] = None\n"
        code += f"from penjing.pipeline.cli import main\nmain({arguments!r})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("studnet.layers=4", "did you mean 'student'?"),
        ("data.train=none.tsv", "no file none.tsv"),
        ("data.text=sentence", "no column 'sentence'"),
    ],
)
def test_a_run_with_a_mistake_is_one_line_and_leaves_no_bundle(
    change: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path)
    assert words in refusal(capsys, "run", str(recipe), "--set", change, "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out" / "bundle").exists()


def test_an_output_that_cannot_be_a_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path)
    (tmp_path / "file").write_text("")
    assert "choose another folder" in refusal(capsys, "run", str(recipe), "--out", str(tmp_path / "file" / "out"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "penjing", "inspect", str(tiny_bundle)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("penjing: ") and done.stderr.count("\n") == 1, done.stderr


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    write_encoder(tmp_path / "encoder")
    recipe = write_recipe(
        tmp_path, teacher={"model": str(tmp_path / "encoder"), "epochs": 100000}, student={"layers": 2}
    )
    out = tmp_path / "out"
    command = [sys.executable, "-m", "penjing", "run", str(recipe), "--out", str(out)]
    # A shell starts what it runs in the background deaf to this signal, and children inherit that.
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    while process.poll() is None and not list(out.glob(".teacher-*.part")):
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130
    assert printed.splitlines()[-1] == "penjing: interrupted; run the same command again to continue"
    assert "Traceback" not in printed
