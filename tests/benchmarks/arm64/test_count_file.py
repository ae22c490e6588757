"""One model file on an emulated core: the same answers, and counts that are the same in every process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from penjing.benchmarks.arm64.blocks import kernel_use
from penjing.benchmarks.arm64.boards import board_root, find_board
from penjing.benchmarks.arm64.core import Core, describe_core, open_core
from penjing.benchmarks.arm64.count_file import count_file
from penjing.benchmarks.arm64.emulator import Emulator
from penjing.benchmarks.arm64.replay import answers_there, count_sections
from penjing.export.quantize import quantize_onnx
from penjing.runtime.engine import open_engine
from penjing.runtime.errors import TargetError

PRODUCT = """
<ir_version: 9, opset_import: ["" : 18]>
product (float[1, rows, 256] x) => (float[1, rows, 256] y) { y = MatMul (x, weights) }
"""


def feed(length: int) -> dict[str, NDArray[np.int64]]:
    ids = np.arange(length)[None] % 40 + 5
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


@pytest.fixture(scope="session")
def int8_product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A matrix product with int8 weights."""
    folder = tmp_path_factory.mktemp("product")
    model = onnx.parser.parse_model(PRODUCT)
    weights = np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weights, "weights"))
    onnx.save(model, folder / "product.onnx")
    quantize_onnx(folder / "product.onnx", folder / "product.int8.onnx")
    return folder / "product.int8.onnx"


@pytest.mark.parametrize("format", ["onnx", "tflite"])
def test_counts_are_the_same_in_every_process_and_grow_with_the_length(
    userland: Path, tiny_bundle: Path, format: Any
) -> None:
    file, feeds = tiny_bundle / f"model.{format}", [feed(8), feed(16)]
    one = count_file(file, format, feeds, "cortex-a72", inferences=20)
    assert one == pytest.approx(count_file(file, format, feeds, "cortex-a72", inferences=20), rel=1e-3)
    assert one == pytest.approx(count_file(file, format, feeds, "cortex-a72", inferences=10), rel=0.03)
    assert 1000 < one[0] != one[1] < 200_000


@pytest.mark.parametrize("file", ["model.onnx", "model.tflite", "model.int8.onnx", "model.int8.tflite"])
def test_it_answers_as_here(userland: Path, tiny_bundle: Path, file: str) -> None:
    path, format, feeds = tiny_bundle / file, file.rsplit(".", 1)[1], [feed(5), feed(16)]
    here = open_engine(path, format)
    for values, there in zip(feeds, answers_there(open_core("cortex-a53"), path, format, feeds), strict=True):
        np.testing.assert_allclose(there["logits"], here.run(values)["logits"], atol=1e-4)


@pytest.mark.parametrize(
    ("core", "kernels"), [("cortex-a72", "neither"), ("cortex-a76", "dotprod"), ("armv8-i8mm", "i8mm")]
)
def test_the_engine_picks_the_kernels_that_the_core_has(
    userland: Path, int8_product: Path, core: str, kernels: str
) -> None:
    feeds = [{"x": np.ones((1, 32, 256), np.float32)}]
    (section,) = count_sections(open_core(core), int8_product, "onnx", feeds, 1, memory=True)
    use = kernel_use(section)
    assert use.kernels == kernels
    assert (use.share > 0.05) == (kernels != "neither")
    assert section.loads > section.stores > 0
    assert section.l1_misses > 0


def test_a_file_whose_kernels_the_core_lacks_is_refused_by_name(
    userland: Path, int8_product: Path, tmp_path: Path
) -> None:
    board = replace(find_board("cortex-a76"), qemu_cpu="cortex-a72")  # the engine is told of dotprod, and believes it
    core = Core(board, Emulator(board_root(board, userland, tmp_path), board.qemu_cpu))
    feeds = [{"x": np.ones((1, 32, 256), np.float32)}]
    for do in (answers_there, lambda *given: count_sections(*given, 1)):
        with pytest.raises(TargetError, match=r"product\.int8\.onnx: .*the core lacks an instruction") as error:
            do(core, int8_product, "onnx", feeds)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "format", "reason"),
    [
        ("none.onnx", "onnx", r"none\.onnx: .*doesn't exist"),
        ("none.tflite", "tflite", r"none\.tflite: .*LiteRT \S+ refuses none\.tflite"),
        ("manifest.json", "onnx", r"manifest\.json: "),
        ("manifest.json", "tflite", r"manifest\.json: .*refuses manifest\.json"),
    ],
)
def test_a_file_that_does_not_open_there_is_one_line(
    userland: Path, tiny_bundle: Path, file: str, format: Any, reason: str
) -> None:
    with pytest.raises(TargetError, match=reason) as error:
        count_file(tiny_bundle / file, format, [feed(8)], "cortex-a72")
    assert "\n" not in str(error.value)
    assert "Traceback" not in str(error.value)


def test_a_feed_that_does_not_fit_is_one_line(userland: Path, tiny_bundle: Path) -> None:
    for format, reason in (("onnx", "an input 'input_ids'"), ("tflite", "the model needs the input")):
        with pytest.raises(TargetError, match=reason):
            count_file(tiny_bundle / f"model.{format}", format, [{"x": np.ones((1, 8), np.float32)}], "cortex-a72")


def test_an_emulated_core_is_described_as_such(userland: Path) -> None:
    machine = describe_core(open_core("cortex-a76"))
    assert (machine.cpu, machine.architecture, machine.virtual) == ("emulated Cortex-A76", "aarch64", True)
    assert machine.isa == ("asimd", "asimddp", "asimdhp", "fphp")
    assert machine.system.startswith("qemu-aarch64 version")
    assert {"onnxruntime", "ai-edge-litert", "numpy"} <= machine.packages.keys()
