"""Fresh processes: what the child measures is its own, not its parent's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from penjing.benchmarks.cold import measure_cold
from penjing.benchmarks.fresh_process import run_fresh
from penjing.benchmarks.plan import Plan, Subject
from penjing.runtime.errors import EngineError


def child(job: dict[str, object]) -> dict[str, Any]:
    return run_fresh("cold_child", job, "a test", os.devnull)[1]


def test_a_large_parent_does_not_count_as_the_child_s_memory() -> None:
    """Linux's ru_maxrss would say at least 400 MB here."""
    held = bytearray(b"x" * 400_000_000)
    assert child({"kind": "import"})["peak_rss_mb"] < 200
    assert held[-1] == ord("x")


def test_the_child_s_clock_is_the_parent_s() -> None:
    before = time.perf_counter()
    said = child({"kind": "import"})
    assert before < said["began"] < said["answered"] < time.perf_counter()


def test_the_child_imports_no_more_than_its_kind_needs() -> None:
    code = (
        'import io, runpy, sys; sys.stdin = io.StringIO(\'{"kind": "import"}\');'
        "runpy.run_module('penjing.benchmarks.cold_child', run_name='__main__');"
        "heavy = {'torch', 'transformers', 'onnxruntime', 'matplotlib', 'jinja2', 'psutil', 'tqdm', 'typer'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def tiny_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of a few thousand weights; those that the file lacks are drawn by chance, which is enough to answer."""
    folder = tmp_path_factory.mktemp("teacher")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film"]
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = {"model_type": "bert", "vocab_size": len(words), "max_position_embeddings": 16, **shape}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    weights = {"bert.pooler.dense.bias": np.zeros(16, np.float32), "classifier.bias": np.zeros(2, np.float32)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_transformers_pipeline_answers_from_a_local_folder(tiny_teacher: Path) -> None:
    said = child({"kind": "transformers", "folder": str(tiny_teacher), "text": "good film"})
    assert said["answer"] in ("LABEL_0", "LABEL_1")
    assert said["peak_rss_mb"] > 100  # torch alone takes more


def test_a_process_that_cannot_answer_says_why(small: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(small, tmp_path / "broken"))
    content = (broken / "tokenizer.json").read_bytes()
    (broken / "tokenizer.json").write_bytes(content.replace(b"good", b"evil"))
    with pytest.raises(EngineError, match=r"small gave no answer \(.*hash differs.*penjing doctor"):
        measure_cold([Subject("small", broken)], Plan(texts=("good film",), cold_rounds=1))
