"""A profile on disk, its rows, and a real one of small students: measured, interrupted, gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from penjing.benchmarks.arm64.userland import find_userland
from penjing.pipeline.target_profile import make
from penjing.pipeline.target_profile.count_files import count_files
from penjing.pipeline.target_profile.features import Tile, features
from penjing.pipeline.target_profile.files import ModelFile, make_files, model_files
from penjing.pipeline.target_profile.fit import Fit
from penjing.pipeline.target_profile.make import make_profile, meter_of, operators_at
from penjing.pipeline.target_profile.profile import Measured, Profile, profile_path, read_profile, write_profile
from penjing.pipeline.target_profile.rows import Place, Row, RowFile, fastest
from penjing.pipeline.target_profile.shapes import Drawn, measured_students
from penjing.pipeline.target_profile.time_files import places, time_files
from penjing.runtime.errors import OutputError, TargetError

PLACE = Place("p00", "onnx", "int8", 16)
PROFILE = Profile(
    "local", "ms", "a board", {"onnxruntime": "1"}, "2026-01-01", (8, 256),
    {"onnx int8": Fit("OLS", Tile(4, 8), 1, {"models": 0.5}, 9, 3, 1.0, 0.04, {"OLS": 0.02})}, (Measured(PLACE, 1.5),),
)  # fmt: skip
LENGTHS = {"onnx": (8, 24), "tflite": (8,)}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Drawn, list[ModelFile]]:
    """The files of one small student."""
    base = tmp_path_factory.mktemp("exported")
    drawn = measured_students(1)[0]
    small = replace(drawn.config, hidden_size=32, embedding_size=16)
    student = replace(drawn, config=small, lengths=LENGTHS)
    return base, student, make_files([student], base)


def test_a_profile_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_profile(PROFILE, tmp_path / "board.json")
    assert read_profile(str(tmp_path / "board.json")) == PROFILE
    assert [path.name for path in tmp_path.iterdir()] == ["board.json"]


def test_a_profile_is_found_by_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path))
    write_profile(PROFILE, profile_path("qemu:cortex-a72"))
    assert read_profile("qemu:cortex-a72") == PROFILE
    with pytest.raises(TargetError, match=r"no profile of 'local' \(there are qemu-cortex-a72\).*target profile local"):
        read_profile("local")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema_version": 9}', '{"schema_version": 1}', '{"schema_version": 2}', "[" * 9999]
)
def test_a_broken_profile_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "board.json").write_text(text, encoding="utf-8")
    with pytest.raises(TargetError, match="penjing target profile") as refused:
        read_profile(str(tmp_path / "board.json"))
    assert "\n" not in str(refused.value)


def test_a_profile_with_a_wrong_number_is_refused(tmp_path: Path) -> None:
    write_profile(PROFILE, tmp_path / "board.json")
    raw = json.loads((tmp_path / "board.json").read_text(encoding="utf-8"))
    raw["fits"]["onnx int8"]["coefficients"] = {"models": "much"}
    (tmp_path / "board.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(TargetError, match="broken profile"):
        read_profile(str(tmp_path / "board.json"))


def test_a_line_that_a_crash_cut_off_is_measured_again_and_spoils_none(tmp_path: Path) -> None:
    rows = RowFile(tmp_path / "new" / "rows.jsonl")
    rows.add([Row(PLACE, 0, 1.0), Row(PLACE, 1, 3.0)])
    with rows.path.open("a", encoding="utf-8") as file:
        file.write('{"place": {"student"')
    rows.add([Row(PLACE, 2, 2.0)])
    assert [row.value for row in rows.read()] == [1.0, 3.0, 2.0]
    assert fastest(rows.read()) == {PLACE: 1.0}


def test_rows_that_cannot_be_written_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be written"):
        RowFile(tmp_path / "file" / "rows.jsonl").add([Row(PLACE, 0, 1.0)])


def test_a_target_without_profiles_is_refused() -> None:
    with pytest.raises(TargetError, match=r"no profile of 'moon': give one of local, qemu:CPU, ssh://.*, adb://"):
        meter_of("moon")


def test_an_unknown_core_is_refused() -> None:
    with pytest.raises(TargetError, match=r"cortex-a9|emulator|qemu"):
        meter_of("qemu:cortex-a9")


def test_files_of_all_engines_and_precisions_are_made_once(exported: tuple[Path, Drawn, list[ModelFile]]) -> None:
    base, student, files = exported
    assert [(file.engine, file.precision) for file in files] == [
        ("onnx", "fp32"), ("onnx", "int8"), ("tflite", "fp32"), ("tflite", "int8"),
    ]  # fmt: skip
    before = {file.path: file.path.stat().st_mtime_ns for file in files}
    assert make_files([student], base) == files
    assert {file.path: file.path.stat().st_mtime_ns for file in files} == before


def test_timing_goes_on_where_it_stopped(exported: tuple[Path, Drawn, list[ModelFile]], tmp_path: Path) -> None:
    files = exported[2]
    rows = RowFile(tmp_path / "rows.jsonl")
    time_files(files[:1], rows, rounds=1)
    first = rows.read()
    assert [row.place.length for row in first] == [8, 24] and all(row.value > 0 for row in first)
    found = time_files(files, rows, rounds=2)
    assert found[:2] == first and len(found) == 2 * sum(len(places(file)) for file in files)
    assert time_files(files, rows, rounds=2) == found


def test_an_emulated_core_counts_the_same_instructions_twice(
    exported: tuple[Path, Drawn, list[ModelFile]], tmp_path: Path
) -> None:
    try:
        find_userland()
        meter_of("qemu:cortex-a72")
    except TargetError as error:
        pytest.skip(str(error))
    files = exported[2][:1]
    counts = [fastest(count_files("qemu:cortex-a72", files, RowFile(tmp_path / f"{i}.jsonl"))) for i in range(2)]
    for place, count in counts[0].items():
        assert count > 1e5 and counts[1][place] == pytest.approx(count, rel=1e-3)


def test_a_profile_of_drawn_students_is_made_from_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measuring itself is the tests' above: here times are made up of the students' own costs."""
    students = measured_students(6)

    def measure(files: list[ModelFile], rows: RowFile) -> list[Row]:
        wanted = [place for file in files if file.engine == "onnx" for place in places(file)]
        counted = operators_at(wanted, students)
        costs = {key: features(operators, Tile(1, 1), 4)["linear_macs"] for key, operators in counted.items()}
        return [Row(place, 0, 0.1 + 1e-7 * costs[place.student, place.length]) for place in wanted]

    monkeypatch.setattr(make, "meter_of", lambda target: make.Meter("ms", "a board", {}, measure))
    monkeypatch.setattr(make, "make_files", model_files)
    profile = make_profile("local", students, tmp_path)
    assert set(profile.fits) == {"onnx fp32", "onnx int8"} and profile.fits["onnx fp32"].rows == 18
    assert len(profile.measured) == 36 and profile.lengths[0] >= 8
