"""The runtime imports no workshop, no engine it does not use, and nothing of the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import penjing

HEAVY = {"torch", "transformers", "onnx", "sklearn", "typer", "rich", "pydantic", "scipy", "pandas"}
ENGINES = {"onnxruntime", "ai_edge_litert"}


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh process has loaded after `code`."""
    source = str(Path(penjing.__file__).parents[1])
    printed = f"{code}\nimport json, sys; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    environment = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", printed], capture_output=True, text=True, env=environment, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_runtime_loads_neither_numpy_nor_an_engine() -> None:
    loaded = modules_after("import penjing.runtime")
    assert "penjing" in loaded
    assert not loaded & (HEAVY | ENGINES | {"tokenizers", "numpy"})


def test_naming_load_brings_numpy_and_still_no_engine() -> None:
    loaded = modules_after("from penjing.runtime import load")
    assert "numpy" in loaded
    assert not loaded & (HEAVY | ENGINES | {"tokenizers"})


def test_answering_loads_one_engine(tiny_bundle: Path) -> None:
    for engine, module in (("onnx", "onnxruntime"), ("tflite", "ai_edge_litert")):
        loaded = modules_after(f"import penjing.runtime as r; r.load({str(tiny_bundle)!r}, {engine!r}).predict('good')")
        assert loaded & ENGINES == {module}
        assert not loaded & HEAVY
        assert "tokenizers" in loaded


WATCH = """
import os, sys
os.environ.pop("ORT_DISABLE_TELEMETRY", None)
class Watch:
    def find_spec(self, name, *rest):
        assert name != "onnxruntime" or os.environ["ORT_DISABLE_TELEMETRY"] == "1"
sys.meta_path.insert(0, Watch())
from penjing.runtime.onnx_engine import import_onnxruntime
import_onnxruntime()
"""


def test_telemetry_is_off_before_onnxruntime_loads() -> None:
    assert "onnxruntime" in modules_after(WATCH)
