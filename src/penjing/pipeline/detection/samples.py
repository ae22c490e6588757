"""The stage that reads samples, and what later stages take from its folder.

`train.npz`, `calibrate.npz` and `test.npz` hold rows, labels and times; `samples.json` says what they are. Windows are
cut when they are used: they overlap, and would take `window` times the space. Of texts, the encoder's tokenizer lies
beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...compress.load_samples import BUILT_IN, load_samples
from ...compress.sample_files import split_array_name
from ...compress.samples import SampleSet, cut_set
from ...compress.text_encoder import encoder_files, save_tokenizer
from ...runtime.tokenizer import TextTokenizer
from ..recipe import resolve_path
from ..text_files import read_json, write_json
from ..workspace import Workspace, file_digest
from .kinds import Embedding
from .sections import DetectorRecipe

PARTS = ("train", "calibrate", "test")
FACTS_NAME = "samples.json"


def read_samples(recipe: DetectorRecipe, space: Workspace) -> Path:
    """The three parts, and `samples.json` with features, typical values, counts and notes."""
    by_labels = recipe.alarms.method == "best-f1"

    def work(folder: Path) -> None:
        tokenizer = None
        if isinstance(recipe.detector, Embedding):
            save_tokenizer(recipe.detector.encoder, folder)
            tokenizer = TextTokenizer(folder, recipe.data.window)
        found = load_samples(recipe.data, resolve_path, recipe.seed, anomalies_calibrate=by_labels, tokenizer=tokenizer)
        parts = {name: getattr(found, name) for name in PARTS}
        for name, part in parts.items():
            known = {"labels": part.labels, "times": part.times}
            np.savez(folder / f"{name}.npz", rows=part.rows, **{k: v for k, v in known.items() if v is not None})
        normal = found.train.rows[found.train.normal]
        write_json(folder / FACTS_NAME, {
            "features": list(found.train.features),
            "typical": np.median(normal.reshape(-1, normal.shape[-1]), axis=0).tolist(),
            "window": found.window,
            "stride": recipe.data.stride,
            "rows": {name: len(part) for name, part in parts.items()},
            "anomalies": {name: int((~part.normal).sum()) for name, part in parts.items()},
            "labelled": found.test.labels is not None,
            "notes": list(found.notes),
        })  # fmt: skip

    settings = {
        "data": recipe.data.model_dump(), "seed": recipe.seed, "by_labels": by_labels, "digests": _digests(recipe)
    }  # fmt: skip
    if isinstance(recipe.detector, Embedding):
        settings["encoder"] = [file_digest(path) for path in encoder_files(recipe.detector.encoder)]
    return space.stage("samples", work, settings=settings)


def read_facts(data: Path) -> Mapping[str, Any]:
    """What `samples.json` says."""
    facts: Mapping[str, Any] = read_json(data / FACTS_NAME)
    return facts


def read_part(data: Path, name: str) -> SampleSet:
    """One of PARTS, its windows cut: training's at the recipe's stride, the others at every row, as a stream does."""
    facts = read_facts(data)
    with np.load(data / f"{name}.npz", allow_pickle=False) as arrays:
        part = SampleSet(arrays["rows"], arrays.get("labels"), arrays.get("times"), tuple(facts["features"]))
    if part.rows.ndim == 3:
        return part
    return cut_set(part, facts["window"], facts["stride"] if name == "train" else 1)


def _digests(recipe: DetectorRecipe) -> list[str]:
    """Of the files that are there; reading says which one is not."""
    data = recipe.data
    names = [data.train, data.test, data.label, data.test_label, data.label_windows]
    files = {resolve_path(split_array_name(name)[0]) for name in names if name is not None and name not in BUILT_IN}
    return [file_digest(path) for path in sorted(files) if path.is_file()]
