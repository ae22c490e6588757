"""What is published of a tiny sentence encoder: whole claims, by the proofs and the run they were taken from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_claims import problems
from tiny_sentences import tiny_sentences

from penjing.pipeline.publish import publish


def test_a_sentence_encoders_claims_follow_from_its_proof(tmp_path: Path) -> None:
    raw = tiny_sentences(tmp_path)
    path = tmp_path / "tiny-sentences.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    publish(str(path), (1,), tmp_path / "out", tmp_path / "result.json")
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    claims = {claim["id"].removeprefix("tiny-sentences."): claim for claim in result["claims"]}
    assert [problem for claim in result["claims"] for problem in problems(claim)] == []
    own, taught = (_on_test(proof["torch"]) for proof in (*result["proofs"], result["teacher_proof"]))
    assert claims["student.test"]["value"] == own["value"] and claims["student.test"]["n"] == 40
    assert claims["share.test"]["value"] == pytest.approx(own["value"] / taught["value"])
    files = [p for p in result["proofs"][0]["files"] if p["split"] == "validation"]
    assert claims["neighbours"]["value"] == max(p["flips"] for p in files) / 60
    assert claims["speed.fp32"]["value"] > 0 and claims["cosine"]["value"] > 0.9


def _on_test(proofs: list[dict[str, Any]]) -> dict[str, Any]:
    return next(proof for proof in proofs if proof["split"] == "test")
