"""Writes what Python answers, for the JUnit tests of `core` to compare with: `python parity.py BUNDLES FOLDER`.

BUNDLES holds bundles in folders of their names, FOLDER becomes what PENJING_PARITY names. Of each detector a stream of
10,000 samples (real ones from its goldens with noise, missing values and gaps where the bundle allows them) with
scores and alarms; of the assistant the logits of its recipe's test texts, and of texts nobody would write. A bundle
that is not there is said and skipped. Left out: the tokenizer's own cases (`make_tokenizer_cases.py`).
"""

from __future__ import annotations

import csv
import json
import math
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penjing.runtime import Detector, Predictor, load
from penjing.runtime.bundle import open_bundle

DETECTORS = ("bearings", "nab", "breast-cancer", "ecg5000")
SAMPLES = 10_000
ODD_TEXTS = ("😀😀 🎉", "a", "  wake me  ", "set an alarm " * 400, "\u200b\u200d", "tränen über 北京", "x" * 300)


def main(bundles: Path, out: Path) -> None:
    """Writes all files that the bundles allow."""
    out.mkdir(parents=True, exist_ok=True)
    for name in (*DETECTORS, "assistant"):
        if not (bundles / name).is_dir():
            print(f"no bundle {name}: its tests will be skipped")
            continue
        for file in open_bundle(bundles / name).model_files:
            if file.endswith(".onnx"):
                opened = load(bundles / name, "onnx", "int8" if ".int8." in file else "fp32")
                kind = "stream" if isinstance(opened, Detector) else "answers"
                answers = stream_answers(opened) if isinstance(opened, Detector) else text_answers(opened)
                path = out / f"{name}.{file}.{kind}.json"
                path.write_text(json.dumps(answers, allow_nan=False), encoding="utf-8")
                print(path.name, f"{len(answers.get('alarms', answers.get('texts', [])))} alarms or texts")


def text_answers(predictor: Predictor | Detector) -> dict[str, Any]:
    """Texts and their logits."""
    assert isinstance(predictor, Predictor)
    with (files("penjing.pipeline") / "recipes/assistant/test.tsv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    texts += ODD_TEXTS
    answers = [predictor.predict(text) for text in texts]
    return {"texts": texts, "logits": [a.logits for a in answers], "truncated": [a.truncated for a in answers]}


def stream_answers(detector: Detector) -> dict[str, Any]:
    """A series and what a stream says of it; null stands for a missing value and for no score yet."""
    samples, times = series(detector)
    stream = detector.stream()
    scores, alarms = [], []
    for i in range(len(samples)):
        answer = stream.push(samples[i], times[i])
        scores.append(float(answer.scores[0]))
        alarms += [i] if answer.alarms[0] else []
    return {
        "samples": [[known(value) for value in row] for row in samples.tolist()],
        "times": times.tolist(),
        "scores": [known(score) for score in scores],
        "alarms": alarms,
    }


def series(detector: Detector) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Windows of the goldens one after the other, a little changed; every tenth one far off."""
    random, form = np.random.default_rng(7), detector.format
    with detector.bundle.verified("goldens.jsonl").open(encoding="utf-8") as file:
        windows = np.array([json.loads(line)["samples"] for line in file])
    count = math.ceil(SAMPLES / detector.window)
    chosen = windows[random.integers(len(windows), size=count)]
    spread = windows.reshape(-1, len(form.features)).std(axis=0)
    far = np.where(random.random(count) < 0.1, random.choice([0.5, 2.0, 5.0], size=count), 0.02)
    noise = random.normal(size=chosen.shape) * spread * far[:, None, None]
    samples = (chosen + noise).reshape(-1, len(form.features))[:SAMPLES].astype(np.float32)
    if form.missing != "refuse":
        samples[random.random(samples.shape) < 0.03] = np.nan
        samples[100:130] = np.nan
    period = form.period_seconds or 1.0
    steps = np.where(random.random(SAMPLES) < 0.02, random.integers(1, 30, SAMPLES), 1) + random.normal(0, 0.1, SAMPLES)
    return samples, np.cumsum(np.maximum(steps, 0) * period)


def known(value: float) -> float | None:
    """JSON has no word for NaN."""
    return None if math.isnan(value) else value


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python parity.py BUNDLES FOLDER")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
