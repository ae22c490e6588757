"""`penjing compare` on the published runs of docs/results: what it prints, what it refuses, and how a gate ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import penjing_command, refusal

PUBLISHED = Path(__file__).parents[2] / "docs" / "results" / "sst2-cut-avx2.json"
KEPT = ("student int8 ONNX", "teacher int8 ONNX")
Edit = Callable[[dict[str, Any]], object]


def write_run(path: Path, edit: Edit = lambda run: None) -> str:
    """Two subjects of a published run under two conditions, with hashes, as `bench --json` writes them."""
    run = json.loads(PUBLISHED.read_text(encoding="utf-8"))["run"]
    kinds = ("warm", "text")
    run["subjects"] = [
        {**facts, "sha256": 64 * facts["label"][0]} for facts in run["subjects"] if facts["label"] in KEPT
    ]
    run["measurements"] = [
        m for m in run["measurements"] if m["subject"] in KEPT and m["condition"]["kind"] in kinds
    ]  # fmt: skip
    run["noise_floors"] = [noise for noise in run["noise_floors"] if noise["condition"]["kind"] in kinds]
    run["comparisons"], run["wrapper"], run["profiles"] = [], [], []
    edit(run)
    path.write_text(json.dumps(run), encoding="utf-8")
    return str(path)


def times(run: dict[str, Any], factor: float, subjects: tuple[str, ...] = KEPT) -> None:
    for m in run["measurements"]:
        if m["subject"] in subjects:
            m["samples_ms"] = [factor * sample for sample in m["samples_ms"]]


def new_student(run: dict[str, Any]) -> None:
    """Another file, a third larger, and as slow as if it were."""
    run["subjects"][0].update(sha256=64 * "e", bytes=4 * run["subjects"][0]["bytes"] // 3)
    times(run, 1.4, KEPT[:1])


@pytest.fixture
def main_run(tmp_path: Path) -> str:
    return write_run(tmp_path / "main.json")


def test_a_run_is_not_different_from_itself_and_passes_the_gate(
    main_run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert penjing_command("compare", main_run, main_run, "--gate") == 0
    printed = capsys.readouterr()
    header, *rows = (line.split("\t") for line in printed.out.splitlines())
    verdict = header.index("verdict")
    assert {row[verdict] for row in rows} == {"not different"}
    assert rows[0][:3] == ["student int8 ONNX", "p50", "128 tokens, 1 thread"]
    assert all(len(row) == len(header) for row in rows)
    assert "same file: student int8 ONNX, teacher int8 ONNX" in printed.err


def test_a_slower_and_larger_file_fails_the_gate_and_only_the_gate(
    main_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    branch = write_run(tmp_path / "branch.json", new_student)
    assert penjing_command("compare", main_run, branch) == 0
    told = capsys.readouterr()
    assert "another file: student int8 ONNX (ssssssss -> eeeeeeee)" in told.err
    assert "relative to an unchanged one of the same runs (teacher int8 ONNX)" in told.err
    assert "relative to teacher int8 ONNX: " in told.out
    assert penjing_command("compare", main_run, branch, "--gate") == 1
    assert "are worse" in capsys.readouterr().err.splitlines()[-1]
    assert penjing_command("compare", branch, main_run, "--gate") == 0


def test_a_gate_lets_pass_what_is_allowed(main_run: str, tmp_path: Path) -> None:
    branch = write_run(tmp_path / "branch.json", new_student)
    assert penjing_command("compare", main_run, branch, "--gate", "--allow", "latency=50%", "--allow", "size=40%") == 0
    assert penjing_command("compare", main_run, branch, "--gate", "--allow", "latency=50%", "--allow", "size=10%") == 1


def test_json_holds_the_notes_and_every_row(main_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    branch = write_run(tmp_path / "branch.json", lambda run: times(run, 1.2))
    assert penjing_command("compare", main_run, branch, "--json") == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    latency = [row for row in found["rows"] if row["quantity"] == "latency"]
    assert [row["change"] for row in latency] == pytest.approx([1.2] * len(latency))
    assert [row["verdict"] for row in latency if row["condition"]["kind"] == "text"] == ["worse"] * 4
    assert found["notes"] and printed.err == ""


def test_a_file_that_holds_its_run_among_other_things_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    run = json.loads(Path(write_run(tmp_path / "run.json")).read_text(encoding="utf-8"))
    path.write_text(json.dumps({"claims": [], "run": run}), encoding="utf-8")
    assert penjing_command("compare", str(path), str(path)) == 0


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda run: run["machine"].update(cpu="Cortex-A76"), "cpu: AMD EPYC -> Cortex-A76"),
        (lambda run: run["machine"].update(isa=[]), "instruction sets"),
        (lambda run: run["machine"].update(memory_mb=4000), "memory in MB"),
        (lambda run: run["machine"].update(governor="powersave"), "governor: unknown -> powersave"),
        (lambda run: run.update(target="ssh://pi"), "target: local -> ssh://pi"),
    ],
)
def test_another_machine_is_refused_unless_asked_for(
    edit: Edit, words: str, main_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_run(tmp_path / "other.json", edit)
    line = refusal(capsys, "compare", main_run, other)
    assert words in line and "--other-machine" in line
    assert penjing_command("compare", main_run, other, "--other-machine") == 0
    assert f"different machines: {words}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"threads": [1, 2]}, "threads: 1 -> 1 2"),
        ({"mode": "sustained"}, "mode: burst -> sustained"),
        ({"cores": [0]}, "cores: unknown -> 0"),
        ({"texts": 3}, "texts: 200 -> 3"),
    ],
)
def test_other_settings_are_refused_always(
    changes: dict[str, Any], words: str, main_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_run(tmp_path / "other.json", lambda run: run["settings"].update(changes))
    assert words in refusal(capsys, "compare", main_run, other, "--other-machine")


def test_runs_on_other_texts_are_refused_where_both_know_theirs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hashes = ("", "a" * 16, "b" * 16)
    old, ours, other = (
        write_run(tmp_path / f"{i}.json", lambda run, h=h: run["settings"].update(questions_hash=h))  # type: ignore[misc]
        for i, h in enumerate(hashes)
    )
    assert "questions: aaaaaaaaaaaaaaaa -> bbbbbbbbbbbbbbbb" in refusal(capsys, "compare", ours, other)
    assert penjing_command("compare", old, ours) == 0


def test_other_software_and_a_partial_run_are_said(
    main_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def edit(run: dict[str, Any]) -> None:
        run["machine"]["packages"]["onnxruntime"] = "9.0"
        run["partial"] = "the connection was lost"
        new_student(run)

    assert penjing_command("compare", main_run, write_run(tmp_path / "other.json", edit)) == 0
    said = capsys.readouterr().err
    assert "-> 9.0" in said and "after is not whole: the connection was lost" in said
    assert "no file stayed the same under the same engine" in said


def test_a_gate_does_not_pass_figures_that_are_no_longer_measured(
    main_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def edit(run: dict[str, Any]) -> None:
        run["subjects"] = run["subjects"][:1]
        run["measurements"] = [m for m in run["measurements"] if m["subject"] == KEPT[0]]

    less = write_run(tmp_path / "less.json", edit)
    assert penjing_command("compare", main_run, less) == 0
    assert "only before: teacher int8 ONNX (128 tokens, 1 thread; real texts, 1 thread)" in capsys.readouterr().err
    assert penjing_command("compare", main_run, less, "--gate") == 2
    assert "lacks figures" in capsys.readouterr().err.splitlines()[-1]
    assert penjing_command("compare", less, main_run, "--gate") == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("\xff", "is no JSON"),
        ("[]", "holds no run"),
        ('{"claims": []}', "holds no run"),
        ('{"measurements": []}', "schema version None"),
        ('{"measurements": [], "schema_version": 99}', "schema version 99"),
        ('{"measurements": [], "schema_version": 1}', "broken run"),
        ('{"measurements": 3, "schema_version": 1}', "broken run"),
    ],
)
def test_a_file_that_is_no_run_is_one_line(
    content: str, words: str, main_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content.encode("latin-1"))
    assert words in refusal(capsys, "compare", main_run, str(path))


def test_a_missing_file_and_a_folder_are_one_line(
    main_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "penjing bench BUNDLE --json gone.json" in refusal(capsys, "compare", main_run, str(tmp_path / "gone.json"))
    assert "cannot be read" in refusal(capsys, "compare", str(tmp_path), main_run)


def test_a_sample_that_is_no_time_is_a_broken_run(
    main_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled = write_run(tmp_path / "spoiled.json", lambda run: times(run, -1.0))
    assert "is not a time above zero" in refusal(capsys, "compare", main_run, spoiled)


def test_runs_without_a_common_figure_are_refused(
    main_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rename(run: dict[str, Any]) -> None:
        for named, key in [*((f, "label") for f in run["subjects"]), *((m, "subject") for m in run["measurements"])]:
            named[key] += " of another bundle"
        for facts in run["subjects"]:
            facts["bundle"] = "another"

    assert "share no figure" in refusal(capsys, "compare", main_run, write_run(tmp_path / "other.json", rename))


@pytest.mark.parametrize("word", ["latency", "speed=5%", "latency=x", "latency=-1%", "latency=100%", "latency=inf"])
def test_an_allowance_that_is_none_is_one_line(word: str, main_run: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, "compare", main_run, main_run, "--allow", word)
    assert "latency, memory, instructions, size, quality with a percentage" in said
