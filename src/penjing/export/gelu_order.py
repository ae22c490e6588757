"""GELU's products in the order that ONNX Runtime knows, so that it runs them as one node.

torch writes x * (0.5 * (1 + erf(x / sqrt 2))); ONNX Runtime looks for (x * (1 + erf(x / sqrt 2))) * 0.5 and else makes
five passes over the widest values of the model. A product with 0.5 is exact, so both give the same bits. Left out:
the tanh form, and every fusion that ONNX Runtime finds by itself.
"""

from __future__ import annotations

from collections import Counter

import onnx
from onnx import NodeProto, numpy_helper


def order_gelu(model: onnx.ModelProto) -> int:
    """Exchanges the inputs of the last two products of every GELU, in the graph given; gives how many there were."""
    graph = _Graph(model.graph)
    found = [(half, last) for last in model.graph.node for half in graph.halves(last)]
    for half, last in found:
        (x,) = (name for name in last.input if name != half.output[0])
        (constant,) = (name for name in half.input if name in graph.constants)
        (one_plus_erf,) = (name for name in half.input if name != constant)
        half.input[:], last.input[:] = [x, one_plus_erf], [half.output[0], constant]
    return len(found)


class _Graph:
    """Who makes a value, how often it is read, and the constants of one element."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        small = [tensor for tensor in graph.initializer if all(size == 1 for size in tensor.dims)]
        self.constants = {tensor.name: float(numpy_helper.to_array(tensor).item()) for tensor in small}
        self.makers = {output: node for node in graph.node for output in node.output}
        self.readers = Counter(name for node in graph.node for name in node.input)
        self.readers.update(output.name for output in graph.output)

    def halves(self, last: NodeProto) -> list[NodeProto]:
        """The node 0.5 * (1 + erf(x / s)) that `last` multiplies with x, if it is one of a GELU and nothing else."""
        if last.op_type != "Mul":
            return []
        for x, factor in (tuple(last.input), tuple(last.input)[::-1]):
            half = self.makers.get(factor)
            erf = self._beside(1.0, "Add", self._beside(0.5, "Mul", half))
            divided = None if erf is None or erf.op_type != "Erf" else self.makers.get(erf.input[0])
            same = divided is not None and divided.op_type == "Div" and divided.input[0] == x
            if half is not None and same and self.readers[factor] == 1:
                return [half]
        return []

    def _beside(self, value: float, kind: str, node: NodeProto | None) -> NodeProto | None:
        """What makes the other input of `node`, if that is of this kind and has the constant `value` for one input."""
        if node is None or node.op_type != kind:
            return None
        for first, second in (tuple(node.input), tuple(node.input)[::-1]):
            if self.constants.get(first) == value:
                return self.makers.get(second)
        return None
