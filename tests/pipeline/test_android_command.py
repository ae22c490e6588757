"""`penjing android` on real tiny bundles and an empty project: what it puts there, and what it refuses."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest
from command import penjing_command, refusal
from tiny_bundle import edit_manifest
from tiny_detector_bundle import shared_detector_bundle

from penjing.runtime.bundle import open_bundle
from penjing.runtime.manifest import read_manifest

APK_NAME = "app/build/outputs/apk/release/app-release.apk"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "app").mkdir(parents=True)
    (folder / "settings.gradle").write_text("")
    return folder


def assets(project: Path) -> Path:
    return project / "app/src/main/assets/bundles"


def put(project: Path, *bundles: Path | str) -> int:
    return penjing_command("android", *map(str, bundles), "--project", str(project))


def write_program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_bundle_goes_in_without_tflite_files_and_still_verifies(project: Path, tiny_bundle: Path) -> None:
    assert put(project, tiny_bundle) == 0
    copy = open_bundle(assets(project) / "tiny")
    assert copy.model_files == ("model.int8.onnx", "model.onnx")
    assert set(copy.manifest.files) == {
        name for name in read_manifest(tiny_bundle).files if not name.endswith(".tflite")
    }
    assert {path.name for path in copy.folder.iterdir()} == {*copy.manifest.files, "manifest.json"}
    assert penjing_command("verify", str(copy.folder)) == 0


def test_nothing_in_a_detectors_manifest_speaks_of_a_file_that_is_not_there(project: Path) -> None:
    source = shared_detector_bundle()
    assert put(project, source) == 0
    manifest = read_manifest(assets(project) / read_manifest(source).name)
    assert set(manifest.postprocess["thresholds"]) == {"model.int8.onnx", "model.onnx"}
    assert {entry.file for entry in manifest.quality} <= set(manifest.files)


def test_tflite_files_come_along_when_asked_for(project: Path, tiny_bundle: Path) -> None:
    assert put(project, tiny_bundle, "--tflite") == 0
    assert read_manifest(assets(project) / "tiny") == read_manifest(tiny_bundle)


def test_a_bundle_of_the_same_name_is_replaced(project: Path, tiny_bundle: Path) -> None:
    assert put(project, tiny_bundle, "--tflite") == 0
    assert put(project, tiny_bundle) == 0
    assert [path.name for path in assets(project).iterdir()] == ["tiny"]
    assert not list((assets(project) / "tiny").glob("*.tflite"))


def test_a_broken_bundle_is_refused_and_the_old_one_stays(
    project: Path, tiny_bundle: Path, own_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert put(project, tiny_bundle) == 0
    capsys.readouterr()
    raw = bytearray((own_bundle / "model.onnx").read_bytes())
    raw[100] ^= 1
    (own_bundle / "model.onnx").write_bytes(raw)
    assert "its hash differs" in refusal(capsys, "android", str(own_bundle), "--project", str(project))
    assert penjing_command("verify", str(assets(project) / "tiny")) == 0


def test_of_two_bundles_none_goes_in_when_one_is_broken(
    project: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Path(shutil.copytree(shared_detector_bundle(), tmp_path / "broken"))
    (broken / "goldens.jsonl").unlink()
    refused = refusal(capsys, "android", str(tiny_bundle), str(broken), "--project", str(project))
    assert "goldens.jsonl" in refused and not assets(project).exists()


def test_a_name_that_an_apk_would_drop_is_refused(
    project: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("_mine", ".mine", "a/b", "..", "über"):
        folder = Path(shutil.copytree(tiny_bundle, tmp_path / "named"))
        edit_manifest(folder, name=name)
        assert repr(name) in refusal(capsys, "android", str(folder), "--project", str(project))
        shutil.rmtree(folder)


def test_a_bundle_of_tflite_files_alone_needs_the_option(
    project: Path, own_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = json.loads((own_bundle / "manifest.json").read_text())["files"]
    edit_manifest(own_bundle, files={name: entry for name, entry in files.items() if entry["format"] != "onnx"})
    assert "give --tflite" in refusal(capsys, "android", str(own_bundle), "--project", str(project))
    assert put(project, own_bundle, "--tflite") == 0


def test_a_folder_that_is_no_project_is_refused(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(tiny_bundle)
    assert "no Android project" in refusal(capsys, "android", bundle, "--project", str(tmp_path))


def test_the_app_is_built_with_the_users_own_sdk_where_it_is(
    project: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "sdk/platforms/android-35").mkdir(parents=True)
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "sdk"))
    write_program(project / "gradlew", f"mkdir -p {Path(APK_NAME).parent} && echo $* > {APK_NAME}")
    assert put(project, tiny_bundle, "--apk") == 0
    assert (project / APK_NAME).read_text() == "-q :app:assembleRelease\n"
    assert f"adb install -r {project / APK_NAME}" in capsys.readouterr().out


def test_without_an_sdk_the_check_builds_the_app(
    project: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANDROID_HOME", raising=False)
    monkeypatch.delenv("ANDROID_SDK_ROOT", raising=False)
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path / "cache"))
    write_program(project / "check.sh", 'mkdir -p "$3/apk" && echo "$1" > "$3/apk/penjing-release.apk"')
    assert put(project, tiny_bundle, "--apk") == 0
    assert (project / APK_NAME).read_text() == "build\n"


def test_a_build_that_fails_gives_its_reason_in_one_line(
    project: Path,
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("ANDROID_HOME", raising=False)
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path / "cache"))
    write_program(project / "check.sh", "echo 'Main.java:3: error: no such class' >&2; echo 'BUILD FAILED'; exit 1")
    assert penjing_command("android", str(tiny_bundle), "--project", str(project), "--apk") == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last == "penjing: ./check.sh cannot build the app: Main.java:3: error: no such class"
