"""Metadata inside TFLite files: what Android Studio, the Task Library and MediaPipe read of a model besides its graph.

tflite-support's own writers make it. They want protobuf < 4 and numpy < 2, so they run in an environment of their own
that uv makes and keeps (`tflite_metadata_child.py`). They would also write the model anew, without what its signatures
share; so only the metadata are taken from there. Equal inputs give equal bytes. Left out: other models than texts'
and detectors'.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ..runtime.errors import ExportError
from ..runtime.tflite_engine import METADATA_NAME
from .tflite_edit import add_buffer, edited, read_model

CHILD = Path(__file__).with_name("tflite_metadata_child.py")
PACKAGES = ("tflite-support==0.4.4", "numpy==1.26.4", "protobuf==3.20.3", "flatbuffers==25.12.19")
UV_RUN = ("uv", "run", "--quiet", "--isolated", "--no-project", "--python", "3.11")
SECONDS = 600
"""Long enough to download the writers (80 MB) once on a slow line."""
LABELS, VOCABULARY = "labels.txt", "vocab.txt"
TIMES_START = (1980, 1, 1, 0, 0, 0)
"""Of the files inside, so that equal runs give equal bytes."""


@dataclass(frozen=True)
class Described:
    """What one file's metadata say: `text` of the model, `input_text` and `output_text` of its tensors.

    Text models have `labels` and three inputs, which readers know by name. `vocabulary` is a WordPiece `vocab.txt`, by
    which readers tokenize; `threshold` is where a detector's score becomes an anomaly.
    """

    name: str
    text: str
    output: str
    output_text: str
    input_text: str = ""
    labels: tuple[str, ...] = ()
    vocabulary: Path | None = None
    threshold: float | None = None

    def files(self) -> dict[str, bytes]:
        """What readers find beside the metadata."""
        found = {LABELS: "".join(f"{label}\n" for label in self.labels).encode()} if self.labels else {}
        return found if self.vocabulary is None else {**found, VOCABULARY: self.vocabulary.read_bytes()}


def add_metadata(described: Mapping[Path, Described]) -> None:
    """Writes metadata into each of the TFLite files; what they had before is replaced, the graphs stay as they are.

    Raises ExportError, and leaves all files as they were, when the writers cannot run on this machine.
    """
    if not described:
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _run_writers(folder, list(described.items()))
        for number, (path, about) in enumerate(described.items()):
            metadata = metadata_of((folder / str(number) / "described.tflite").read_bytes())
            assert metadata is not None
            temporary = path.with_name(path.name + ".part")
            temporary.write_bytes(_joined(path.read_bytes(), metadata, about.files()))
            os.replace(temporary, path)


def metadata_of(file: bytes) -> bytes | None:
    """The metadata in a TFLite file, as their own schema packs them; None where there are none."""
    model = read_model(file)
    found = [entry.buffer for entry in model.metadata or [] if entry.name == METADATA_NAME]
    return bytes(memoryview(model.buffers[found[0]].data)) if found else None


def _run_writers(folder: Path, described: Sequence[tuple[Path, Described]]) -> None:
    """Leaves `described.tflite` in a folder for each file, numbered."""
    for number, (path, about) in enumerate(described):
        place = folder / str(number)
        place.mkdir()
        content = path.read_bytes()
        (place / "model.tflite").write_bytes(edited(content, _drop_metadata))
        for name, content in about.files().items():
            (place / name).write_bytes(content)
        request = {**asdict(about), "labels": bool(about.labels), "vocabulary": about.vocabulary is not None}
        (place / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [*UV_RUN, *(part for package in PACKAGES for part in ("--with", package)), "python", str(CHILD)]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        raise ExportError("the metadata writers need uv, which is not installed: pip install uv") from None
    except subprocess.TimeoutExpired:
        raise ExportError(f"the metadata writers did not end in {SECONDS} seconds: try again") from None
    if done.returncode != 0:
        raise ExportError(_reason(done.stderr))


def _reason(errors: str) -> str:
    if "libusb" in errors:
        return "the metadata writers need libusb-1.0: install it (Debian: apt install libusb-1.0-0)"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if "rror" in line or "ailed" in line), (lines or ["no reason"])[-1])
    if "Traceback" in errors:
        return f"the metadata writers refuse the file ({last[:200]})"
    return f"the metadata writers cannot run ({last[:200]}): they are downloaded once, so check the network"


def _drop_metadata(model: Any) -> None:
    """The writers pack none twice."""
    model.metadata = model.metadata or []
    for entry in [entry for entry in model.metadata if entry.name == METADATA_NAME]:
        model.metadata.remove(entry)
        if entry.buffer == len(model.buffers) - 1:  # as `_joined` leaves them
            model.buffers.pop()
        else:
            model.buffers[entry.buffer].data = None


def _joined(file: bytes, metadata: bytes, files: Mapping[str, bytes]) -> bytes:
    """The model with these metadata, and `files` in a zip behind it, stored as they are: readers map them."""

    def add(model: Any) -> None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = METADATA_NAME, add_buffer(model, np.frombuffer(metadata, np.uint8))
        model.metadata.append(entry)

    content = io.BytesIO(edited(file, _drop_metadata, add))
    if files:
        with zipfile.ZipFile(content, "a", zipfile.ZIP_STORED) as archive:
            for name, text in files.items():
                archive.writestr(zipfile.ZipInfo(name, TIMES_START), text)
    return content.getvalue()
