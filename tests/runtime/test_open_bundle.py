"""What is wrong with a bundle is found before an engine sees it, and said in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_bundle import FILES, edit_manifest, rehash

from penjing.runtime import load
from penjing.runtime.bundle import choose_file, open_bundle
from penjing.runtime.errors import BundleError, EngineError


def refuse(folder: Path, match: str) -> None:
    """`load` refuses the folder, in one line."""
    with pytest.raises(BundleError, match=match) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["model.int8.onnx", "tokenizer.json"])
def test_a_changed_byte_is_refused(name: str, own_bundle: Path) -> None:
    path = own_bundle / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refuse(own_bundle, rf"{name} is not the file that the manifest describes")


@pytest.mark.parametrize("name", [*FILES, "tokenizer.json", "README.md"])
def test_a_missing_file_is_refused(name: str, own_bundle: Path) -> None:
    (own_bundle / name).unlink()
    refuse(own_bundle, f"lacks the file '{name}'")


def test_a_file_cut_short_is_refused_when_the_bundle_opens(own_bundle: Path) -> None:
    path = own_bundle / "model.tflite"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BundleError, match=f"has 100 bytes, its manifest says {size}"):
        open_bundle(own_bundle)


def test_a_folder_in_place_of_a_file_is_refused(own_bundle: Path) -> None:
    (own_bundle / "README.md").unlink()
    (own_bundle / "README.md").mkdir()
    refuse(own_bundle, "is no plain file")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_an_unknown_schema_version_is_refused(version: object, own_bundle: Path) -> None:
    edit_manifest(own_bundle, schema_version=version)
    refuse(own_bundle, f"schema version {version!r}, this Penjing reads 1: install")


OUTSIDE = [
    "../outside.onnx",
    "a/../../outside.onnx",
    "..\\outside.onnx",
    "C:\\outside.onnx",
    "C:outside.onnx",
    "\\x",
    "/x",
    "",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_points_outside_is_refused(name: str, own_bundle: Path) -> None:
    shutil.copy(own_bundle / "model.onnx", own_bundle.parent / "outside.onnx")
    files = json.loads((own_bundle / "manifest.json").read_text(encoding="utf-8"))["files"]
    edit_manifest(own_bundle, files={**files, name: files["model.onnx"]})
    refuse(own_bundle, "lies outside the bundle: do not use this bundle")


@pytest.mark.parametrize("name", ["model.int8.onnx", "manifest.json"])
def test_a_link_is_refused_though_its_content_is_right(name: str, own_bundle: Path) -> None:
    outside = own_bundle.parent / "outside"
    (own_bundle / name).rename(outside)
    (own_bundle / name).symlink_to(outside)
    refuse(own_bundle, f"{name} is a link, which may lead outside")


def test_a_linked_folder_inside_is_refused(own_bundle: Path) -> None:
    outside = own_bundle.parent / "outside"
    outside.mkdir()
    shutil.copy(own_bundle / "model.onnx", outside / "model.onnx")
    (own_bundle / "more").symlink_to(outside)
    files = json.loads((own_bundle / "manifest.json").read_text(encoding="utf-8"))["files"]
    edit_manifest(own_bundle, files={**files, "more/model.onnx": files["model.onnx"]})
    refuse(own_bundle, r"more[/\\]model\.onnx is a link")


def test_a_bundle_reached_through_a_link_opens(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(tiny_bundle)
    assert load(tmp_path / "latest").predict("good").label == load(tiny_bundle).predict("good").label


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "\ufeff{}", '{"schema_version": 1}'])
def test_a_manifest_that_is_none_is_refused(content: str, own_bundle: Path) -> None:
    (own_bundle / "manifest.json").write_text(content, encoding="utf-8")
    refuse(own_bundle, r"manifest\.json (is not JSON|has schema version|lacks or misstates)")


@pytest.mark.parametrize("key", ["files", "labels", "inputs", "quality", "max_length", "preprocess"])
@pytest.mark.parametrize("value", [3, None, ["x"], "x"])
def test_a_manifest_with_a_value_of_another_kind_is_refused_or_read(key: str, value: object, own_bundle: Path) -> None:
    edit_manifest(own_bundle, **{key: value})
    try:
        open_bundle(own_bundle)
    except BundleError as error:
        assert "\n" not in str(error)


def test_a_folder_without_manifest_and_no_folder_are_refused(tmp_path: Path) -> None:
    refuse(tmp_path, r"holds no manifest\.json, so it is no bundle")
    refuse(tmp_path / "nowhere", "is not a folder: name the bundle's folder")


def test_a_file_that_the_manifest_does_not_list_is_not_handed_out(own_bundle: Path) -> None:
    (own_bundle / "extra.bin").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"has no file 'extra\.bin': it holds README\.md, config\.json"):
        open_bundle(own_bundle).verified("extra.bin")


def test_a_forged_hash_passes_but_the_engine_still_refuses_what_is_no_model(own_bundle: Path) -> None:
    (own_bundle / "model.int8.onnx").write_bytes(b"no model")
    rehash(own_bundle, "model.int8.onnx")
    bundle = open_bundle(own_bundle)
    assert bundle.verified("model.int8.onnx").read_bytes() == b"no model"
    with pytest.raises(EngineError, match=r"refuses model\.int8\.onnx"):
        load(own_bundle)


@pytest.mark.parametrize(
    ("engine", "precision", "file"),
    [
        (None, None, "model.int8.onnx"),
        (None, "fp32", "model.onnx"),
        ("tflite", None, "model.int8.tflite"),
        ("tflite", "fp32", "model.tflite"),
        ("onnx", "int8", "model.int8.onnx"),
    ],
)
def test_the_preferred_file_is_onnx_before_tflite_and_int8_before_fp32(
    engine: str | None, precision: str | None, file: str, tiny_bundle: Path
) -> None:
    assert choose_file(open_bundle(tiny_bundle), engine, precision) == file


def test_a_choice_that_is_not_there_lists_what_is(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"engine 'onnx' and precision 'fp16': .* model\.tflite \(tflite, fp32\)"):
        choose_file(open_bundle(tiny_bundle), "onnx", "fp16")
