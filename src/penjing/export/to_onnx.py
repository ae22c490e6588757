"""A torch module to ONNX: dynamic batch and, for text, dynamic sequence; names and shapes are those of its signature.

The file is the same at every export: stack traces and paths that the exporter adds are taken out, and values are named
after the modules that compute them. Left out: other inputs and outputs, and weights beside the file (all our models are
far below the 2 GB limit of one).
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch
from torch import nn

from ..runtime.errors import ExportError
from .gelu_order import order_gelu
from .graph_names import name_after_modules
from .signature import TEXT, Signature


def export_onnx(model: nn.Module, path: Path, *, opset: int, signature: Signature = TEXT) -> None:
    """Writes `model` (in eval mode; takes and gives what `signature` says) to `path`.

    Raises ExportError when the exporter refuses the model or cannot make this opset.
    """
    free = {0: torch.export.Dim("batch", min=1)}
    if signature.length is None:
        free[1] = torch.export.Dim("sequence", min=2)
    try:
        with silenced(), torch.no_grad():
            program = torch.onnx.export(
                model, signature.examples(), dynamo=True, opset_version=opset, verbose=False, optimize=True,
                input_names=list(signature.inputs), output_names=[signature.output],
                dynamic_shapes=tuple(free for _ in signature.inputs),
            )  # fmt: skip
    except Exception as error:  # the exporter raises many kinds; the user needs one sentence
        raise ExportError(f"torch cannot export {type(model).__name__} to ONNX: {_first_line(error)}") from error
    if program is None:
        raise ExportError(f"torch exported {type(model).__name__} to nothing: report this with the recipe")
    exported = program.model_proto
    made = opset_of(exported)
    if made != opset:
        raise ExportError(f"export.opset is {opset} but torch made opset {made}: set export.opset to {made}")
    name_after_modules(exported)
    order_gelu(exported)
    strip(exported)
    save_whole(exported, path)


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operator set."""
    return next(int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def strip(model: onnx.ModelProto) -> None:
    """Takes out what differs from machine to machine, and inferred shapes, which break onnxruntime's quantizer."""
    del model.metadata_props[:]
    model.doc_string = ""
    graph = model.graph
    del graph.value_info[:]
    del graph.metadata_props[:]
    graph.doc_string = ""
    for item in [*graph.node, *graph.initializer, *graph.input, *graph.output]:
        item.doc_string = ""
        del item.metadata_props[:]


def save_whole(model: onnx.ModelProto, path: Path) -> None:
    """Checks the model and writes it under a temporary name first."""
    onnx.checker.check_model(model)
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(temporary, path)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Exporters talk on both streams, in warnings and in logs; what matters of it is raised as an error."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        quiet = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
