"""Suite files whose cells take seconds: of a tiny detector, and of a tiny student."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tiny_recipe import tiny_recipe


def write_suite_file(folder: Path, raw: dict[str, Any]) -> Path:
    """The suite file, in `folder`."""
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def detector_suite(folder: Path, **changes: Any) -> Path:
    """Two detectors and two seeds on a table where `mahalanobis` finds what `hbos` cannot: correlations."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    normal = random.normal(size=(300, 1)) + 0.1 * random.normal(size=(300, 2))
    odd = random.normal(size=(40, 1)) * np.array([1, -1]) + 0.1 * random.normal(size=(40, 2))
    np.savez(folder / "table.npz", X=np.concatenate([normal, odd]), y=np.r_[np.zeros(300), np.ones(40)])
    recipe = {
        "name": "blobs", "task": {"kind": "anomaly-detection"},
        "data": {"train": f"{folder / 'table.npz'}::X", "label": f"{folder / 'table.npz'}::y"},
        "detector": {"kind": "hbos"}, "export": {"formats": ["onnx"]}, "alarms": {"false_alarms": 0.2},
        "limits": {"flips": 1}, "benchmark": {"rounds": 3, "repeats": 1, "samples": 4, "cold_rounds": 1},
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    raw = {
        "name": "detectors", "baseline": "plain", "recipe": "recipe.yaml", "seeds": [1, 2],
        "cells": [{"name": "maha", "set": {"detector.kind": "mahalanobis"}}, {"name": "plain"}],
    }  # fmt: skip
    return write_suite_file(folder, {**raw, **changes})


def text_suite(folder: Path) -> Path:
    """Two students of one teacher, one seed, ONNX alone."""
    recipe = tiny_recipe(folder)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    raw = {
        "name": "students", "baseline": "two", "recipe": "recipe.yaml", "seeds": [1],
        "set": {"export.formats": ["onnx"], "distill.transfer_epochs": 0},
        "cells": [{"name": "two"}, {"name": "one", "set": {"student.layers": 1}}],
    }  # fmt: skip
    return write_suite_file(folder, raw)
