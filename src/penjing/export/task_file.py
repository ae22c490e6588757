"""One TFLite file for MediaPipe's TextClassifier and the Task Library's BertNLClassifier, cut out of a text bundle.

Both want what a bundle's file is not: one graph alone, and probabilities as its only output. So the longest signature
is taken and a softmax put behind it; labels and vocabulary go inside. Left out: detectors, which no reader of theirs
knows, and shorter signatures. The Task Library's interpreter is of 2023 and wants an int8 file in another form.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any, Literal

from ai_edge_litert import schema_py_generated as schema

from ..runtime.answers import SOFTMAX
from ..runtime.bundle import Bundle
from ..runtime.errors import ExportError
from ..runtime.manifest import DETECTOR_TASK, EMBEDDING_TASK
from .int8_products import take_scales_out
from .tflite_edit import edited, new_operator
from .tflite_metadata import VOCABULARY, Described, add_metadata

Reader = Literal["mediapipe", "task-library"]
OUTPUT, OUTPUT_TEXT = "probability", "Probability of each label."
"""The name by which the Task Library looks for it."""


def write_task_file(bundle: Bundle, file: str, target: Path, reader: Reader = "mediapipe") -> None:
    """Writes `target`, made of the bundle's `file`, for `reader`.

    Raises ExportError when the bundle has no such file or no vocabulary, is a detector's, or where the metadata writers
    cannot run.
    """
    manifest = bundle.manifest
    tflite = [name for name, entry in manifest.files.items() if entry.format == "tflite"]
    others = {DETECTOR_TASK: "it is a detector's", EMBEDDING_TASK: "it is a sentence encoder's"}
    one_label = manifest.postprocess == SOFTMAX.to_plain() and not manifest.preprocess.get("pair")
    if manifest.task in others or not one_label or file not in tflite:
        more = f"its TFLite files are {tflite}" if one_label else "its readers know one text with one label alone"
        reason = others.get(manifest.task, more)
        raise ExportError(
            f"{manifest.name} gives no task file of {file!r}, {reason}: choose a text bundle's TFLite file"
        )
    if VOCABULARY not in manifest.files:
        raise ExportError(f"{manifest.name} has no {VOCABULARY}: only WordPiece tokenizers are known to those readers")
    vocabulary = bundle.verified(VOCABULARY)
    text = f"Text classifier made by Penjing, {manifest.max_length} tokens."
    about = Described(manifest.name, text, OUTPUT, OUTPUT_TEXT, labels=manifest.labels, vocabulary=vocabulary)
    temporary = target.with_name(f".{target.name}.tflite")
    try:
        temporary.write_bytes(one_graph(bundle.verified(file).read_bytes(), reader))
        add_metadata({temporary: about})
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def one_graph(file: bytes, reader: Reader = "mediapipe") -> bytes:
    """The model with its longest signature alone, which gives probabilities."""
    spelled_out = [take_scales_out] if reader == "task-library" else []
    return edited(file, _keep_longest, *spelled_out, _keep_used)


def _keep_longest(model: Any) -> None:
    """The longest signature alone, with probabilities as its output."""
    longest = max(model.signatureDefs, key=lambda signature: int(signature.signatureKey.decode().rpartition("_")[2]))
    graph = model.subgraphs[longest.subgraphIndex]
    model.subgraphs, model.signatureDefs, longest.subgraphIndex = [graph], [longest], 0
    output = _add_softmax(model, graph)
    graph.outputs, longest.outputs[0].tensorIndex, longest.outputs[0].name = [output], output, OUTPUT.encode()


def _add_softmax(model: Any, graph: Any) -> int:
    """Index of the probabilities."""
    logits = int(graph.outputs[0])
    probabilities = copy.copy(graph.tensors[logits])
    probabilities.name, probabilities.buffer = OUTPUT.encode(), 0
    graph.tensors.append(probabilities)
    output, options = len(graph.tensors) - 1, schema.SoftmaxOptionsT()
    options.beta = 1.0
    softmax, kind = schema.BuiltinOperator.SOFTMAX, schema.BuiltinOptions.SoftmaxOptions
    graph.operators.append(new_operator(model, softmax, [logits], output, kind, options))
    return output


def _keep_used(model: Any) -> None:
    """Drops constants of the signatures that are gone, and the bundle file's own metadata."""
    model.metadata = [entry for entry in model.metadata or [] if entry.name == b"min_runtime_version"]
    holders = [*model.subgraphs[0].tensors, *model.metadata]
    used = sorted({0, *(holder.buffer for holder in holders)})
    place = {old: new for new, old in enumerate(used)}
    model.buffers = [model.buffers[index] for index in used]
    for holder in holders:
        holder.buffer = place[holder.buffer]
