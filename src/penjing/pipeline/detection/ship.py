"""The stages that ship: int8 files, and the bundle around all files. Each is folder(s) in, folder out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...export.detector_bundle import write_detector_bundle
from ...export.quantize import quantize_onnx, quantize_tflite
from ...export.quantize_static import quantize_tflite_static
from ...runtime.engine import open_engine
from ...runtime.manifest import Quality
from ...runtime.sample_goldens import make_sample_goldens, steady_sample_goldens
from ...runtime.samples import TEXTS_KIND, SampleFormat
from ..describe import describe_detector_files
from ..provenance import provenance
from ..recipe import recipe_to_yaml
from ..report.detection import DetectorRow
from ..ship import BUNDLE, model_files
from ..workspace import Workspace, in_first_process
from .card import detector_card
from .fit import TUNED
from .kinds import Embedding
from .proof import Made, Proof, read_proof
from .quality import FILE, judge_detector, read_quality
from .samples import read_facts, read_part
from .sections import DetectorRecipe

GOLDENS = 32
TEXT_PACKAGES = ("transformers", "tokenizers")
PACKAGES = ("torch", "scikit-learn", "onnx", "onnxruntime", "litert-torch", "ai-edge-litert", "ai-edge-quantizer")


def export_detector(recipe: DetectorRecipe, space: Workspace, data: Path, fitted: Path) -> Path:
    """The files that the recipe asks for, in its precisions."""

    def work(folder: Path) -> None:
        for name, source in model_files(fitted).items():
            if f".{TUNED}." in name:
                continue
            if "fp32" in recipe.precisions:
                shutil.copyfile(source, folder / name)
            if "int8" in recipe.precisions:
                tuned = source.with_name(f"{source.stem}.{TUNED}{source.suffix}")
                int8 = folder / f"{source.stem}.int8{source.suffix}"
                _quantize(recipe, data, tuned if tuned.is_file() else source, int8)

    settings = {"precisions": recipe.precisions, "activations": recipe.quantize.activations}
    return space.stage("detector-files", work, inputs=[data, fitted], settings=settings)


def _quantize(recipe: DetectorRecipe, data: Path, source: Path, target: Path) -> None:
    if source.suffix == ".onnx":
        quantize_onnx(source, target)
    elif recipe.quantize.activations == "dynamic":
        quantize_tflite(source, target)
    else:
        quantize_tflite_static(source, target, read_part(data, "train").rows)


def describe_detector(recipe: DetectorRecipe, space: Workspace, data: Path, files: Path, proof: Path) -> Path:
    """The same files, those in TFLite with metadata: they name the threshold, so the proof comes first."""
    if not recipe.export.metadata or "tflite" not in recipe.export.formats:
        return files

    def work(folder: Path) -> None:
        for name, source in model_files(files).items():
            shutil.copyfile(source, folder / name)
        describe_detector_files(recipe, folder, read_facts(data), read_proof(proof).thresholds, data)

    return space.stage("detector-described", work, inputs=[data, files, proof], settings={"name": recipe.name})


def ship_detector(recipe: DetectorRecipe, space: Workspace, made: Made) -> Path:
    """Packs `bundle`, which is returned; it is replaced whole."""
    rows = read_quality(judge_detector(recipe, space, made))
    in_first_process(lambda: _pack(recipe, space.root / BUNDLE, made, rows))
    return space.root / BUNDLE


def _pack(recipe: DetectorRecipe, folder: Path, made: Made, rows: tuple[DetectorRow, ...]) -> None:
    facts, proof, models = read_facts(made.data), read_proof(made.proof), model_files(made.files)
    thresholds = {name: proof.thresholds[name] for name in models}
    engines = {name: open_engine(path, path.suffix.lstrip(".")) for name, path in models.items()}
    quality = [_quality(row, proof) for row in rows if row.role == FILE]
    goldens = make_sample_goldens(_golden_samples(made.data), engines, thresholds)
    write_detector_bundle(
        folder, name=recipe.name, model_files=models, window=facts["window"], thresholds=thresholds,
        samples=SampleFormat(
            features=tuple(facts["features"]), typical=tuple(facts["typical"]),
            kind="table" if recipe.data.kind == "windows" else recipe.data.kind, **recipe.stream.model_dump(),
        ),
        policy=recipe.alarms.policy,
        recipe_yaml=recipe_to_yaml(recipe), quality=quality,
        goldens=steady_sample_goldens(goldens, thresholds),
        provenance=_origin(recipe), tokenizer_folder=made.data if recipe.data.kind == TEXTS_KIND else None,
        readme=detector_card(recipe, facts, proof, rows),
    )  # fmt: skip


def _origin(recipe: DetectorRecipe) -> dict[str, Any]:
    """What a detector's bundle says beyond every bundle: the kind and, of texts, the encoder."""
    kind = recipe.detector
    if isinstance(kind, Embedding):
        encoder = {"encoder": Path(kind.encoder).name}
        return {**provenance(recipe, PACKAGES + TEXT_PACKAGES), "detector": kind.kind, **encoder}
    return {**provenance(recipe, PACKAGES), "detector": kind.kind}


def _quality(row: DetectorRow, proof: Proof) -> Quality:
    """As the manifest tells it: the area under the ROC curve or, without labels, the share of false alarms."""
    file = next(p for p in proof.files if p.file == row.label)
    alarms = row.false_alarms
    known = row.auc_roc
    figure = (alarms.value, alarms.low, alarms.high) if known is None else (known.value, known.low, known.high)
    return Quality(
        row.label, "false alarms" if known is None else "auc_roc", "test", file.n, *figure, file.flips, file.flip_low,
        file.flip_high, file.difference,
    )  # fmt: skip


def _golden_samples(data: Path) -> NDArray[Any]:
    """Half of them normal, half anomalies, where labels tell; spread over the test part."""
    part = read_part(data, "test")
    halves = [np.flatnonzero(part.normal), np.flatnonzero(~part.normal)]
    chosen = [half[np.linspace(0, len(half) - 1, min(GOLDENS // 2, len(half))).astype(int)] for half in halves]
    samples: NDArray[Any] = part.rows[np.sort(np.concatenate(chosen))]
    return samples
