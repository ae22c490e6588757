"""The manifest: the only definition of what a bundle holds (schema version 1).

Frozen values with `read_manifest` and `write_manifest` between them and `manifest.json`. Hashing and opening
files is `bundle.py`'s work; this module never touches any file but the manifest itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .errors import BundleError

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
MODEL_FORMATS = ("onnx", "tflite")
DETECTOR_TASK = "anomaly-detection"
"""The task of a bundle whose model takes samples; all others take text."""
EMBEDDING_TASK = "embedding"
"""The task of a bundle whose model gives vectors; all others decide."""


@dataclass(frozen=True)
class InputSpec:
    """One input of the model: its name, numpy dtype and shape (a string is a free dimension)."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class BundleFile:
    """One file of the bundle. `precision` is set for models; `opset` for ONNX; `ops` (sorted names) for models."""

    sha256: str
    bytes: int
    format: str
    precision: str | None = None
    opset: int | None = None
    ops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quality:
    """What one model file reached on real text.

    `value` is the metric with its 95% interval `low`..`high`; `flips` counts decisions that differ from the torch
    student's out of `n`, `flip_low`..`flip_high` is the 95% interval of their share, `logit_difference` the largest
    absolute difference of any logit.
    """

    file: str
    metric: str
    split: str
    n: int
    value: float
    low: float
    high: float
    flips: int = 0
    flip_low: float = 0.0
    flip_high: float = 0.0
    logit_difference: float = 0.0


@dataclass(frozen=True)
class Manifest:
    """All that a runtime needs to know of a bundle.

    `sequence_lengths` are the lengths of the TFLite signatures, ascending; `max_length` is the longest input in tokens.
    `labels` are the names of the outputs: of words, their tags. `preprocess` holds `lowercase`, `pad_id` and, where two
    texts are taken together, `pair`; `postprocess` is an `answers.Postprocess`.

    Of a detector, `sequence_lengths` and `max_length` are its window, `preprocess` is a `samples.SampleFormat` (of
    texts, with what a classifier's holds), and
    `postprocess` holds `function` ("threshold"), `thresholds` (a `calibration.Threshold` of each model file) and
    `policy` (a `policy.AlarmPolicy`).

    Of a sentence encoder, there are no labels, and `postprocess` holds `function` ("normalize"), `size` and `cuts`.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    inputs: tuple[InputSpec, ...]
    sequence_lengths: tuple[int, ...]
    max_length: int
    files: Mapping[str, BundleFile]
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    postprocess: Mapping[str, Any] = field(default_factory=dict)
    quality: tuple[Quality, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION


def use_instead(task: str) -> str:
    """The command that works on bundles of this task, for those that do not."""
    commands = {DETECTOR_TASK: "watch", EMBEDDING_TASK: "embed"}
    return f"`penjing {commands.get(task, 'predict')}`"


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes `manifest.json` into `folder`, whole or not at all: sorted keys, so that equal manifests are equal files.

    Raises OSError when the system refuses it.
    """
    text = json.dumps(asdict(manifest), indent=2, sort_keys=True, ensure_ascii=False)
    part = folder / f".{MANIFEST_NAME}.part"
    try:
        part.write_text(text + "\n", encoding="utf-8", newline="\n")
        os.replace(part, folder / MANIFEST_NAME)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def read_manifest(folder: Path) -> Manifest:
    """Reads and checks `manifest.json`.

    Raises BundleError when it is absent, is not JSON, has another schema version, lacks a key, or names a file
    outside the bundle.
    """
    path = folder / MANIFEST_NAME
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(
            f"{folder} holds no {MANIFEST_NAME}, so it is no bundle: name the folder that `penjing run` wrote"
        ) from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}): copy the bundle again") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(f"{path} is not JSON ({error}): copy the bundle again") from None
    if not isinstance(raw, dict) or raw.get("schema_version") != SCHEMA_VERSION:
        found = raw.get("schema_version") if isinstance(raw, dict) else type(raw).__name__
        raise BundleError(
            f"{path} has schema version {found!r}, this Penjing reads {SCHEMA_VERSION}:"
            " install the Penjing that wrote it"
        )
    try:
        manifest = _from_json(raw)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} lacks or misstates {error}: copy the bundle again") from None
    for name in manifest.files:
        check_file_name(name)
    return manifest


def check_file_name(name: str) -> None:
    """Raises BundleError unless `name` stays inside the bundle, on POSIX and on Windows."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    inside = name and not posix.is_absolute() and not windows.drive and not windows.root and ".." not in windows.parts
    if not inside:
        raise BundleError(f"manifest names the file {name!r}, which lies outside the bundle: do not use this bundle")


def _from_json(raw: dict[str, Any]) -> Manifest:
    return Manifest(
        name=str(raw["name"]),
        task=str(raw["task"]),
        labels=tuple(raw["labels"]),
        inputs=tuple(InputSpec(i["name"], i["dtype"], tuple(i["shape"])) for i in raw["inputs"]),
        sequence_lengths=tuple(raw["sequence_lengths"]),
        max_length=int(raw["max_length"]),
        files={
            name: BundleFile(**{**entry, "ops": tuple(entry.get("ops", ()))}) for name, entry in raw["files"].items()
        },
        preprocess=dict(raw["preprocess"]),
        postprocess=dict(raw["postprocess"]),
        quality=tuple(Quality(**entry) for entry in raw["quality"]),
        provenance=dict(raw["provenance"]),
        schema_version=raw["schema_version"],
    )
