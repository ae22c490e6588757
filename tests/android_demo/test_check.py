"""The check of the Android app, as far as it needs neither network nor JDK: its options, and how it reads an APK."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "android_demo"
CHECK = DEMO / "check"
sys.path.insert(0, str(CHECK))

import apk  # noqa: E402
import apk_calls  # noqa: E402
import gradle_home  # noqa: E402


def check_sh(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DEMO / "check.sh", *arguments], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_help_names_every_stage() -> None:
    done = check_sh("--help")
    assert done.returncode == 0
    named = re.findall(r"^  (\w+) ", done.stdout, re.MULTILINE)
    assert named == ["setup", "core", "screens", "build", "apk", "arm64"]
    assert set(re.findall(r"^stage_(\w+)\(\)", (CHECK / "stages.sh").read_text(), re.MULTILINE)) == set(named)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["biuld"], "no stage or option 'biuld'"),
        (["--cache"], "--cache wants a folder"),
        (["--cache", str(DEMO / "cache")], "lies in the project"),
    ],
)
def test_a_wrong_call_ends_with_one_line(arguments: list[str], words: str) -> None:
    done = check_sh(*arguments)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


def test_offline_says_what_is_missing_before_anything_is_made(tmp_path: Path) -> None:
    done = check_sh("setup", "--offline", "--cache", str(tmp_path))
    assert done.returncode == 2
    assert re.search(r"setup: \d+ files are missing|setup: no \w+ here: apt install", done.stderr)
    assert done.stderr.splitlines()[-1].startswith("check.sh: setup FAILED after ")
    assert not (tmp_path / "gradle").exists()


def test_every_download_has_a_hash_and_is_named_once() -> None:
    lines = [line for line in (CHECK / "downloads.sha256").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[0-9a-f]{64}  (m2|npm)/[\w./-]+", line) for line in lines)
    assert len({line.split()[1] for line in lines}) == len(lines) == len(gradle_home.listed(Path()))


def test_the_wrapper_is_gradles_own_and_checks_what_it_downloads() -> None:
    jar = (DEMO / "gradle/wrapper/gradle-wrapper.jar").read_bytes()
    published = "498495120a03b9a6ab5d155f5de3c8f0d986a449153702fb80fc80e134484f17"
    assert hashlib.sha256(jar).hexdigest() == published
    properties = (DEMO / "gradle/wrapper/gradle-wrapper.properties").read_text()
    assert "gradle-8.9-bin.zip" in properties and re.search(
        r"^distributionSha256Sum=d725d707", properties, re.MULTILINE
    )


def library(alignment: int) -> bytes:
    """The headers of an arm64 library with one segment to load."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 183, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 0, 0, alignment)


def write_apk(path: Path, alignment: int = 16384, packed: int = zipfile.ZIP_STORED) -> Path:
    """An APK as far as the check reads it, its libraries at multiples of 16 KB."""
    with zipfile.ZipFile(path, "w") as archive:
        for abi in sorted(apk.ABIS):
            for name in sorted(apk.LIBRARIES):
                entry = zipfile.ZipInfo(f"lib/{abi}/{name}")
                start = archive.fp.tell() + 30 + len(entry.filename)  # type: ignore[union-attr]
                entry.extra = struct.pack("<HH", 0xD935, (room := -(start + 4) % 16384)) + bytes(room)
                archive.writestr(entry, library(alignment))
        archive.writestr("assets/bundles/tiny/model.onnx", b"o" * 100, packed)
        archive.writestr("classes.dex", b"dex" * 1000, zipfile.ZIP_DEFLATED)
        archive.writestr("res/a.xml", b"<a/>")
    return path


def test_libraries_and_models_as_they_should_be_pass(tmp_path: Path) -> None:
    path = write_apk(tmp_path / "a.apk")
    found = [*apk._check_libraries("release", path), *apk._check_models("release", path)]
    assert [check.ok for check in found] == [True] * 3


def test_a_library_for_pages_of_4_kb_and_a_packed_model_are_named(tmp_path: Path) -> None:
    path = write_apk(tmp_path / "a.apk", 4096, zipfile.ZIP_DEFLATED)
    _, pages = apk._check_libraries("release", path)
    (models,) = apk._check_models("release", path)
    assert not pages.ok and "lib/arm64-v8a/libonnxruntime.so" in pages.found
    assert not models.ok and models.found == "assets/bundles/tiny/model.onnx"


def test_the_parts_of_an_apk_add_up(tmp_path: Path) -> None:
    path = write_apk(tmp_path / "a.apk")
    sizes = apk.size_by_part(path)
    assert sizes["total"] == path.stat().st_size
    assert sizes["bundles"] == 100 and sizes["resources"] == 4
    assert sizes["rest"] == sizes["total"] - 100 - sizes["arm64-v8a"] - sizes["x86_64"]
    assert sizes["arm64-v8a"] > 2 * 16_000  # the padding of the libraries is theirs


def test_only_guarded_and_library_calls_may_be_newer_than_api_24() -> None:
    guarded = {"org/penjing/demo/Newer"}
    assert apk_calls.may_stay(apk_calls.Call("org/penjing/demo/Newer$1", "android.view.WindowInsets"), guarded)
    assert apk_calls.may_stay(apk_calls.Call("ai/onnxruntime/OrtSession", "java.nio.file.Path"), guarded)
    assert apk_calls.may_stay(apk_calls.Call("org/penjing/demo/T", "org.tensorflow.lite.Interpreter"), guarded)
    assert not apk_calls.may_stay(apk_calls.Call("org/penjing/demo/Newest", "java.time.Instant"), guarded)
    assert not apk_calls.may_stay(apk_calls.Call("org/penjing/core/Bundle", "java.nio.file.Files"), guarded)
