"""What `penjing bench` measures with: the goldens of the first bundle, texts or a detector's samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..benchmarks.plan import Plan
from ..runtime.bundle import Bundle
from ..runtime.errors import BundleError, DataError
from ..runtime.goldens import GOLDENS_NAME, read_goldens
from ..runtime.manifest import DETECTOR_TASK, EMBEDDING_TASK
from ..runtime.sample_goldens import read_sample_goldens
from ..runtime.vector_goldens import read_vector_goldens

LENGTHS = (32, 128)
"""Tokens, where none are given."""


def golden_plan(bundles: Sequence[Bundle], lengths: Sequence[int] | None, threads: tuple[int, ...]) -> Plan:
    """One plan for all of the bundles; detectors are measured at their window.

    Raises BundleError for bundles that cannot answer the same questions, DataError for lengths given to detectors.
    """
    first = bundles[0]
    if any(_questions(bundle) != _questions(first) for bundle in bundles):
        told = ", ".join(f"{bundle.folder} ({_questions(bundle)})" for bundle in bundles)
        raise BundleError(f"these bundles answer different questions: {told}: measure them one by one")
    folder = first.verified(GOLDENS_NAME).parent
    if first.manifest.task != DETECTOR_TASK:
        read = read_vector_goldens if first.manifest.task == EMBEDDING_TASK else read_goldens
        texts = tuple(golden.text for golden in read(folder))
        return Plan(texts, lengths=tuple(lengths or LENGTHS), threads=threads)
    if lengths:
        raise DataError(f"{first.folder} is a detector, which has one length, its window: leave --length out")
    samples = np.array([golden.samples for golden in read_sample_goldens(folder)], np.float32)
    return Plan(samples=samples, lengths=samples.shape[1:2], threads=threads)


def _questions(bundle: Bundle) -> str:
    manifest = bundle.manifest
    if manifest.task != DETECTOR_TASK:
        return "texts"
    return f"samples {list(manifest.inputs[0].shape[1:])}"
