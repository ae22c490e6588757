"""What a model file really holds: operators, opset and the precision of its weights, read from the file itself.

A manifest that repeats what somebody meant to build misleads; this reads what was built. Left out: running the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime.errors import ExportError

_REDUCED = {"INT8": "int8", "UINT8": "int8", "FLOAT16": "fp16"}


@dataclass(frozen=True)
class ModelFacts:
    """`format` "onnx" or "tflite"; `precision` "fp32", "fp16" or "int8"; `opset` of ONNX; `ops`, sorted names; `nodes`,
    how many there are in all graphs or signatures."""

    format: str
    precision: str
    opset: int | None
    ops: tuple[str, ...]
    nodes: int


def read_model_facts(path: Path) -> ModelFacts:
    """Reads an .onnx or .tflite file. Raises ExportError when it is another file, broken, or not one file alone."""
    read = {".onnx": _onnx_facts, ".tflite": _tflite_facts}.get(path.suffix)
    if read is None:
        raise ExportError(f"{path.name} is no model file: a bundle takes .onnx and .tflite")
    try:
        return read(path)
    except ExportError:
        raise
    except Exception as error:  # protobuf and flatbuffers raise whatever their bytes lead to
        reason = " ".join(str(error).split())[:200]
        raise ExportError(f"{path.name} cannot be read as {path.suffix[1:]} ({reason}): export it again") from None


def _onnx_facts(path: Path) -> ModelFacts:
    import onnx

    model = onnx.load(path, load_external_data=False)
    graphs = list(_graphs(model.graph))
    nodes = [node for part in (*graphs, *model.functions) for node in part.node]
    constants = [a.t for node in nodes if node.op_type == "Constant" for a in node.attribute if a.name == "value"]
    tensors = [*(tensor for graph in graphs for tensor in graph.initializer), *constants]
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        raise ExportError(f"{path.name} keeps weights in another file, which no hash would guard: save it as one file")
    matrices = {onnx.TensorProto.DataType.Name(tensor.data_type) for tensor in tensors if len(tensor.dims) >= 2}
    opset = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    ops = {node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}" for node in nodes}
    return ModelFacts("onnx", _precision(matrices), opset, tuple(sorted(ops)), len(nodes))


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph and those inside its branches and loops."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)


def _tflite_facts(path: Path) -> ModelFacts:
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    if not schema.Model.ModelBufferHasIdentifier(content, 0):
        raise ExportError(f"{path.name} is not a TFLite file: export it again")
    model = schema.Model.GetRootAs(content, 0)
    builtin = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    ops = {_op_name(code, builtin) for code in codes}
    types = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
    subgraphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    tensors = [subgraph.Tensors(i) for subgraph in subgraphs for i in range(subgraph.TensorsLength())]
    constants = [tensor for tensor in tensors if _is_constant(model.Buffers(tensor.Buffer()))]
    matrices = {types[tensor.Type()] for tensor in constants if tensor.ShapeLength() >= 2}
    nodes = sum(subgraph.OperatorsLength() for subgraph in subgraphs)
    return ModelFacts("tflite", _precision(matrices), None, tuple(sorted(ops)), nodes)


def _op_name(code: Any, builtin: dict[int, str]) -> str:
    # Files made before the list outgrew a byte keep the number in the old field.
    name = builtin[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    return code.CustomCode().decode() if name == "CUSTOM" else name


def _is_constant(buffer: Any) -> bool:
    # Buffers beyond 2 GB lie behind the flatbuffer and have an offset instead of data.
    return bool(buffer.DataLength() > 0 or buffer.Offset() > 1)


def _precision(matrices: Iterable[str]) -> str:
    """The smallest type of any weight matrix. Vectors do not count: they are scales, zero points and biases."""
    found = {_REDUCED.get(dtype, "fp32") for dtype in matrices}
    return next((precision for precision in ("int8", "fp16") if precision in found), "fp32")
