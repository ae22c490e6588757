"""Metadata in TFLite files, and the file for Google's readers, by the real writers; what happens where they cannot run.

Left out: Google's readers themselves, 500 MB that an experiment asks (`experiments/tflite_readers.py`).
"""

from __future__ import annotations

import io
import shutil
import zipfile

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tiny_bundle import LABELS, LENGTHS
from tiny_detector_bundle import shared_detector_bundle
from tiny_recipe import tiny_recipe

from penjing.export import tflite_metadata
from penjing.export.share_buffers import share_buffers
from penjing.export.task_file import one_graph, write_task_file
from penjing.export.tflite_edit import edited
from penjing.export.tflite_metadata import Described, add_metadata, metadata_of
from penjing.pipeline.describe import describe_text_files
from penjing.pipeline.sections import Recipe
from penjing.runtime.bundle import open_bundle
from penjing.runtime.errors import ExportError

TEXT = "Tells good from bad."


def with_metadata(path, **more):
    """Skips the test where uv, its download or libusb is missing."""
    about = Described("tiny", TEXT, "logits", "One a label.", **more)
    try:
        add_metadata({path: about})
    except ExportError as error:
        assert "refuse" not in str(error)
        pytest.skip(str(error))
    return path.read_bytes()


@pytest.fixture(scope="module")
def model(tiny_bundle, tmp_path_factory):
    """A path to fill, and the vocabulary beside it."""
    folder = tmp_path_factory.mktemp("described")
    for name in ("model.tflite", "model.int8.tflite", "vocab.txt"):
        shutil.copyfile(tiny_bundle / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def described(model):
    return with_metadata(model / "model.int8.tflite", labels=LABELS, vocabulary=model / "vocab.txt")


def recipe_for(folder, **export):
    return Recipe(**{**tiny_recipe(folder), "export": {"sequence_lengths": [8, 16], **export}})


def run_all(content, signature, names=("input_ids", "attention_mask", "token_type_ids")):
    """The first output for a row of ones as long as the signature."""
    runner = Interpreter(model_content=content).get_signature_runner(signature)
    row = np.ones((1, int(signature.rpartition("_")[2])), np.int32)
    return next(iter(runner(**dict.fromkeys(names, row)).values()))


def test_text_labels_and_vocabulary_are_inside(described, model):
    metadata = metadata_of(described)
    assert metadata is not None and TEXT.encode() in metadata and b"tmp" not in metadata
    with zipfile.ZipFile(io.BytesIO(described)) as archive:
        assert archive.read("labels.txt").decode().split() == list(LABELS)
        assert archive.read("vocab.txt") == (model / "vocab.txt").read_bytes()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_model_answers_as_before(described, tiny_bundle):
    before = (tiny_bundle / "model.int8.tflite").read_bytes()
    for length in LENGTHS:
        signature = f"serving_{length}"
        assert np.array_equal(run_all(before, signature), run_all(described, signature))


def test_equal_runs_give_equal_bytes_and_old_metadata_are_replaced(described, model):
    again = with_metadata(model / "model.int8.tflite", labels=LABELS, vocabulary=model / "vocab.txt")
    assert again == described
    assert len(described) < len(edited(described, share_buffers)) + (model / "vocab.txt").stat().st_size + 1000


def test_a_detector_tells_its_features_and_its_threshold(tmp_path):
    path = tmp_path / "model.tflite"
    shutil.copyfile(shared_detector_bundle() / "model.tflite", path)
    metadata = metadata_of(with_metadata(path, input_text="speed, load", threshold=2.5))
    for part in (b"speed, load", np.float32(2.5).tobytes()):
        assert part in metadata


def test_the_task_file_gives_the_probabilities_of_the_longest_signature(tiny_bundle):
    content = (tiny_bundle / "model.tflite").read_bytes()
    signature = f"serving_{max(LENGTHS)}"
    logits = run_all(content, signature)
    expected = np.exp(logits) / np.exp(logits).sum()
    cut = one_graph(content)
    assert np.allclose(run_all(cut, signature), expected, atol=1e-6)
    assert Interpreter(model_content=cut).get_signature_list().keys() == {signature}


def test_the_task_file_is_written_whole_or_not_at_all(tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExportError, match="uv, which is not installed"):
        write_task_file(open_bundle(tiny_bundle), "model.tflite", tmp_path / "task.tflite")
    assert not list(tmp_path.iterdir())


def test_no_task_file_of_a_detector_or_of_an_onnx_file(tiny_bundle, tmp_path):
    with pytest.raises(ExportError, match="a detector"):
        write_task_file(open_bundle(shared_detector_bundle()), "model.tflite", tmp_path / "task.tflite")
    with pytest.raises(ExportError, match=r"'model\.onnx'"):
        write_task_file(open_bundle(tiny_bundle), "model.onnx", tmp_path / "task.tflite")


def test_without_uv_the_files_stay_and_one_line_says_so(tiny_bundle, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "files"
    folder.mkdir()
    shutil.copyfile(tiny_bundle / "model.tflite", folder / "model.tflite")
    recipe = recipe_for(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    describe_text_files(recipe, folder, tiny_bundle)
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and "no metadata" in printed and "pip install uv" in printed
    assert (folder / "model.tflite").read_bytes() == (tiny_bundle / "model.tflite").read_bytes()
    assert [path.name for path in folder.iterdir()] == ["model.tflite"]


def test_a_recipe_switches_metadata_off(tiny_bundle, tmp_path, monkeypatch, capsys):
    shutil.copyfile(tiny_bundle / "model.tflite", tmp_path / "model.tflite")
    monkeypatch.setenv("PATH", str(tmp_path))
    describe_text_files(recipe_for(tmp_path, metadata=False), tmp_path, tiny_bundle)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'ImportError: libusb-1.0.so.0: cannot open shared object file' >&2; exit 1", "apt install libusb-1.0-0"),
        ("echo 'error: Failed to fetch: x' >&2; echo '  Caused by: no network' >&2; exit 2", "check the network"),
        ("sleep 5", "did not end"),
    ],
)
def test_each_reason_why_the_writers_fail_is_said_in_one_line(tiny_bundle, tmp_path, monkeypatch, script, reason):
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\n{script}\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(tflite_metadata, "SECONDS", 1)
    shutil.copyfile(tiny_bundle / "model.tflite", tmp_path / "model.tflite")
    with pytest.raises(ExportError, match=reason) as caught:
        add_metadata({tmp_path / "model.tflite": Described("tiny", TEXT, "logits", "", labels=LABELS)})
    assert "\n" not in str(caught.value)
