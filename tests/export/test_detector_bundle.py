"""A detector's bundle is written whole, with equal bytes from equal parts, and refuses parts that contradict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_detector_bundle import (
    FEATURES,
    FILES,
    FORMAT,
    WINDOW,
    pack_detector,
    shared_detector_bundle,
    shared_detector_parts,
)

from penjing.runtime.bundle import open_bundle, sha256_of
from penjing.runtime.detector import policy_of, thresholds_of
from penjing.runtime.errors import ExportError, OutputError
from penjing.runtime.policy import AlarmPolicy
from penjing.runtime.sample_goldens import read_sample_goldens
from penjing.runtime.samples import SampleFormat


def pack(folder: Path, **changes: Any) -> Path:
    return pack_detector(shared_detector_parts(), folder, **changes).folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_file_is_listed_with_its_hash() -> None:
    bundle = open_bundle(shared_detector_bundle())
    papers = {"README.md", "goldens.jsonl", "recipe.yaml"}
    assert set(bundle.manifest.files) == {*FILES, *papers}
    assert {path.name for path in bundle.folder.iterdir()} == {*FILES, *papers, "manifest.json"}
    assert all(file.sha256 == sha256_of(bundle.folder / name) for name, file in bundle.manifest.files.items())
    assert {name: bundle.manifest.files[name].precision for name in FILES} == {
        name: "int8" if "int8" in name else "fp32" for name in FILES
    }


def test_the_manifest_says_what_a_device_must_know(tmp_path: Path) -> None:
    manifest = open_bundle(pack(tmp_path / "bundle", policy=AlarmPolicy(2, 3, 10))).manifest
    assert (manifest.task, manifest.labels) == ("anomaly-detection", ("normal", "anomaly"))
    assert [(spec.name, spec.dtype, spec.shape) for spec in manifest.inputs] == [
        ("samples", "float32", ("batch", WINDOW, len(FEATURES)))
    ]
    assert (manifest.sequence_lengths, manifest.max_length) == ((WINDOW,), WINDOW)
    assert SampleFormat.from_plain(manifest.preprocess) == FORMAT
    assert set(thresholds_of(manifest)) == set(FILES)
    assert policy_of(manifest) == AlarmPolicy(2, 3, 10)


def test_equal_parts_give_equal_bytes_and_replace_what_was_there(tmp_path: Path) -> None:
    pack(tmp_path / "bundle", readme="# old\n")
    assert contents(pack(tmp_path / "bundle")) == contents(pack(tmp_path / "again"))


@pytest.mark.parametrize("part", ["thresholds", "goldens"])
def test_answers_of_other_files_are_refused(part: str, tmp_path: Path) -> None:
    bundle = open_bundle(shared_detector_bundle())
    goldens = read_sample_goldens(bundle.folder)
    fewer: Any = {
        "thresholds": {"model.onnx": thresholds_of(bundle.manifest)["model.onnx"]},
        "goldens": [replace(goldens[0], scores={"model.onnx": 1.0})],
    }
    with pytest.raises(ExportError, match=r"of \['model\.onnx'\], not of .*: run all files"):
        pack(tmp_path / "bundle", **{part: fewer[part]})
    assert not (tmp_path / "bundle").exists()


def test_goldens_of_another_shape_and_a_missing_model_are_refused(tmp_path: Path) -> None:
    goldens = read_sample_goldens(shared_detector_bundle())
    with pytest.raises(ExportError, match=r"samples are not \[4, 3\]"):
        pack(tmp_path / "bundle", goldens=[replace(goldens[0], samples=goldens[0].samples[:2])])
    files = {name: shared_detector_parts() / name for name in FILES}
    with pytest.raises(ExportError, match=r"model\.none is missing"):
        pack(tmp_path / "bundle", model_files={**files, "model.onnx": tmp_path / "model.none"})


def test_what_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(OutputError, match="no bundle and would be lost"):
        pack(tmp_path)
