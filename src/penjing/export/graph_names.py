"""Names in an exported graph that say which module computes a value: in ONNX `layers.0.up.1/Add` instead of `val_115`.

They make a graph readable in a viewer, and let `diverge.py` say in which block two files part; in TFLite litert-torch
writes them. Left out: inputs, outputs and parameters, which have good names already.
"""

from __future__ import annotations

import ast
from collections import Counter

import onnx

SCOPES_KEY = "pkg.torch.onnx.name_scopes"
"""Where torch's exporter keeps the path of modules down to a node, as a list literal."""


def name_after_modules(model: onnx.ModelProto) -> None:
    """Renames nodes, their outputs and unnamed weights. Needs the exporter's metadata, so call it before `strip`."""
    graph = model.graph
    fixed = {item.name for item in (*graph.input, *graph.output)}
    parameters = {tensor.name for tensor in graph.initializer}
    renamed: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for node in graph.node:
        module = module_path(node)
        node.name = _unique(f"{module}/{node.op_type}", seen)
        for number, output in enumerate(node.output):
            if output and output not in fixed:
                renamed[output] = f"{node.name}:{number}" if number else node.name
        if node.op_type == "MatMul" and _is_unnamed(node.input[1], parameters):
            renamed.setdefault(node.input[1], _unique(f"{module}.weight", seen))
    _rename(graph, renamed)


def module_path(node: onnx.NodeProto) -> str:
    """The module that computes `node`, such as "layers.0.up.1"; empty for the model itself or when it is not known."""
    for entry in node.metadata_props:
        if entry.key == SCOPES_KEY:
            modules = ast.literal_eval(entry.value)[:-1]
            return modules[-1] if modules and not modules[-1].startswith("_empty") else ""
    return ""


def _is_unnamed(name: str, parameters: set[str]) -> bool:
    """Weights that the exporter transposed lose their parameter's name."""
    return name in parameters and name.startswith("val_")


def _unique(name: str, seen: Counter[str]) -> str:
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}_{seen[name]}"


def _rename(graph: onnx.GraphProto, renamed: dict[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)


def tflite_module(name: str) -> str:
    """The module path in a tensor's name as litert-torch writes it; numbered lists are not part of it.

    Example: "a.Wrapper/a.b.Student_model/a.b.Layer_0/torch.nn.Linear_output;2" -> "0.output" (the wrapper's own
    attribute is left out). Of a fused operator's names, joined by ";;", the first is the outermost. Names that
    `share_buffers.py` made short begin with the path itself: "0.output;12".
    """
    if "/" not in name:
        return name.rpartition(";")[0]
    parts = [part.rpartition(".")[2].lstrip("_").partition("_")[2] for part in name.split(";")[0].split("/")]
    return ".".join(parts[2:])
