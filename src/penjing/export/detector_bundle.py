"""Writing a detector's bundle: model files, thresholds, goldens and papers become one folder with a manifest of hashes.

As whole and as repeatable as a text bundle (`bundle.py`); a tokenizer comes along where samples are texts. Left out:
making any of what it packs.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..runtime.bundle import Bundle, open_bundle
from ..runtime.calibration import Threshold
from ..runtime.errors import ExportError
from ..runtime.goldens import write_goldens
from ..runtime.manifest import DETECTOR_TASK, Manifest, Quality, write_manifest
from ..runtime.policy import AlarmPolicy
from ..runtime.sample_goldens import SampleGolden
from ..runtime.samples import TEXTS_KIND, SampleFormat
from ..runtime.tokenizer import copy_tokenizer
from .bundle import (
    check_models,
    check_tokenizer,
    list_files,
    model_entry,
    text_preprocess,
    write_papers,
)
from .replacing import replacing
from .signature import samples_signature

LABELS = ("normal", "anomaly")


def write_detector_bundle(
    folder: Path,
    *,
    name: str,
    model_files: Mapping[str, Path],
    samples: SampleFormat,
    window: int,
    thresholds: Mapping[str, Threshold],
    policy: AlarmPolicy,
    recipe_yaml: str,
    quality: Sequence[Quality],
    goldens: Sequence[SampleGolden],
    provenance: Mapping[str, Any],
    readme: str,
    tokenizer_folder: Path | None = None,
) -> Bundle:
    """Packs the bundle into `folder`; one that is there already is replaced once the new one is complete.

    `model_files` maps names such as "model.int8.onnx" to files, each with its own threshold; `tokenizer_folder` is for
    samples that are texts. Raises ExportError when
    something to pack is missing or contradicts something else, OutputError when the folder cannot be written or holds
    anything but a bundle.
    """
    check_models(model_files)
    if samples.kind == TEXTS_KIND:
        check_tokenizer(tokenizer_folder or Path())
    _check_answers(model_files, samples, window, thresholds, goldens)
    models = {file: model_entry(file, source) for file, source in model_files.items()}
    of_text = {} if tokenizer_folder is None else text_preprocess(tokenizer_folder, window)
    with replacing(folder) as part:
        if tokenizer_folder is not None:
            copy_tokenizer(tokenizer_folder, part)
        for file, source in model_files.items():
            shutil.copyfile(source, part / file)
        write_goldens(goldens, part)
        write_papers({"recipe.yaml": recipe_yaml, "README.md": readme}, part)
        manifest = Manifest(
            name=name,
            task=DETECTOR_TASK,
            labels=LABELS,
            inputs=samples_signature(window, len(samples.features)).specs(),
            sequence_lengths=(window,),
            max_length=window,
            files=list_files(part, models),
            preprocess={**samples.to_plain(), **of_text},
            postprocess={
                "function": "threshold",
                "thresholds": {file: threshold.to_plain() for file, threshold in thresholds.items()},
                "policy": policy.to_plain(),
            },
            quality=tuple(quality),
            provenance=dict(provenance),
        )
        write_manifest(manifest, part)
    return open_bundle(folder)


def _check_answers(
    model_files: Mapping[str, Path],
    samples: SampleFormat,
    window: int,
    thresholds: Mapping[str, Threshold],
    goldens: Sequence[SampleGolden],
) -> None:
    """Raises ExportError unless thresholds and goldens are of exactly these files, and goldens of this shape."""
    for what, found in (
        ("thresholds are", thresholds),
        *(("a golden has scores", golden.scores) for golden in goldens),
    ):
        if set(found) != set(model_files):
            raise ExportError(f"{what} of {sorted(found)}, not of {sorted(model_files)}: run all files")
    shape = window, len(samples.features)
    for golden in goldens:
        if {(len(golden.samples), len(row)) for row in golden.samples} != {shape}:
            raise ExportError(f"a golden's samples are not {list(shape)}, window by features: make the goldens again")
