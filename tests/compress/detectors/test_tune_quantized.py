"""Fine-tuning for int8: the imitation against onnxruntime's own int8 file, and what the tuning gains there."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from detector_files import torch_scores

from penjing.compress.detectors.dense_autoencoder import DenseReconstruction, fit_dense_autoencoder
from penjing.compress.detectors.tune_quantized import rounded_scores, tune_quantized
from penjing.compress.models.dense_autoencoder import DenseAutoencoder
from penjing.export.quantize import quantize_onnx
from penjing.export.signature import samples_signature
from penjing.export.to_onnx import export_onnx
from penjing.runtime.engine import open_engine
from penjing.runtime.errors import TrainingError


def correlated(rows: int, seed: int = 0) -> np.ndarray:
    """[rows, 1, 16] that four numbers decide."""
    mixing = np.random.default_rng(99).standard_normal((4, 16))
    random = np.random.default_rng(seed)
    return (random.standard_normal((rows, 4)) @ mixing + 0.05 * random.standard_normal((rows, 16)))[:, None]


def int8_scores(detector: DenseReconstruction, samples: np.ndarray, folder: Path) -> np.ndarray:
    """Of the int8 ONNX file, one sample at a time: the range of a batch is that of all its rows."""
    export_onnx(detector, folder / "m.onnx", opset=18, signature=samples_signature(*samples.shape[1:]))
    quantize_onnx(folder / "m.onnx", folder / "m.int8.onnx")
    engine = open_engine(folder / "m.int8.onnx", "onnx")
    return np.array([engine.run({"samples": sample[None]})["scores"][0] for sample in samples.astype(np.float32)])


def relative_error(scores: np.ndarray, reference: np.ndarray) -> float:
    return float((np.abs(scores - reference) / reference).mean())


def test_tuning_brings_the_scores_of_the_int8_file_nearer_to_those_in_float(tmp_path: Path) -> None:
    train, test = correlated(400), correlated(200, seed=1)
    detector = fit_dense_autoencoder(train, widths=(32, 4, 32), epochs=100)
    before = copy.deepcopy(detector.state_dict())
    tuned = tune_quantized(detector, train, transfer_rows=4000)
    float_scores = torch_scores(detector, test)
    plain, better = (relative_error(int8_scores(one, test, tmp_path), float_scores) for one in (detector, tuned))
    assert plain > 0.01
    assert better < 0.75 * plain
    for name, value in detector.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_rounded_scores_are_those_of_the_int8_file(tmp_path: Path) -> None:
    detector, test = fit_dense_autoencoder(correlated(400), widths=(16, 4, 16), epochs=20), correlated(50, seed=1)
    with torch.no_grad():
        imitated = rounded_scores(detector, torch.tensor(test, dtype=torch.float32)).numpy()
    file, float_scores = int8_scores(detector, test, tmp_path), torch_scores(detector, test)
    # A value at the middle of two steps may fall to either side.
    assert np.abs(imitated - file).mean() < 0.1 * np.abs(file - float_scores).mean()


def test_a_network_with_batch_norm_is_refused() -> None:
    detector = fit_dense_autoencoder(correlated(40), epochs=1)
    detector.network = DenseAutoencoder(detector.network.config)
    with pytest.raises(TrainingError, match="without batch norm"):
        tune_quantized(detector, correlated(40))
