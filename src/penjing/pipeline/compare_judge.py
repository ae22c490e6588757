"""The stages that judge compared cuts: each model's costs and accuracy, and the times of all files in one run.

Left out: limits and flips, which the proof of a run is about; here a cut may lose as much as it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..benchmarks.compare import noise_floor
from ..benchmarks.interleave import Call, interleave
from ..benchmarks.latency import Feed, measurement
from ..benchmarks.machine import describe_machine
from ..benchmarks.measurement import Condition
from ..benchmarks.plain import from_plain, to_plain
from ..benchmarks.plan import SubjectFacts
from ..benchmarks.processor import describe_processor
from ..compress.models.checkpoint import load_student
from ..compress.prune.costs import cost_of
from ..compress.tokens import tokenize
from ..export.verify import Rows, run_file, wilson_interval
from ..runtime.onnx_engine import OnnxEngine
from ..runtime.tokenizer import TextTokenizer
from .proof import torch_logits
from .report import Share
from .report.comparison import Times
from .sections import Recipe
from .text_files import read_json, read_split, write_json
from .workspace import Workspace

FILES = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
JUDGED_NAME, TIMES_NAME = "judged.json", "times.json"
TWIN = " (A/A)"


def judge_model(recipe: Recipe, space: Workspace, data: Path, student: Path, files: Path) -> Path:
    """`judged.json`: what the model costs, and how often it and its int8 file are right on the validation text."""
    length = recipe.task.max_length

    def work(folder: Path) -> None:
        model, held_out = load_student(student), read_split(data / "validation.jsonl")
        gold = np.asarray(held_out.labels)
        encoded = TextTokenizer(student, length).encode(held_out.texts)
        int8 = files / FILES["int8"]
        costs = asdict(cost_of(model.config, model.num_labels, length))
        write_json(folder / JUDGED_NAME, {
            **{name: costs[name] for name in ("parameters", "non_embedding", "macs")},
            "bytes": int8.stat().st_size,
            "accuracy": asdict(_right(torch_logits(model, tokenize(held_out.texts, student, length)), gold)),
            "accuracy_int8": asdict(_right(run_file(int8, "onnx", encoded), gold)),
        })  # fmt: skip

    return space.stage("judged", work, inputs=[data, student, files], settings={"max_length": length})


def time_models(recipe: Recipe, space: Workspace, data: Path, tokenizer: Path, files: Mapping[str, Path]) -> Path:
    """`times.json`: every file of every model, the first model's twice, interleaved on one thread.

    `files` are the folders of exported files by the models' labels. All see the same tokens of the validation text.
    """
    plan, length = recipe.benchmark, recipe.task.max_length
    first = next(iter(files))

    def work(folder: Path) -> None:
        subjects = [(label, precision) for precision in FILES for label in (*files, first + TWIN)]
        paths = {
            (label, precision): files[label.removesuffix(TWIN)] / FILES[precision] for label, precision in subjects
        }
        feed, machine = _feed(data, tokenizer, length), describe_machine()
        calls = [_call(path, feed) for path in paths.values()]
        title, condition = f"{len(calls)} files, {length} tokens", Condition("warm", length, 1)
        blocks = interleave(calls, rounds=plan.rounds, repeats=plan.repeats, seed=recipe.seed, title=title)
        found = {}
        for (label, precision), block in zip(subjects, blocks, strict=True):
            path = paths[label, precision]
            facts = SubjectFacts(label, recipe.name, path.name, "onnx", precision, path.stat().st_size)
            found[label, precision] = measurement(facts, condition, block)
        floors = [noise_floor(found[first, precision], found.pop((first + TWIN, precision))) for precision in FILES]
        write_json(folder / TIMES_NAME, to_plain(Times(machine, tuple(found.values()), tuple(floors))))

    settings = {
        "labels": list(files), "length": length, "rounds": plan.rounds, "repeats": plan.repeats, "seed": recipe.seed,
        "processor": describe_processor().name,
    }  # fmt: skip
    return space.stage("compared-times", work, inputs=[data, *files.values()], settings=settings)


def read_times(folder: Path) -> Times:
    """What `time_models` found."""
    return from_plain(Times, read_json(folder / TIMES_NAME))


def _right(logits: Rows, gold: NDArray[np.int64]) -> Share:
    count, n = int((np.asarray(logits).argmax(axis=1) == gold).sum()), len(gold)
    return Share(count, n, *wilson_interval(count, n))


def _feed(data: Path, tokenizer: Path, length: int) -> Feed:
    """[1, length] real token ids, nothing masked."""
    texts = read_split(data / "validation.jsonl").texts[:length]
    encoded = TextTokenizer(tokenizer, length).encode(texts)
    ids = np.resize(encoded.input_ids[encoded.attention_mask == 1], (1, length))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def _call(path: Path, feed: Feed) -> Call:
    run = OnnxEngine(path, threads=1).run
    return lambda i: run(feed)
