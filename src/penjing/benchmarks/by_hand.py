"""Tokenizer and engine called by hand: the shortest code someone would write without Penjing.

The yardstick of `wrapper.py`, so it uses the public libraries directly and nothing of ours. Left out: checks, labels,
softmax, batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.bundle import Bundle
from ..runtime.onnx_engine import import_onnxruntime

Feed = Mapping[str, NDArray[Any]]
Tokenize = Callable[[str], Feed]
RunEngine = Callable[[Feed], Any]


def tokenize_by_hand(bundle: Bundle) -> Tokenize:
    """text -> the three inputs [1, tokens]."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bundle.verified("tokenizer.json")))
    tokenizer.enable_truncation(bundle.manifest.max_length)
    tokenizer.no_padding()

    def tokenize(text: str) -> Feed:
        encoding = tokenizer.encode(text)
        return {
            "input_ids": np.array([encoding.ids], np.int64),
            "attention_mask": np.array([encoding.attention_mask], np.int64),
            "token_type_ids": np.array([encoding.type_ids], np.int64),
        }

    return tokenize


def engine_by_hand(bundle: Bundle, file: str, threads: int) -> RunEngine:
    """inputs -> outputs of the model file, in the engine of its format."""
    path = bundle.verified(file)
    if bundle.manifest.files[file].format == "onnx":
        return _onnx(path, threads)
    return _tflite(path, threads, bundle.manifest.sequence_lengths)


def _onnx(path: Path, threads: int) -> RunEngine:
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    return lambda feed: session.run(None, {name: feed[name] for name in names})


def _tflite(path: Path, threads: int, lengths: tuple[int, ...]) -> RunEngine:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    runners = {length: interpreter.get_signature_runner(f"serving_{length}") for length in lengths}

    def run(feed: Feed) -> Any:
        tokens = feed["input_ids"].shape[1]
        length = next(length for length in lengths if length >= tokens)
        padded = {name: np.zeros((1, length), np.int32) for name in feed}
        for name, values in feed.items():
            padded[name][:, :tokens] = values
        return runners[length](**padded)

    return run
