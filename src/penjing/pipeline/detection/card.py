"""The bundle's README: what the detector is, what it was made from, how good it is, and how to use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...runtime.samples import TEXTS_KIND
from ..report.detection import DetectorRow
from .proof import Proof
from .sections import DetectorRecipe

OF_SAMPLES = (
    'stream = load("this folder").stream()',
    "print(stream.push(samples).alarms)  # samples: [n, features] of floats",
)
OF_TEXTS = (
    'detector = load("this folder")',
    "print(detector.above(detector.score_texts(texts).scores))  # texts: a list of strings",
)


def detector_card(recipe: DetectorRecipe, facts: Mapping[str, Any], proof: Proof, rows: Sequence[DetectorRow]) -> str:
    """Markdown."""
    features, texts = facts["features"], recipe.data.kind == TEXTS_KIND
    unit = "tokens" if texts else "samples"
    return "\n".join(
        [
            f"# {recipe.name}",
            "",
            f"An anomaly detector ({recipe.detector.kind}) for {len(features)} features: {', '.join(features[:20])}"
            + (" ..." if len(features) > 20 else "."),
            f"It scores a window of {facts['window']} {unit}; higher is more anomalous. Trained on"
            f" {facts['rows']['train']:,} samples ({recipe.data.regime}), thresholds calibrated on"
            f" {facts['rows']['calibrate']:,} others ({recipe.alarms.method}, {recipe.alarms.false_alarms:.2%} asked).",
            "",
            "| scores | threshold | AUC-ROC | AUC-PR | recall | false alarms |",
            "|---|---:|---|---|---|---|",
            *(_row(row) for row in rows),
            "",
            "| file | largest score difference | rank correlation | flips of normal samples |",
            "|---|---:|---:|---:|",
            *(f"| {p.file} | {p.difference:.1e} | {p.rank:.4f} | {p.flips} of {p.normals} |" for p in proof.files),
            "",
            "```python",
            "from penjing.runtime import load",
            "",
            *(OF_TEXTS if texts else OF_SAMPLES),
            "```",
            "",
            f"`penjing watch` follows {'lines of text' if texts else 'a CSV or JSON Lines stream'}, `penjing calibrate`"
            " moves the thresholds, `penjing",
            "verify` replays `goldens.jsonl` on your machine. `recipe.yaml` is what it was made from.",
            "",
        ]
    )


def _row(row: DetectorRow) -> str:
    known = row.auc_roc, row.auc_pr, row.rates.recall if row.rates else None
    cells = ["" if value is None else f"{value.value:.4f} ({value.low:.3f} to {value.high:.3f})" for value in known]
    return f"| {row.label} | {row.threshold:.6g} | {' | '.join(cells)} | {row.false_alarms.value:.4f} |"
