"""A bundle is written whole or not at all, with equal bytes from equal parts, and says what its files really hold."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import tiny_bundle
from onnx.external_data_helper import convert_model_to_external_data
from tiny_bundle import FILES, LABELS, config, pack, pack_arguments, write_parts

import penjing
from penjing.export.bundle import write_bundle
from penjing.export.model_facts import read_model_facts
from penjing.runtime.bundle import sha256_of
from penjing.runtime.errors import ExportError, OutputError


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    write_parts(folder)
    return folder


@pytest.fixture(scope="module")
def arguments(parts: Path) -> dict[str, Any]:
    return pack_arguments(parts)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_file_is_listed_with_its_hash_size_and_format(arguments: dict[str, Any], tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "new" / "bundle", **arguments)
    files = bundle.manifest.files
    assert {path.name for path in bundle.folder.iterdir()} == {*files, "manifest.json"}
    for name, file in files.items():
        assert (file.sha256, file.bytes) == (sha256_of(bundle.folder / name), (bundle.folder / name).stat().st_size)
    formats = {name: file.format for name, file in files.items() if name not in FILES}
    assert formats == {
        "README.md": "markdown",
        "config.json": "json",
        "goldens.jsonl": "jsonl",
        "recipe.yaml": "yaml",
        "special_tokens_map.json": "json",
        "tokenizer.json": "json",
        "tokenizer_config.json": "json",
        "vocab.txt": "text",
    }


def test_the_manifest_keeps_what_it_was_told(arguments: dict[str, Any], tmp_path: Path) -> None:
    manifest = write_bundle(tmp_path / "bundle", **arguments).manifest
    assert (manifest.name, manifest.labels, manifest.sequence_lengths, manifest.max_length) == (
        "tiny",
        LABELS,
        (8, 16),
        16,
    )
    assert [spec.name for spec in manifest.inputs] == ["input_ids", "attention_mask", "token_type_ids"]
    assert manifest.preprocess == {"lowercase": True, "pad_id": 0}
    assert manifest.postprocess == {"function": "softmax"}
    assert list(manifest.quality) == arguments["quality"]
    assert manifest.provenance == {"seed": 1}


def test_models_are_described_by_what_is_in_them(arguments: dict[str, Any], tmp_path: Path) -> None:
    files = write_bundle(tmp_path / "bundle", **arguments).manifest.files
    assert [(files[name].format, files[name].precision, files[name].opset) for name in FILES] == [
        ("onnx", "int8", 18),
        ("onnx", "fp32", 18),
        ("tflite", "int8", None),
        ("tflite", "fp32", None),
    ]
    nodes = {node.op_type for node in onnx.load(arguments["model_files"]["model.onnx"]).graph.node}
    assert files["model.onnx"].ops == tuple(sorted(nodes))
    assert "DynamicQuantizeLinear" in files["model.int8.onnx"].ops
    assert files["model.tflite"].ops == interpreter_ops(arguments["model_files"]["model.tflite"])


def interpreter_ops(path: Path) -> tuple[str, ...]:
    """The operators by way of LiteRT itself, without the delegate that would hide them."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=resolver)
    return tuple(sorted({op["op_name"] for op in interpreter._get_ops_details()}))


def test_operators_inside_branches_and_of_other_domains_are_listed(tmp_path: Path) -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 9, opset_import: ["" : 18, "com.microsoft" : 1]>
        g (bool c, float[2] x) => (float[2] y) {
            y = If (c) <then_branch = t () => (float[2] a) { a = com.microsoft.Gelu (x) },
                        else_branch = e () => (float[2] b) { b = Neg (x) }>
        }""")
    onnx.save(model, tmp_path / "model.onnx")
    assert read_model_facts(tmp_path / "model.onnx").ops == ("If", "Neg", "com.microsoft.Gelu")


def test_equal_parts_give_equal_bytes(arguments: dict[str, Any], tmp_path: Path) -> None:
    once, again = (write_bundle(tmp_path / name, **arguments).folder for name in ("once", "again"))
    assert contents(once) == contents(again)


def test_an_existing_bundle_is_replaced_whole(arguments: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    write_bundle(target, **arguments)
    only = {"model.onnx": arguments["model_files"]["model.onnx"]}
    bundle = write_bundle(target, **{**arguments, "model_files": only, "goldens": (), "readme": "# second\n"})
    assert (target / "README.md").read_text(encoding="utf-8") == "# second\n"
    assert bundle.model_files == ("model.onnx",) and not (target / "model.tflite").exists()
    assert os.listdir(tmp_path) == ["bundle"]


@pytest.mark.parametrize("entry", ["folder", "file"])
def test_what_is_no_bundle_is_not_replaced(entry: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "target"
    if entry == "folder":
        target.mkdir()
        (target / "thesis.txt").write_text("years of work", encoding="utf-8")
    else:
        target.write_text("years of work", encoding="utf-8")
    with pytest.raises(OutputError, match="holds something that is no bundle and would be lost"):
        write_bundle(target, **arguments)
    kept = target / "thesis.txt" if entry == "folder" else target
    assert kept.read_text(encoding="utf-8") == "years of work"
    assert os.listdir(tmp_path) == ["target"]


def test_what_a_killed_run_left_behind_is_cleaned_or_put_back(arguments: dict[str, Any], tmp_path: Path) -> None:
    whole = contents(write_bundle(tmp_path / "bundle", **arguments).folder)
    # Killed while writing, and, in the worst moment, between taking the old one away and putting the new one there.
    (tmp_path / ".bundle.part").mkdir()
    (tmp_path / ".bundle.part" / "model.onnx").write_bytes(b"half")
    (tmp_path / "bundle").rename(tmp_path / ".bundle.old")
    with pytest.raises(TypeError, match="not JSON serializable"):  # in the last step, after all files are written
        write_bundle(tmp_path / "bundle", **{**arguments, "provenance": {"seed": object()}})
    assert os.listdir(tmp_path) == ["bundle"]
    assert contents(tmp_path / "bundle") == whole


def test_a_file_that_the_system_refuses_leaves_the_old_bundle(arguments: dict[str, Any], tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits are POSIX")
    whole = contents(write_bundle(tmp_path / "bundle", **arguments).folder)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(map(len, whole.values())) - 1, before[1]))
    try:
        with pytest.raises(OutputError, match=r"^cannot write .*bundle \(File too large\): free space or choose"):
            write_bundle(tmp_path / "bundle", **arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == ["bundle"]
    assert contents(tmp_path / "bundle") == whole


CHILD = """
import json, os, shutil, subprocess, sys
from pathlib import Path
from tiny_bundle import pack
from penjing.runtime.errors import OutputError

parts, disk, old = map(Path, sys.argv[1:4])
size = sum(path.stat().st_size for path in old.iterdir()) * 3 // 2 // 1024
said = []
for options in (f"size={size}k", "remount,ro"):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(disk)], check=True)
    if not (disk / "bundle").exists():
        shutil.copytree(old, disk / "bundle")
    try:
        pack(parts, disk / "bundle")
    except OutputError as error:
        same = all((disk / "bundle" / path.name).read_bytes() == path.read_bytes() for path in old.iterdir())
        said.append([str(error), sorted(os.listdir(disk)), same])
print(json.dumps(said))
"""


def test_a_full_disk_and_a_read_only_one_leave_the_old_bundle(
    parts: Path, arguments: dict[str, Any], tmp_path: Path
) -> None:
    space = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*space, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system does not let a test mount a disk of its own")
    old, disk = write_bundle(tmp_path / "old", **arguments).folder, tmp_path / "disk"
    disk.mkdir()
    paths = [str(Path(penjing.__file__).parents[1]), str(Path(tiny_bundle.__file__).parent)]
    done = subprocess.run(
        [*space, sys.executable, "-c", CHILD, str(parts), str(disk), str(old)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    full, read_only = json.loads(done.stdout.splitlines()[-1])
    assert "(No space left on device): free space or choose another folder" in full[0]
    assert "(Read-only file system)" in read_only[0]
    assert full[1:] == read_only[1:] == [["bundle"], True]


def refuse(arguments: dict[str, Any], folder: Path, match: str, **changes: Any) -> None:
    """`write_bundle` refuses the changed arguments in one line and writes nothing."""
    with pytest.raises(ExportError, match=match) as caught:
        write_bundle(folder / "bundle", **{**arguments, **changes})
    assert "\n" not in str(caught.value)
    assert not (folder / "bundle").exists()


def test_a_missing_model_or_tokenizer_is_refused(arguments: dict[str, Any], tmp_path: Path) -> None:
    refuse(arguments, tmp_path, r"model\.onnx is missing", model_files={"model.onnx": tmp_path / "model.onnx"})
    refuse(arguments, tmp_path, r"tokenizer\.json is missing", tokenizer_folder=tmp_path)


@pytest.mark.parametrize("name", ["../model.onnx", "sub/model.onnx", "model.bin", "manifest.json", ""])
def test_a_name_that_no_model_can_have_is_refused(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    source = arguments["model_files"]["model.onnx"]
    refuse(arguments, tmp_path, "is no name for a model in a bundle", model_files={name: source})


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_precision_that_the_file_does_not_have_is_refused(
    suffix: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    files = arguments["model_files"]
    swapped = {f"model{suffix}": files[f"model.int8{suffix}"]}
    refuse(arguments, tmp_path, "should hold fp32 weights by its name but holds int8", model_files=swapped, goldens=())
    swapped = {f"model.int8{suffix}": files[f"model{suffix}"]}
    refuse(arguments, tmp_path, "should hold int8 weights by its name but holds fp32", model_files=swapped, goldens=())


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
@pytest.mark.parametrize("content", [b"", b"no model\n" * 50])
def test_a_file_that_is_no_model_is_refused(
    content: bytes, suffix: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    broken = tmp_path / f"broken{suffix}"
    broken.write_bytes(content)
    refuse(arguments, tmp_path, f"broken{suffix} ", model_files={f"model{suffix}": broken}, goldens=())


def test_weights_in_another_file_are_refused(arguments: dict[str, Any], tmp_path: Path) -> None:
    model = onnx.load(arguments["model_files"]["model.onnx"])
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, tmp_path / "model.onnx")
    assert (tmp_path / "weights.bin").is_file()
    refuse(
        arguments, tmp_path, "keeps weights in another file", goldens=(),
        model_files={"model.onnx": tmp_path / "model.onnx"},
    )  # fmt: skip


def test_labels_that_contradict_the_configuration_are_refused(arguments: dict[str, Any], tmp_path: Path) -> None:
    refuse(arguments, tmp_path, "needs model_type and id2label", labels=LABELS[::-1])
    without = {key: value for key, value in config().items() if key != "model_type"}
    refuse(arguments, tmp_path, "needs model_type and id2label", config=without)


def test_goldens_that_leave_a_file_out_are_refused(arguments: dict[str, Any], tmp_path: Path) -> None:
    goldens = [replace(golden, logits={"model.onnx": golden.logits["model.onnx"]}) for golden in arguments["goldens"]]
    refuse(arguments, tmp_path, r"a golden has logits of \['model\.onnx'\], not of ", goldens=goldens)


def test_parts_may_come_from_the_bundle_that_is_replaced(parts: Path, tmp_path: Path) -> None:
    folder = pack(parts, tmp_path / "bundle").folder
    before = contents(folder)
    pack(folder, folder)
    assert contents(folder) == before
