"""The yardstick of the wrapper: called by hand, both engines answer as `predict` does."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from penjing.benchmarks.by_hand import engine_by_hand, tokenize_by_hand
from penjing.benchmarks.latency import fixed_feed, open_contender, questions_in_rounds
from penjing.benchmarks.op_profile import profile_contender
from penjing.benchmarks.plan import Plan, Subject
from penjing.benchmarks.targets.local import measure
from penjing.runtime import load
from penjing.runtime.manifest import BundleFile, read_manifest, write_manifest


@pytest.fixture(scope="module")
def both(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small bundle with a TFLite file beside its ONNX file: another bag of words, with its own weights."""
    litert_torch = pytest.importorskip("litert_torch")
    import torch

    class Bag(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.logits = torch.nn.Embedding(10, 8), torch.nn.Linear(8, 2)

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
        ) -> dict[str, torch.Tensor]:
            kept = self.words(input_ids + token_type_ids) * attention_mask.unsqueeze(-1).float()
            return {"logits": self.logits(kept.sum(1))}

    folder = Path(shutil.copytree(small, tmp_path_factory.mktemp("bundles") / "both"))
    torch.manual_seed(0)
    model, conversion = Bag().eval(), litert_torch
    for length in (8, 16):
        sample = {
            name: torch.ones(1, length, dtype=torch.int32) for name in ("input_ids", "attention_mask", "token_type_ids")
        }
        conversion = conversion.signature(f"serving_{length}", model, sample_kwargs=sample)
    conversion.convert().export(str(folder / "model.tflite"))
    content = (folder / "model.tflite").read_bytes()
    manifest = read_manifest(folder)
    file = BundleFile(hashlib.sha256(content).hexdigest(), len(content), "tflite", "fp32")
    write_manifest(dataclasses.replace(manifest, files={**manifest.files, "model.tflite": file}), folder)
    return folder


@pytest.mark.parametrize("engine", ["onnx", "tflite"])
def test_by_hand_gives_the_logits_of_predict(both: Path, texts: tuple[str, ...], engine: str) -> None:
    predictor = load(both, engine)
    tokenize, run = tokenize_by_hand(predictor.bundle), engine_by_hand(predictor.bundle, f"model.{engine}", 1)
    for text in (*texts, "very " * 30, "not " * 7):
        answer = run(tokenize(text))
        logits = answer["logits"] if engine == "tflite" else answer[0]
        np.testing.assert_allclose(logits[0], predictor.predict(text).logits, rtol=1e-5, atol=1e-6)


def test_both_engines_are_measured_in_one_run(both: Path, texts: tuple[str, ...]) -> None:
    plan = Plan(texts=texts, lengths=(8,), threads=(1,), rounds=2, repeats=1, cold_rounds=1)
    run = measure([Subject("onnx", both, "onnx"), Subject("tflite", both, "tflite")], plan)
    assert [(facts.engine, facts.file) for facts in run.subjects] == [
        ("onnx", "model.onnx"),
        ("tflite", "model.tflite"),
    ]
    assert [cost.subject for cost in run.wrapper] == ["onnx", "tflite"]
    assert [profile.subject for profile in run.profiles] == ["onnx"]
    assert all(m.peak_rss_mb for m in run.measurements if m.condition.kind == "cold")


def test_a_fixed_feed_is_real_tokens_without_padding(small: Path, texts: tuple[str, ...]) -> None:
    contender = open_contender(Subject("small", small), threads=1)
    feed = fixed_feed(contender, 11, texts)
    assert {name: values.shape for name, values in feed.items()} == dict.fromkeys(feed, (1, 11))
    assert feed["attention_mask"].all()
    assert feed["input_ids"][0, :6].tolist() == [2, 7, 4, 6, 3, 2]  # [CLS] a good film [SEP] [CLS] ...


def test_every_text_has_its_turn_once(texts: tuple[str, ...]) -> None:
    shared, repeats = questions_in_rounds(Plan(texts=texts), rounds=3)
    assert (tuple(shared), repeats) == (texts, 2)
    shared, repeats = questions_in_rounds(Plan(texts=texts), rounds=4)
    assert (len(shared), repeats) == (8, 2)
    assert tuple(shared[:6]) == texts


def test_profiling_leaves_no_file(
    small: Path, texts: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    profile = profile_contender(open_contender(Subject("small", small), threads=1), 4, 1, Plan(texts=texts))
    assert profile is not None
    assert list(tmp_path.iterdir()) == []
