"""A recipe for the whole line that takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny import write_encoder, write_table

BENCHMARK = {"lengths": [8], "threads": [1], "rounds": 3, "repeats": 1, "texts": 6, "cold_rounds": 1}


def tiny_recipe(folder: Path) -> dict[str, Any]:
    """A recipe whose data and teacher lie in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_encoder(folder / "encoder")
    write_table(folder / "train.tsv", 240, 1)
    write_table(folder / "validation.tsv", 80, 2)
    return {
        "name": "tiny",
        "task": {"labels": ["negative", "positive"], "max_length": 16},
        "data": {"train": str(folder / "train.tsv"), "validation": str(folder / "validation.tsv")},
        "teacher": {
            "model": str(folder / "encoder"), "epochs": 3, "batch_size": 16, "learning_rate": 3e-3,
        },
        "student": {
            "layers": 2, "hidden_size": 32, "bottleneck_size": 16, "embedding_size": 16, "heads": 4,
            "intermediate_size": 16, "feed_forwards": 2,
        },
        "distill": {"transfer_epochs": 1, "epochs": 1, "batch_size": 16, "learning_rate": 1e-3},
        "export": {"sequence_lengths": [8, 16], "metadata": False},  # which need a network
        "limits": {"flips": 0.2, "metric_drop": 0.2},
        "benchmark": BENCHMARK,
    }  # fmt: skip
