"""One contract for both engines, then what TFLite's fixed shapes add."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_bundle import LABELS, VOCABULARY, TinyClassifier

from penjing.runtime.engine import Engine, open_engine
from penjing.runtime.errors import EngineError, EngineMissingError
from penjing.runtime.tflite_engine import TfliteEngine

FORMATS = ("onnx", "tflite")


def ragged_inputs(tokens: int = 11) -> dict[str, NDArray[Any]]:
    """Three rows of which the second is shorter."""
    ids = np.random.default_rng(0).integers(5, len(VOCABULARY), (3, tokens))
    mask = np.ones_like(ids)
    mask[1, 4:] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def torch_logits(inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
    with torch.no_grad():
        return np.asarray(TinyClassifier().eval()(**{name: torch.from_numpy(v) for name, v in inputs.items()}))


@pytest.fixture(params=FORMATS)
def engine(request: pytest.FixtureRequest, tiny_bundle: Path) -> Engine:
    return open_engine(tiny_bundle / f"model.{request.param}", request.param)


def test_an_engine_answers_what_the_torch_model_answers(engine: Engine) -> None:
    inputs = ragged_inputs()
    logits = engine.run(inputs)["logits"]
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, torch_logits(inputs), atol=1e-5)


def test_a_batch_answers_as_its_rows_do_alone(engine: Engine) -> None:
    inputs = ragged_inputs()
    alone = [engine.run({k: v[i : i + 1] for k, v in inputs.items()})["logits"][0] for i in range(3)]
    np.testing.assert_allclose(engine.run(inputs)["logits"], alone, atol=1e-6)


def test_the_answer_does_not_hang_on_the_integer_type_or_on_other_inputs(engine: Engine) -> None:
    inputs = ragged_inputs()
    narrow = {name: values.astype(np.int32) for name, values in inputs.items()}
    more = {**narrow, "position_ids": narrow["input_ids"]}
    np.testing.assert_array_equal(engine.run(more)["logits"], engine.run(inputs)["logits"])


def test_an_engine_describes_its_inputs_and_outputs(engine: Engine) -> None:
    assert {spec.name for spec in engine.inputs} == {"input_ids", "attention_mask", "token_type_ids"}
    assert {spec.dtype for spec in engine.inputs} == {"int64" if engine.name == "onnx" else "int32"}
    (output,) = engine.outputs
    assert (output.name, output.dtype, output.shape[-1]) == ("logits", "float32", len(LABELS))
    assert engine.version[0].isdigit()


def test_a_missing_input_is_named(engine: Engine) -> None:
    inputs = ragged_inputs()
    del inputs["attention_mask"]
    with pytest.raises(EngineError, match="needs the input 'attention_mask', given are input_ids"):
        engine.run(inputs)


def test_ids_outside_the_vocabulary_are_an_error_or_an_answer_but_no_crash(engine: Engine) -> None:
    inputs = ragged_inputs()
    inputs["input_ids"][0, 0] = 10**6
    try:
        assert engine.run(inputs)["logits"].shape == (3, len(LABELS))
    except EngineError as error:
        assert "\n" not in str(error)


def test_many_threads_may_share_an_engine(engine: Engine) -> None:
    many = [ragged_inputs(tokens) for tokens in (3, 5, 7, 8)]
    expected = [engine.run(inputs)["logits"] for inputs in many]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads meet inside a call
    try:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda i: engine.run(many[i % 4])["logits"], range(400)))
    finally:
        sys.setswitchinterval(before)
    for i, answer in enumerate(answers):
        np.testing.assert_array_equal(answer, expected[i % 4])


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_is_no_model_is_refused_in_one_line(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{format}"
    path.write_bytes(b"no model\n" * 100)
    with pytest.raises(EngineError, match=rf"refuses model\.{format}") as caught:
        open_engine(path, format)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("format", "package", "advice"),
    [
        ("onnx", "onnxruntime", "pip install onnxruntime"),
        ("tflite", "ai_edge_litert.interpreter", r"pip install 'penjing\[tflite\]'"),
    ],
)
def test_an_engine_that_is_not_installed_says_how_to_install_it(
    format: str, package: str, advice: str, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # what Python itself does for a module that cannot be imported
    with pytest.raises(EngineMissingError, match=f"the engine {format} is not installed .*: {advice}$"):
        open_engine(tiny_bundle / f"model.{format}", format)


def test_an_unknown_format_and_no_threads_are_refused(tiny_bundle: Path) -> None:
    with pytest.raises(EngineError, match=r"'gguf' .* runs onnx, tflite"):
        open_engine(tiny_bundle / "model.onnx", "gguf")
    with pytest.raises(EngineError, match="threads is 0: give 1 or more"):
        open_engine(tiny_bundle / "model.onnx", "onnx", threads=0)


@pytest.mark.parametrize(("tokens", "signature"), [(1, 8), (8, 8), (9, 16), (16, 16)])
def test_tflite_runs_the_smallest_signature_that_fits(tokens: int, signature: int, tiny_bundle: Path) -> None:
    engine = TfliteEngine(tiny_bundle / "model.tflite", 1)
    assert engine.sequence_lengths == (8, 16)
    # The others are taken away: an engine that asked one of them would fail.
    engine._runners = {n: runner if n == signature else None for n, runner in engine._runners.items()}
    inputs = ragged_inputs(tokens)
    np.testing.assert_allclose(engine.run(inputs)["logits"], torch_logits(inputs), atol=1e-5)


def test_tflite_refuses_more_tokens_than_its_longest_signature(tiny_bundle: Path) -> None:
    engine = open_engine(tiny_bundle / "model.tflite", "tflite")
    with pytest.raises(EngineError, match="17 tokens, but the longest signature has 16"):
        engine.run(ragged_inputs(17))
