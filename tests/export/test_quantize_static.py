"""Static int8 TFLite: what becomes 8 bits, how near the scores stay, and what values beyond the samples do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from penjing.compress.detectors.dense_autoencoder import DenseReconstruction, fit_dense_autoencoder
from penjing.export.quantize_static import quantize_tflite_static
from penjing.export.tflite_edit import read_model
from penjing.pipeline.detection.fit import write_module
from penjing.pipeline.detection.proof import score_one_by_one
from penjing.runtime.errors import ExportError

CHANNELS = 12
Rows = NDArray[np.float64]


def rows_of(n: int, seed: int) -> Rows:
    """[n, 1, channels], told by three numbers each, in units that differ a thousandfold."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(n, 3)) @ np.random.default_rng(9).normal(size=(3, CHANNELS))
    return (mixed + 0.1 * random.normal(size=mixed.shape))[:, None] * np.logspace(-1, 2, CHANNELS)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dense autoencoder's TFLite file in fp32 and in static int8."""
    folder, rows = tmp_path_factory.mktemp("static"), rows_of(400, 1)
    detector = fit_dense_autoencoder(rows, epochs=20)
    assert isinstance(detector, DenseReconstruction)
    write_module(detector, folder / "model.tflite", opset=18, window=1, channels=CHANNELS)
    quantize_tflite_static(folder / "model.tflite", folder / "int8.tflite", rows)
    return folder / "model.tflite", folder / "int8.tflite"


def test_products_pass_8_bits_on_while_samples_and_scores_are_floats(files: tuple[Path, Path]) -> None:
    model = read_model(files[1].read_bytes())
    (graph,) = model.subgraphs
    kinds = [model.operatorCodes[o.opcodeIndex].builtinCode for o in graph.operators]
    products = [o for o, k in zip(graph.operators, kinds, strict=True) if k == schema.BuiltinOperator.FULLY_CONNECTED]
    assert len(products) == 4
    for product in products:
        ends = [graph.tensors[i].type for i in (*product.inputs[:2], *product.outputs)]
        assert ends == [schema.TensorType.INT8] * 3
    assert (kinds.count(schema.BuiltinOperator.QUANTIZE), kinds.count(schema.BuiltinOperator.DEQUANTIZE)) == (1, 1)
    borders = [graph.tensors[i].type for i in (*graph.inputs, *graph.outputs)]
    assert borders == [schema.TensorType.FLOAT32] * 2


def test_scores_of_normal_rows_stay_near_those_in_float_and_anomalies_stay_above_them(
    files: tuple[Path, Path],
) -> None:
    normal, odd = rows_of(200, 2), rows_of(200, 3)
    odd[:, 0, 4] += 8 * odd[:, 0, 4].std()
    (in_float, in_int8), (_, odd_int8) = ([score_one_by_one(f, rows) for f in files] for rows in (normal, odd))
    assert np.median(np.abs(in_int8 / in_float - 1)) < 0.2
    assert odd_int8.min() > np.quantile(in_int8, 0.99)


def test_a_row_far_beyond_the_samples_scores_as_far_away(files: tuple[Path, Path]) -> None:
    far = rows_of(20, 4) * 100
    in_float, in_int8 = (score_one_by_one(file, far) for file in files)
    assert (in_int8 > 100 * score_one_by_one(files[1], rows_of(20, 4))).all()
    assert in_float.min() > 1


def test_without_samples_there_are_no_ranges(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="needs samples to fix its ranges by"):
        quantize_tflite_static(files[0], tmp_path / "int8.tflite", rows_of(0, 1))
    assert not list(tmp_path.iterdir())
