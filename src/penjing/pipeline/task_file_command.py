"""`penjing task-file`: one TFLite file for MediaPipe or the Task Library, out of a text bundle. Left out: the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..runtime.bundle import open_bundle
from ..runtime.errors import OutputError
from .bundle_commands import BundleFolder
from .extras import require
from .terminal import print_facts


def task_file(
    bundle: BundleFolder,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The .tflite file to write.")],
    precision: Annotated[Literal["int8", "fp32"], typer.Option(help="Of the weights.")] = "int8",
    reader: Annotated[
        Literal["mediapipe", "task-library"],
        typer.Option(help="Who opens it: MediaPipe's TextClassifier, or the Task Library's BertNLClassifier."),
    ] = "mediapipe",
) -> None:
    """Writes a text bundle's model as one .tflite file that Google's readers open: labels and vocabulary inside,
    probabilities out.

    \b
    Example:
      penjing task-file runs/assistant/bundle assistant.tflite
      penjing task-file runs/assistant/bundle assistant.tflite --reader task-library
    """
    require("export")
    from ..export.task_file import write_task_file

    opened = open_bundle(bundle)
    try:
        write_task_file(opened, "model.tflite" if precision == "fp32" else "model.int8.tflite", target, reader)
    except OSError as error:
        raise OutputError(f"cannot write {target} ({error.strerror}): choose another place") from None
    print_facts([("task file", str(target)), ("bytes", str(target.stat().st_size))])
