"""Cold starts: from the start of a process to its first answer, and the memory it took at most.

Every repetition is a fresh process, the subjects in random order each round. One untimed round comes first, so that all
of them read their files from the operating system's cache and find Python's bytecode: the first start after an
installation or a reboot is slower. Left out: that first start, and where the time goes (`memory_use.py`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tqdm import tqdm

from .fresh_process import run_fresh
from .latency import describe, measurement
from .measurement import Condition, Measurement
from .plan import Plan, Subject, SubjectFacts

PIPELINE = "transformers pipeline"
IMPORT = "import penjing.runtime"


@dataclass(frozen=True)
class _Starter:
    facts: SubjectFacts
    job: Mapping[str, Any]


def measure_cold(subjects: Sequence[Subject], plan: Plan) -> list[Measurement]:
    """Fresh processes for every subject, and for a `transformers` pipeline if the plan names a folder for it.

    The bundles run on the first of `plan.threads`; the pipeline keeps its defaults, all cores, which favours it.
    Raises EngineError when a process cannot answer.
    """
    threads = plan.threads[0]
    question = {"text": plan.texts[0]} if plan.samples is None else {"sample": plan.samples[0].tolist()}
    starters = [_bundle_starter(subject, question, threads) for subject in subjects]
    if plan.transformers_folder is not None:
        starters.append(_pipeline_starter(plan.transformers_folder, plan.texts[0]))
    return _measure(starters, Condition("cold", None, threads), plan)


def measure_import(plan: Plan) -> Measurement:
    """Milliseconds that `import penjing.runtime` takes in a fresh process, after the interpreter's start."""
    facts = SubjectFacts(IMPORT, "", "", "", "", 0)
    return _measure([_Starter(facts, {"kind": "import"})], Condition("import", None, 1), plan)[0]


def _bundle_starter(subject: Subject, question: Mapping[str, Any], threads: int) -> _Starter:
    facts = describe(subject)
    folder = str(Path(subject.folder).resolve())
    chosen = {"engine": facts.engine, "precision": facts.precision, "threads": threads, **question}
    return _Starter(facts, {"kind": "penjing", "folder": folder, **chosen})


def _pipeline_starter(folder: Path, text: str) -> _Starter:
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    facts = SubjectFacts(PIPELINE, folder.name, "model.safetensors", "torch", "fp32", weights)
    return _Starter(facts, {"kind": "transformers", "folder": str(folder.resolve()), "text": text})


def _measure(starters: Sequence[_Starter], condition: Condition, plan: Plan) -> list[Measurement]:
    order = random.Random(plan.seed)
    times = np.empty((len(starters), plan.cold_rounds))
    peaks = np.full((len(starters), plan.cold_rounds), np.nan)
    starts = (plan.cold_rounds + 1) * len(starters)
    with TemporaryDirectory() as bytecode, tqdm(total=starts, desc=condition.kind, unit="start", disable=None) as bar:
        for r in range(-1, plan.cold_rounds):
            for s in order.sample(range(len(starters)), len(starters)):
                took, peak = _start(starters[s], bytecode)
                if r >= 0:
                    times[s, r], peaks[s, r] = took, peak if peak is not None else np.nan
                bar.update()
    middles = np.median(peaks, axis=1)
    return [
        measurement(starter.facts, condition, times[s][:, None], None if np.isnan(middles[s]) else float(middles[s]))
        for s, starter in enumerate(starters)
    ]


def _start(starter: _Starter, bytecode: str) -> tuple[float, float | None]:
    """One process: milliseconds to the answer (of an import: inside the process), and its peak memory in MB."""
    start, said = run_fresh("cold_child", starter.job, starter.facts.label, bytecode)
    began = said["began"] if starter.job["kind"] == "import" else start
    return (said["answered"] - began) * 1e3, said["peak_rss_mb"]
