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


def spoilt(detector: DenseReconstruction) -> DenseReconstruction:
    """The same function in float; in int8 one hidden unit is so large that its neighbours share a few steps."""
    answer = copy.deepcopy(detector)
    with torch.no_grad():
        answer.network.blocks[0].linear.weight[0] *= 40
        answer.network.blocks[0].linear.bias[0] *= 40
        answer.network.blocks[1].linear.weight[:, 0] /= 40
    return answer


@pytest.mark.xfail(reason="tuning does not bring the int8 file nearer yet; see docs/detectors.md", strict=False)
def test_tuning_halves_the_error_of_the_int8_file_which_rounded_scores_foretell(tmp_path) -> None:
    train, test = correlated(400), correlated(100, seed=1)
    detector = spoilt(fit_dense_autoencoder(train, widths=(16, 4, 16), epochs=40))
    before = copy.deepcopy(detector.state_dict())
    tuned = tune_quantized(detector, train, transfer_rows=2000)
    own = torch_scores(detector, test)
    errors = []
    for one in (detector, tuned):
        file = int8_scores(one, test, tmp_path)
        with torch.no_grad():
            imitated = rounded_scores(one, torch.tensor(test, dtype=torch.float32)).numpy()
        errors.append(np.abs(file - own).mean())
        # A value at the middle of two steps may fall to either side.
        assert np.abs(imitated - file).mean() < 0.1 * errors[-1]
    assert errors[1] < 0.5 * errors[0]
    for name, value in detector.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_a_network_with_batch_norm_is_refused() -> None:
    detector = fit_dense_autoencoder(correlated(40), epochs=1)
    detector.network = DenseAutoencoder(detector.network.config)
    with pytest.raises(TrainingError, match="without batch norm"):
        tune_quantized(detector, correlated(40))
