"""The child of a cold start: `python -m penjing.benchmarks.cold_child` answers one question and says when.

The job on stdin is a JSON object {kind, folder, engine, precision, threads, and text or sample}; the last line on
stdout is a JSON object with the moment of the answer on the system-wide clock and the peak memory. It imports no more
than its kind needs: what it imports is what is timed. Left out: repetition, statistics.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from .memory import peak_rss_mb


def answer_with_penjing(job: dict[str, Any]) -> str:
    """Opens the bundle and asks it, as a program that uses a bundle does."""
    opened = job["folder"], job["engine"], job["precision"], job["threads"]
    if "sample" in job:
        from ..runtime import load_detector

        return str(load_detector(*opened).score([job["sample"]])[0])
    from ..runtime import load

    asked: Any = load(*opened)
    return str(asked.ask(job["text"]).summary)


def answer_with_transformers(job: dict[str, Any]) -> str:
    """The text-classification pipeline on the teacher's folder, with its own defaults."""
    from transformers import pipeline

    classify: Any = pipeline("text-classification", model=job["folder"], tokenizer=job["folder"], device=-1)
    return str(classify(job["text"])[0]["label"])


def import_runtime(job: dict[str, Any]) -> str:
    """Only imports the runtime; the clock starts just before."""
    from .. import runtime

    return runtime.__name__


KINDS = {"penjing": answer_with_penjing, "transformers": answer_with_transformers, "import": import_runtime}

if __name__ == "__main__":
    task = json.load(sys.stdin)
    began = time.perf_counter()
    said = KINDS[task["kind"]](task)
    now = time.perf_counter()
    print(json.dumps({"began": began, "answered": now, "answer": said, "peak_rss_mb": peak_rss_mb()}), flush=True)
