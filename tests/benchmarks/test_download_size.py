"""What an app downloads: against what zipfile makes of the same files, and engines found where they may lie."""

from __future__ import annotations

import random
import sys
import zipfile
from pathlib import Path

import pytest

from penjing.benchmarks.download_size import (
    DownloadSize,
    compressed_size,
    engine_libraries,
    installed_engine,
    measure_downloads,
)
from penjing.benchmarks.plain import from_plain, to_plain
from penjing.benchmarks.plan import Subject
from penjing.runtime.errors import BundleError, TargetError


@pytest.fixture(scope="module")
def jni(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of an unpacked AAR; nobody looks into a library whose folder says the ABI."""
    folder = tmp_path_factory.mktemp("aar") / "jni"
    for abi, size in (("arm64-v8a", 3000), ("armeabi-v7a", 2000)):
        (folder / abi).mkdir(parents=True)
        (folder / abi / "libonnxruntime.so").write_bytes(random.Random(size).randbytes(size) + bytes(size))
        (folder / abi / "libonnxruntime4j_jni.so").write_bytes(bytes(500))
        (folder / abi / "libother.so").write_bytes(bytes(10**6))
    return folder


@pytest.fixture(scope="module")
def size(small: Path, jni: Path) -> DownloadSize:
    (found,) = measure_downloads([Subject("small", small)], [jni])
    return found


def zipped(path: Path, folder: Path) -> int:
    """The bytes that zipfile makes of a file at level 9, without headers."""
    with zipfile.ZipFile(folder / "one.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(path)
    with zipfile.ZipFile(folder / "one.zip") as archive:
        return archive.infolist()[0].compress_size


def test_model_and_tokenizer_weigh_what_a_zip_says(size: DownloadSize, small: Path, tmp_path: Path) -> None:
    model, tokenizer = small / "model.onnx", small / "tokenizer.json"
    assert size.model * 1e6 == pytest.approx(model.stat().st_size)
    assert size.model_compressed * 1e6 == pytest.approx(zipped(model, tmp_path))
    assert size.tokenizer * 1e6 == pytest.approx(tokenizer.stat().st_size)
    assert size.tokenizer_compressed * 1e6 == pytest.approx(zipped(tokenizer, tmp_path))


def test_each_abi_gets_the_libraries_of_its_folder(size: DownloadSize, jni: Path, tmp_path: Path) -> None:
    assert {"arm64-v8a", "armeabi-v7a"} <= size.engine.keys()
    raw, compressed = size.engine["arm64-v8a"]
    names = ("libonnxruntime.so", "libonnxruntime4j_jni.so")
    assert raw * 1e6 == pytest.approx(6500)
    assert compressed * 1e6 == pytest.approx(sum(zipped(jni / "arm64-v8a" / name, tmp_path) for name in names))


def test_the_total_is_the_sum_of_the_three(size: DownloadSize) -> None:
    raw, compressed = size.total("armeabi-v7a")
    assert raw == pytest.approx(size.model + size.tokenizer + 0.0045)
    assert compressed < raw
    with pytest.raises(KeyError):
        size.total("x86")


def test_it_goes_to_json_and_back(size: DownloadSize) -> None:
    assert from_plain(DownloadSize, to_plain(size)) == size


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the wheels hold ELF libraries on Linux only")
@pytest.mark.parametrize("engine", ["onnx", "tflite"])
def test_the_installed_engine_is_found_without_importing_it(engine: str) -> None:
    folder = installed_engine(engine)
    if folder is None:
        pytest.skip(f"the engine {engine} is not installed")
    ((abi, paths),) = engine_libraries(engine, folder).items()
    assert abi.startswith("linux-")
    assert len(paths) == 1
    assert 1 < paths[0].stat().st_size / 1e6 < 100


def test_a_larger_file_of_zeros_is_nearly_nothing_compressed(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(3 << 20))
    raw, compressed = compressed_size(tmp_path / "zeros")
    assert raw == pytest.approx(3.145728)
    assert compressed < 0.01


def test_a_changed_file_is_weighed_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(1000))
    before = compressed_size(path)
    path.write_bytes(random.Random(0).randbytes(1001))
    assert compressed_size(path)[1] > 10 * before[1]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_and_files_that_are_no_libraries_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "x86_64").mkdir()
    (tmp_path / "x86_64" / "libLiteRt.so").write_bytes(b"it is in an ABI's folder")
    (tmp_path / "x86_64" / "libLiteRt.so.2").symlink_to(tmp_path / "x86_64" / "libLiteRt.so")
    (tmp_path / "libLiteRt.so").write_bytes(b"no ELF file")
    assert engine_libraries("tflite", tmp_path) == {"x86_64": (tmp_path / "x86_64" / "libLiteRt.so",)}
    assert engine_libraries("onnx", tmp_path) == {}


def test_a_folder_without_engines_and_a_broken_bundle_are_told(small: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"nowhere is not a folder: name one that holds an engine's libraries"):
        measure_downloads([Subject("small", small)], [tmp_path / "nowhere"])
    with pytest.raises(TargetError, match=r"holds no engine's library \(libonnxruntime.so, .*unpack an AAR"):
        measure_downloads([Subject("small", small)], [tmp_path])
    with pytest.raises(BundleError, match=r"holds no manifest\.json"):
        measure_downloads([Subject("small", tmp_path)])
