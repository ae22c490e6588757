"""What each block of a model computes for one text: in torch, in an ONNX file and in a TFLite file, by the same names.

A block is a numbered module (`layers.3`, with all inside it) or a module without parts that lies outside of those
(`transformation`); the last one is `logits`. Its value is the last float result that carries its name. Left out: values
inside a block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..runtime.onnx_engine import import_onnxruntime
from ..runtime.tflite_engine import SIGNATURE_PREFIX
from .graph_names import tflite_module
from .signature import TEXT

Inputs = dict[str, NDArray[np.int64]]
Values = dict[str, NDArray[np.float64]]
"""Block name -> its value, in the order of computation."""

_ONNX_VALUE = re.compile(r"(?P<module>.+)/[A-Za-z]+(_\d+)?")
"""What `graph_names.py` wrote; the quantizer's own tensors have other endings."""


def block_names(model: nn.Module) -> tuple[str, ...]:
    """The blocks of a torch module, in the order of its parts."""
    modules = {name: module for name, module in model.named_modules() if name}
    return tuple(
        name
        for name, module in modules.items()
        if not _numbered(name.rpartition(".")[0]) and (_numbered(name) or not any(True for _ in module.children()))
    )


def torch_values(model: nn.Module, inputs: Inputs) -> Values:
    """Runs the torch module on one batch and keeps every block's output and the logits."""
    values: Values = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            values[name] = _first_tensor(output)

        return hook

    hooks = [model.get_submodule(name).register_forward_hook(keep(name)) for name in block_names(model)]
    try:
        with torch.no_grad():
            values[TEXT.output] = _first_tensor(model(**{name: torch.from_numpy(a) for name, a in inputs.items()}))
    finally:
        for handle in hooks:
            handle.remove()
    return values


def onnx_reader(path: Path, blocks: Iterable[str]) -> Callable[[Inputs], Values]:
    """Opens the file with every block's value as an output more; returns what runs one batch."""
    import onnx

    file = onnx.load(path)
    chosen: dict[str, str] = {}
    for node in file.graph.node:
        for name in node.output:
            match = _ONNX_VALUE.fullmatch(name)
            block = _block_of(match["module"], blocks) if match else None
            if block is not None:
                chosen[block] = name
    file.graph.output.extend(onnx.ValueInfoProto(name=name) for name in chosen.values())
    chosen[TEXT.output] = TEXT.output
    runtime = import_onnxruntime()
    session = runtime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])

    def read(inputs: Inputs) -> Values:
        return _floats(dict(zip(chosen, session.run(list(chosen.values()), inputs), strict=True)))

    return read


def tflite_reader(path: Path, model: nn.Module) -> Callable[[Inputs], Values]:
    """Opens the file so that no tensor is overwritten; returns what runs one row as long as one of the signatures."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(path),
        # A delegate keeps its own tensors to itself.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    file = schema.Model.GetRootAs(path.read_bytes(), 0)
    definitions = [file.SignatureDefs(i) for i in range(file.SignatureDefsLength())]
    graph_of = {definition.SignatureKey().decode(): definition.SubgraphIndex() for definition in definitions}
    blocks = {_called_path(name, model): name for name in block_names(model)}

    def read(inputs: Inputs) -> Values:
        signature = f"{SIGNATURE_PREFIX}{inputs['input_ids'].shape[1]}"
        run = interpreter.get_signature_runner(signature)
        logits = run(**{name: array.astype(np.int32) for name, array in inputs.items()})[TEXT.output]
        graph, chosen = graph_of[signature], dict[str, int]()
        for tensor, name in _results(file.Subgraphs(graph)):
            block = _block_of(tflite_module(name), blocks)
            if block is not None:
                chosen[blocks[block]] = tensor
        values = {block: interpreter.get_tensor(tensor, graph) for block, tensor in chosen.items()}
        return _floats({**values, TEXT.output: logits})

    return read


def _results(graph: Any) -> Iterator[tuple[int, str]]:
    """Index and name of every operator's results, in the order of computation; constants have names as well."""
    for number in range(graph.OperatorsLength()):
        for tensor in graph.Operators(number).OutputsAsNumpy().tolist():
            yield tensor, graph.Tensors(tensor).Name().decode()


def _called_path(name: str, model: nn.Module) -> str:
    """The path without modules that only hold others, such as lists: litert-torch names those that are called."""
    parts = name.split(".")
    modules = [model.get_submodule(".".join(parts[: end + 1])) for end in range(len(parts))]
    called = [type(module).forward is not nn.Module.forward for module in modules]
    return ".".join(part for part, kept in zip(parts, called, strict=True) if kept)


def _first_tensor(output: Any) -> NDArray[np.float64]:
    tensor = output if isinstance(output, torch.Tensor) else next(iter(output))
    values: NDArray[np.float64] = tensor.detach().double().numpy()
    return values


def _block_of(module: str, blocks: Iterable[str]) -> str | None:
    return next((block for block in blocks if module == block or module.startswith(f"{block}.")), None)


def _numbered(name: str) -> bool:
    return any(part.isdigit() for part in name.split("."))


def _floats(values: dict[str, NDArray[Any]]) -> Values:
    return {name: value.astype(np.float64) for name, value in values.items() if value.dtype.kind == "f"}
