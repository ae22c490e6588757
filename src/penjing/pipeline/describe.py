"""What metadata say inside the TFLite files of a recipe, and the note where this machine cannot write them.

A bundle without metadata does the same, so nothing stops for them. Left out: the writers (`export/tflite_metadata.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..export.task_file import OUTPUT
from ..export.tflite_metadata import VOCABULARY, Described, add_metadata
from ..runtime.calibration import Threshold
from ..runtime.errors import ExportError
from .detection.sections import DetectorRecipe
from .sections import Recipe
from .terminal import note

NAMES = {
    "text-classification": "Text classifier", "multi-label-classification": "Text classifier of many labels",
    "regression": "Text regressor", "token-classification": "Tagger of words",
}  # fmt: skip
OUTPUT_TEXTS = {
    "text-classification": "Logits: a softmax makes them probabilities. `penjing task-file` writes a file with one.",
    "multi-label-classification": "Logits: a sigmoid makes each of them a probability.",
    "regression": "A number; the bundle's manifest has the scale and shift that make it the label's.",
    "token-classification": "Logits of every token: those of a word's first token decide its tag.",
}


def describe_text_files(recipe: Recipe, folder: Path, tokenizer_folder: Path) -> None:
    """Labels, vocabulary and tokenizer. The output is logits, as everywhere in a bundle, but BertNLClassifier crashes
    (0.4.4) where no output has the name that it looks for."""
    if not recipe.export.metadata:
        return
    lengths = ", ".join(map(str, recipe.export.sequence_lengths))
    about = Described(
        name=recipe.name,
        text=f"{NAMES[recipe.task.kind]} made by Penjing, a signature serving_<length> for each of {lengths} tokens.",
        output=OUTPUT,
        output_text=OUTPUT_TEXTS[recipe.task.kind],
        labels=recipe.task.meaning.outputs(recipe.task.labels),
        vocabulary=_vocabulary(tokenizer_folder),
    )
    _describe(dict.fromkeys(sorted(folder.glob("*.tflite")), about))


def describe_detector_files(
    recipe: DetectorRecipe,
    folder: Path,
    facts: Mapping[str, Any],
    thresholds: Mapping[str, Threshold],
    tokenizer_folder: Path,
) -> None:
    """The features of a window in their order, what a score means, and each file's own threshold."""
    features = ", ".join(facts["features"])
    described = {}
    for path in sorted(folder.glob("*.tflite")):
        threshold = thresholds[path.name].threshold
        described[path] = Described(
            name=recipe.name,
            text="Anomaly detector made by Penjing.",
            output="score",
            output_text=f"Higher = more anomalous; above {threshold:.9g} the window is an anomaly.",
            input_text=f"A window of {facts['window']}, oldest first, of {len(facts['features'])} features: {features}",
            vocabulary=_vocabulary(tokenizer_folder),
            threshold=threshold,
        )
    _describe(described)


def _vocabulary(folder: Path) -> Path | None:
    path = folder / VOCABULARY
    return path if path.is_file() else None


def _describe(described: Mapping[Path, Described]) -> None:
    try:
        add_metadata(described)
    except ExportError as error:
        note(f"TFLite files get no metadata, {error}; or set export.metadata=false")
