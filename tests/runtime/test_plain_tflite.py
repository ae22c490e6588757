"""TFLite files of another maker in our engine: MLPerf Tiny's anomaly detector, in float and with int8 borders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penjing.runtime.engine import open_engine

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "anomaly" / "mlperf_tiny_ad01"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="shared/data/anomaly/mlperf_tiny_ad01 is not here")


@pytest.mark.parametrize(("file", "error"), [("ad01_fp32.tflite", 9.71), ("ad01_int8.tflite", 10.27)])
def test_the_reference_reconstructs_its_clip_with_the_published_error(file: str, error: float) -> None:
    clip = np.fromfile(FOLDER / "normal_id_01_00000000_hist_librosa.bin", "<f4").reshape(-1, 640)
    engine = open_engine(FOLDER / file, "tflite")
    assert [spec.dtype for spec in (*engine.inputs, *engine.outputs)] == ["float32", "float32"]
    answers = engine.run({engine.inputs[0].name: clip})
    assert np.square(answers[engine.outputs[0].name] - clip).mean() == pytest.approx(error, abs=0.005)
