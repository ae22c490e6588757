"""The stage that fits a detector, and, if the recipe says so, the small network that learns its scores.

The folder holds the fp32 files and what the torch module says of the held-out samples: later stages need no module.
Left out: int8 files and thresholds, which are another stage's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ...compress.detectors.control_charts import fit_cusum, fit_ewma
from ...compress.detectors.conv_autoencoder import fit_conv_autoencoder
from ...compress.detectors.dense_autoencoder import DenseReconstruction, fit_dense_autoencoder
from ...compress.detectors.distilled import distil_detector
from ...compress.detectors.ecod import fit_ecod
from ...compress.detectors.embedding import fit_embedding
from ...compress.detectors.forecaster import fit_forecaster
from ...compress.detectors.gaussian_mixture import fit_gaussian_mixture
from ...compress.detectors.hbos import fit_hbos
from ...compress.detectors.isolation_forest import IsolationForest, fit_isolation_forest
from ...compress.detectors.judge_student import judge_student
from ...compress.detectors.k_means import fit_k_means
from ...compress.detectors.lof import fit_lof
from ...compress.detectors.mahalanobis import fit_mahalanobis
from ...compress.detectors.nearest import fit_nearest
from ...compress.detectors.ngram import fit_ngram
from ...compress.detectors.one_class_svm import fit_one_class_svm
from ...compress.detectors.pca import fit_pca
from ...compress.detectors.relative_entropy import fit_relative_entropy
from ...compress.detectors.robust_z import fit_robust_z
from ...compress.detectors.scores import score_with_torch
from ...compress.detectors.tune_quantized import tune_quantized
from ...compress.samples import SampleSet
from ...export.signature import samples_signature
from ...export.to_onnx import export_onnx
from ...export.to_tflite import export_tflite
from ...export.tree_onnx import Forest, export_forest
from ..text_files import write_json
from ..workspace import Workspace
from .samples import PARTS, read_facts, read_part
from .sections import DetectorRecipe

FITS: dict[str, Callable[..., nn.Module]] = {
    "mahalanobis": fit_mahalanobis, "robust-z": fit_robust_z, "hbos": fit_hbos, "ecod": fit_ecod, "pca": fit_pca,
    "one-class-svm": fit_one_class_svm, "nearest": fit_nearest, "lof": fit_lof, "k-means": fit_k_means,
    "gaussian-mixture": fit_gaussian_mixture, "isolation-forest": fit_isolation_forest,
    "dense-autoencoder": fit_dense_autoencoder, "conv-autoencoder": fit_conv_autoencoder, "forecaster": fit_forecaster,
    "ewma": fit_ewma, "cusum": fit_cusum, "ngram": fit_ngram, "relative-entropy": fit_relative_entropy,
    "embedding": fit_embedding,
}  # fmt: skip
"""By the name that a recipe gives."""
TUNED = "tuned"
"""In the name of a file that was fine-tuned for int8: the source of the int8 file alone."""


def fit_detector(recipe: DetectorRecipe, space: Workspace, data: Path) -> Path:
    """`model.onnx` and `model.tflite`, those asked for, in fp32; `reference.npz`, the torch module's scores of each
    part; and `fit.json`: what was fitted, how long it took, and the gate's verdict on a distilled student."""

    def work(folder: Path) -> None:
        parts = {name: read_part(data, name) for name in PARTS}
        train, began = parts["train"].rows, time.monotonic()
        module, verdict = _fit(recipe, train, parts["calibrate"])
        seconds = time.monotonic() - began
        _write_files(recipe, data, module, folder)
        if isinstance(module, DenseReconstruction) and recipe.quantize.training:
            _write_files(recipe, data, tune_quantized(module, train, seed=recipe.seed), folder, f".{TUNED}")
        scores: dict[str, Any] = {name: score_with_torch(module, part.rows) for name, part in parts.items()}
        np.savez(folder / "reference.npz", **scores)
        parameters = sum(value.numel() for value in module.state_dict().values())
        facts = {"detector": type(module).__name__, "numbers": parameters, "seconds": seconds}
        write_json(folder / "fit.json", {**facts, "verdict": verdict})

    settings = {
        "detector": recipe.detector.model_dump(), "seed": recipe.seed,
        "export": recipe.export.model_dump(exclude={"metadata"}),
        "distill": recipe.distill and recipe.distill.model_dump(), "tuned": recipe.quantize.training,
    }  # fmt: skip
    return space.stage("detector", work, inputs=[data], settings=settings)


def _fit(recipe: DetectorRecipe, train: NDArray[Any], held_out: SampleSet) -> tuple[nn.Module, dict[str, Any] | None]:
    """The module to ship and, of a distilled one, the verdict: one that fails the gate is not shipped."""
    options = recipe.detector.model_dump(exclude={"kind"})
    teacher = FITS[recipe.detector.kind](train, seed=recipe.seed, **options).eval()
    if recipe.distill is None:
        return teacher, None
    student = distil_detector(teacher, train, hidden=recipe.distill.hidden, seed=recipe.seed)
    # Test labels stay unseen: the gate looks at ranks, unless the calibration part has anomalies of its own.
    labels = held_out.labels if held_out.labels is not None and held_out.labels.any() else None
    verdict = judge_student(teacher, student, held_out.rows, labels, seed=recipe.seed)
    return student if verdict.passed else teacher, asdict(verdict)


def write_module(module: nn.Module, path: Path, *, opset: int, window: int, channels: int) -> None:
    """Exports the detector to `path`, in the format of its ending; a forest as the one node that ONNX has for trees."""
    signature = samples_signature(window, channels)
    if path.suffix == ".tflite":
        export_tflite(module, path, sequence_lengths=(window,), signature=signature)
    elif isinstance(module, IsolationForest):
        trees = (module.features, module.thresholds, module.leaves)
        forest = Forest(module.trees, *(values.numpy() for values in trees))
        export_forest(forest, path, opset=opset, signature=signature)
    else:
        export_onnx(module, path, opset=opset, signature=signature)


def _write_files(recipe: DetectorRecipe, data: Path, module: nn.Module, folder: Path, mark: str = "") -> None:
    facts = read_facts(data)
    for suffix in recipe.export.formats:
        path = folder / f"model{mark}.{suffix}"
        write_module(module, path, opset=recipe.export.opset, window=facts["window"], channels=len(facts["features"]))
