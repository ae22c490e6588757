"""Goldens replay from the bundle alone, and show what changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_bundle import FILES, LABELS, TEXTS, edit_manifest, poison, rehash

from penjing.runtime.answers import SOFTMAX
from penjing.runtime.bundle import open_bundle
from penjing.runtime.errors import BundleError
from penjing.runtime.goldens import Golden, golden_problems, read_goldens, replay, steady_goldens, write_goldens


@pytest.mark.parametrize("file", FILES)
def test_every_file_replays_as_it_was_recorded(file: str, tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    report = replay(bundle, file)
    assert (report.file, report.n, report.flips, report.token_differences) == (file, len(TEXTS), 0, 0)
    assert report.largest_difference <= 1e-6  # what rounding left
    assert golden_problems(report, bundle.manifest.files[file].precision) == ()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    texts = ("plain", 'with "quotes" and \\', "lines\nand\u2028such\r", "電影 😀")
    rows = tuple(Golden(text, (2, 7, 3), (1, 1, 1), {"model.onnx": (0.25, -1.5)}, "good") for text in texts)
    write_goldens(rows, tmp_path)
    assert read_goldens(tmp_path) == rows


def test_a_golden_holds_the_decision_and_unpadded_ids(tiny_bundle: Path) -> None:
    for golden, text in zip(read_goldens(tiny_bundle), TEXTS, strict=True):
        assert golden.text == text
        assert set(golden.attention_mask) == {1}
        assert golden.input_ids[0] == 2 and golden.input_ids[-1] == 3
        first = golden.logits["model.int8.onnx"]
        assert golden.label == LABELS[first.index(max(first))]


def with_margins(*margins: float) -> list[Golden]:
    """Named by their number; the second file's logits are further from another decision than the first's."""
    return [
        Golden(str(i), (2, 3), (1, 1), {"model.onnx": (0.0, m), "model.int8.onnx": (0.0, m + 1)}, "good")
        for i, m in enumerate(margins)
    ]


def test_near_ties_are_no_goldens() -> None:
    kept = steady_goldens(with_margins(0.1, *(0.2 + i / 10 for i in range(12)), 0.19), SOFTMAX)
    assert [golden.text for golden in kept] == [str(i) for i in range(1, 13)]


def test_a_student_of_small_logits_has_goldens_too_those_furthest_from_a_tie() -> None:
    kept = steady_goldens(with_margins(*(i / 1000 for i in range(20))), SOFTMAX)
    assert [golden.text for golden in kept] == [str(i) for i in range(12, 20)]
    assert len(steady_goldens(with_margins(0.01, 0.5), SOFTMAX)) == 2
    assert steady_goldens([], SOFTMAX) == []


def rewrite(folder: Path, change: dict[str, object]) -> None:
    """Changes the first golden as a machine that answers differently would."""
    first, *others = read_goldens(folder)
    write_goldens([replace(first, **change), *others], folder)  # type: ignore[arg-type]
    rehash(folder, "goldens.jsonl")


def test_other_logits_are_measured_and_reported(own_bundle: Path) -> None:
    logits = dict(read_goldens(own_bundle)[0].logits)
    logits["model.onnx"] = tuple(value + 0.01 for value in logits["model.onnx"])
    rewrite(own_bundle, {"logits": logits})
    report = replay(open_bundle(own_bundle), "model.onnx")
    assert report.flips == 0 and report.largest_difference == pytest.approx(0.01, abs=1e-5)
    assert "model.onnx is off by 0.01 in a logit, allowed is 0.001" in golden_problems(report, "fp32")[0]
    assert golden_problems(report, "int8") == ()


def test_another_decision_is_reported_for_every_precision(own_bundle: Path) -> None:
    logits = dict(read_goldens(own_bundle)[0].logits)
    logits["model.int8.tflite"] = tuple(-value for value in logits["model.int8.tflite"])
    rewrite(own_bundle, {"logits": logits})
    report = replay(open_bundle(own_bundle), "model.int8.tflite")
    assert report.flips == 1
    assert "model.int8.tflite decides 1 of 4 texts differently" in golden_problems(report, "int8")[0]


def test_numbers_that_are_none_count_as_a_flip(own_bundle: Path) -> None:
    poison(own_bundle)
    report = replay(open_bundle(own_bundle), "model.onnx")
    assert report.flips == report.n
    assert len(golden_problems(report, "fp32")) == 2  # the decisions, and a difference that is not within any limit


def test_another_tokenizer_is_reported_beside_engines_that_agree(own_bundle: Path) -> None:
    path = own_bundle / "tokenizer.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"very"', '"vary"'), encoding="utf-8")
    rehash(own_bundle, "tokenizer.json")
    report = replay(open_bundle(own_bundle), "model.onnx")
    assert (report.token_differences, report.flips) == (1, 0)
    assert "1 of 4 texts have other token ids" in golden_problems(report, "fp32")[0]


def test_a_file_without_goldens_cannot_be_replayed(own_bundle: Path) -> None:
    rewrite(own_bundle, {"logits": {"model.onnx": (0.0, 0.0, 1.0)}})
    with pytest.raises(BundleError, match=r"says nothing about 'model\.tflite'"):
        replay(open_bundle(own_bundle), "model.tflite")


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"text": "a"}'])
def test_a_broken_line_is_named(line: str, own_bundle: Path) -> None:
    path = own_bundle / "goldens.jsonl"
    first = path.read_text(encoding="utf-8").split("\n")[0]
    path.write_text(f"{first}\n{line}\n", encoding="utf-8")
    with pytest.raises(BundleError, match=r"goldens\.jsonl, line 2, is no golden"):
        read_goldens(own_bundle)


def test_changed_goldens_are_refused(own_bundle: Path) -> None:
    path = own_bundle / "goldens.jsonl"
    path.write_bytes(path.read_bytes().replace(b"good", b"bood"))
    with pytest.raises(BundleError, match="its hash differs"):
        replay(open_bundle(own_bundle), "model.onnx")


def test_a_bundle_without_goldens_says_so(own_bundle: Path) -> None:
    files = open_bundle(own_bundle).manifest.files
    edit_manifest(own_bundle, files={n: vars(f) for n, f in files.items() if n != "goldens.jsonl"})
    with pytest.raises(BundleError, match=r"has no file 'goldens\.jsonl'"):
        replay(open_bundle(own_bundle), "model.onnx")
