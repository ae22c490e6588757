"""An isolation forest as one TreeEnsembleRegressor, by hand.

ONNX Runtime walks a whole ensemble in one node, where the gathers of the torch module are some seventy and a converted
scikit-learn forest thousands. The ensemble is that of ai.onnx.ml 3, which every ONNX Runtime in use knows. Left out:
TFLite, which has no trees and takes the torch module, and forests of other kinds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ..runtime.errors import ExportError
from .signature import Signature
from .to_onnx import save_whole

ML_OPSET, IR_VERSION = 3, 10


@dataclass(frozen=True)
class Forest:
    """Trees filled up to one depth, laid out level by level and tree by tree within a level.

    `features` and `thresholds` [trees x (2^depth - 1)]: cut i sends a sample to cut 2 i + trees while its value is at
    most the threshold, else to the next one; an infinite threshold marks a cut below a leaf. `leaves` [trees x 2^depth]
    add up to the logarithm of the score.
    """

    trees: int
    features: NDArray[Any]
    thresholds: NDArray[Any]
    leaves: NDArray[Any]

    def __post_init__(self) -> None:
        per_tree = len(self.leaves) // max(self.trees, 1)
        cuts = len(self.leaves) - self.trees
        sizes = (len(self.features), len(self.thresholds))
        if self.trees < 1 or per_tree * self.trees != len(self.leaves) or sizes != (cuts, cuts):
            raise ExportError(
                f"{self.trees} trees with {len(self.leaves)} leaves have {cuts} features and thresholds, not {sizes}:"
                " fit the forest again"
            )


def export_forest(forest: Forest, path: Path, *, opset: int, signature: Signature) -> None:
    """Writes samples [batch, window, channels] to scores [batch] with a free batch.

    Raises ExportError when a cut asks for a value that a sample of this signature has not.
    """
    (name,), output = signature.inputs, signature.output
    shape = ["batch", signature.length, *signature.tail]
    values = math.prod((signature.length or 1, *signature.tail))
    if forest.features.max(initial=0) >= values:
        raise ExportError(
            f"the forest cuts value {int(forest.features.max())} of samples with {values}: export it with its own shape"
        )
    nodes = [
        helper.make_node("Flatten", [name], ["rows"], axis=1),
        _ensemble(forest, "rows", "sums"),
        helper.make_node("Exp", ["sums"], ["powers"]),
        helper.make_node("Reshape", ["powers", "flat"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "isolation_forest",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch"])],
        [numpy_helper.from_array(np.array([-1]), "flat")],
    )
    operators = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    save_whole(helper.make_model(graph, opset_imports=operators, ir_version=IR_VERSION), path)


class _Node(NamedTuple):
    """A cut with the numbers of its two children, or a leaf with what it adds to the sum."""

    mode: str
    feature: int = 0
    threshold: float = 0.0
    below: int = 0
    above: int = 0
    weight: float = 0.0


def _ensemble(forest: Forest, rows: str, sums: str) -> onnx.NodeProto:
    """The node, with only the cuts and leaves that a sample can reach."""
    places: list[tuple[int, int]] = []
    nodes: list[_Node] = []
    for tree in range(forest.trees):
        grown: list[_Node] = []
        _grow(forest, tree, grown)
        places += [(tree, number) for number in range(len(grown))]
        nodes += grown
    leaves = [i for i, node in enumerate(nodes) if node.mode == "LEAF"]
    return helper.make_node(
        "TreeEnsembleRegressor",
        [rows],
        [sums],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[tree for tree, _ in places],
        nodes_nodeids=[number for _, number in places],
        nodes_modes=[node.mode for node in nodes],
        nodes_featureids=[node.feature for node in nodes],
        nodes_values=[node.threshold for node in nodes],
        nodes_truenodeids=[node.below for node in nodes],
        nodes_falsenodeids=[node.above for node in nodes],
        target_treeids=[places[i][0] for i in leaves],
        target_nodeids=[places[i][1] for i in leaves],
        target_ids=[0] * len(leaves),
        target_weights=[nodes[i].weight for i in leaves],
    )


def _grow(forest: Forest, place: int, nodes: list[_Node]) -> int:
    """Adds what hangs at `place` to a tree's nodes, parents first, and gives its number among them."""
    cuts = len(forest.features)
    while place < cuts and np.isinf(forest.thresholds[place]):
        place = 2 * place + forest.trees
    number = len(nodes)
    nodes.append(_Node("LEAF"))
    if place >= cuts:
        nodes[number] = _Node("LEAF", weight=float(forest.leaves[place - cuts]))
        return number
    first = 2 * place + forest.trees
    below, above = _grow(forest, first, nodes), _grow(forest, first + 1, nodes)
    feature, threshold = int(forest.features[place]), float(forest.thresholds[place])
    nodes[number] = _Node("BRANCH_LEQ", feature, threshold, below, above)
    return number
