"""What is published of a sentence encoder: its claims, and what they were taken from.

Left out: judging; a missed target is written down as missed.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..claims import t_interval
from ..report import Report
from ..report_claims import Claims, size_claims, speed_claims
from ..run import make_embedding, run_recipe
from ..targets import stated
from ..text_files import read_json
from ..workspace import Workspace
from .proof import Made, VectorProof
from .sections import EmbeddingRecipe


def embedding_result(recipes: Sequence[EmbeddingRecipe], out: Path) -> dict[str, Any]:
    """Proves the student of every recipe, which differ by their seed, and runs the first one to its report."""
    space = Workspace(out)
    with space.locked():
        made = [make_embedding(recipe, space) for recipe in recipes]
    run_recipe(recipes[0], out)
    report = Report.from_json(read_json(out / "report.json"))
    name = recipes[0].name
    return {
        "claims": [*_quality(name, made), *size_claims(name, report), *speed_claims(name, report)],
        "proofs": [asdict(m.proof) for m in made],
        "teacher_proof": asdict(made[0].teacher_proof),
        "curves": [read_json(m.student / "history.json") for m in made],
        "run": report.run,
    }


def _quality(name: str, made: Sequence[Made]) -> Claims:
    """Rank correlations, the student's share of its teacher's, and what files lose in both and in nearest texts."""
    for teacher in made[0].teacher_proof.torch:
        split, n = teacher.split, teacher.n
        values = [m.proof.on(split).value for m in made]
        shares = [value / teacher.value for value in values]
        yield stated(f"{name}.teacher.{split}", teacher.value, teacher.metric, (teacher.low, teacher.high), n)
        yield stated(f"{name}.student.{split}", statistics.fmean(values), teacher.metric, t_interval(values), n)
        yield stated(f"{name}.share.{split}", statistics.fmean(shares), "share", t_interval(shares), n)
    files = [p for m in made for p in m.proof.files if p.split == "validation"]
    drop = max(_lost(files, kind) for kind in ("onnx", "tflite"))
    yield stated(f"{name}.int8.drop", max(0.0, drop), "share", None, files[0].n)
    worst = max(files, key=lambda p: p.flips)
    yield stated(f"{name}.neighbours", worst.flips / worst.n, "share", (worst.flip_low, worst.flip_high), worst.n)
    yield stated(f"{name}.cosine", min(p.cosine for p in files), "cosine", None, files[0].n)


def _lost(files: Sequence[VectorProof], kind: str) -> float:
    """How far the int8 file's correlation lies below its own fp32 file's; of several seeds the most."""
    plain, small = ([p.value for p in files if p.file == name] for name in (f"model.{kind}", f"model.int8.{kind}"))
    return max(before - after for before, after in zip(plain, small, strict=True))
