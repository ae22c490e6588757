"""A recipe for a sentence encoder that takes seconds: pairs of film sentences, scored by the words they share."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tiny import make_sentences, write_encoder
from tiny_recipe import BENCHMARK


def write_pairs(path: Path, count: int, seed: int) -> None:
    """A TSV without a header: a number, the score 0 to 5, and two sentences."""
    source, sentences = random.Random(seed), make_sentences(count, seed)[0]
    rows = []
    for number, first in enumerate(sentences):
        words = first.split()
        kept = source.sample(words, source.randrange(1, len(words) + 1))
        second = " ".join([*kept, *source.choice(sentences).split()[: len(words) - len(kept)]])
        shared = len(set(words) & set(second.split())) / len(set(words) | set(second.split()))
        rows.append(f"{number}\t{5 * shared:.3f}\t{first}\t{second}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def tiny_sentences(folder: Path) -> dict[str, Any]:
    """A recipe whose data and teacher lie in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_encoder(folder / "encoder")
    write_pairs(folder / "validation.tsv", 60, 2)
    write_pairs(folder / "test.tsv", 40, 3)
    (folder / "texts.txt").write_text("\n".join(make_sentences(200, 1)[0]) + "\n", encoding="utf-8")
    return {
        "name": "tiny-sentences",
        "task": {"kind": "embedding", "max_length": 16, "cuts": [8, 16]},
        "data": {
            "validation": str(folder / "validation.tsv"), "test": str(folder / "test.tsv"),
            "names": ["number", "score", "one", "two"], "first": "one", "second": "two",
            "texts": [{"file": str(folder / "texts.txt")}],
        },
        "teacher": {"model": str(folder / "encoder")},
        "student": {
            "layers": 2, "hidden_size": 32, "bottleneck_size": 16, "embedding_size": 16, "heads": 4,
            "intermediate_size": 16, "feed_forwards": 2,
        },
        "distill": {"epochs": 1, "batch_size": 16, "learning_rate": 1e-3, "evaluations_per_epoch": 1},
        "export": {"sequence_lengths": [8, 16]},
        "limits": {"flips": 0.3, "metric_drop": 0.1, "cosine": 0.9},
        "benchmark": BENCHMARK,
    }  # fmt: skip
