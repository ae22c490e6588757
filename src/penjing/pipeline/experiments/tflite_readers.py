"""Do Google's own readers of TFLite files say what we say? On the goldens of finished bundles, each reader in an
environment of its own that uv makes.

    python -m penjing.pipeline.experiments.tflite_readers runs/*/bundle --to docs/results/tflite_metadata.json

tflite-support reads the metadata of every file; MediaPipe's TextClassifier and tflite-support's BertNLClassifier answer
by task files made of each text bundle; TensorFlow 2.16.1's interpreter, the newest with a Java library for Android in
Maven Central, runs every file of the bundles. Left out: latency.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.machine import describe_machine
from ...benchmarks.plain import to_plain
from ...export.task_file import Reader, write_task_file
from ...export.tflite_metadata import PACKAGES, UV_RUN
from ...runtime.bundle import Bundle, open_bundle
from ...runtime.errors import EngineError
from ...runtime.goldens import Golden, read_goldens
from ...runtime.manifest import DETECTOR_TASK
from ...runtime.sample_goldens import read_sample_goldens
from ..claims import against, make_claim
from ..text_files import write_json

CHILD = Path(__file__).with_name("tflite_readers_child.py")
ENVIRONMENTS = {
    "bert_nl": PACKAGES, "metadata": PACKAGES, "mediapipe": ("mediapipe==0.10.21",),
    "interpreter": ("tensorflow-cpu==2.16.1",),
}  # fmt: skip
CLOSE = "<= 0.001"
FORMS: dict[str, Reader] = {"mediapipe": "mediapipe", "bert_nl": "task-library"}
"""What each reader's task file is made for."""
OTHER_ROUNDING = (
    "its kernels are TFLite's built-in ones: a float that differs from XNNPACK's in its last bits may be rounded to"
    " another of 255 steps, and the layers behind make that larger"
)
OTHER_VERSION = "its XNNPACK is of another version than LiteRT's, and a value between two steps goes to the other one"
NEAR_THRESHOLD = f"{OTHER_ROUNDING}: calibrate a detector in the interpreter that runs it"
WHY = "a reader says something else than our own, or finds no metadata"
Claims = Iterator[dict[str, Any]]


def main() -> None:
    """Reads the command line, asks every reader and writes the claims."""
    parser = argparse.ArgumentParser(description="Google's readers on our TFLite files.")
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    bundles = [open_bundle(folder.resolve()) for folder in arguments.bundles]
    found = [*metadata_claims(bundles), *interpreter_claims(bundles)]
    for bundle in bundles:
        if bundle.manifest.task != DETECTOR_TASK:
            found += reader_claims(bundle)
    places = " ".join(map(str, arguments.bundles))
    command = f"python -m penjing.pipeline.experiments.tflite_readers {places} --to {arguments.to}"
    claims = [{**claim, "command": command} for claim in found]
    write_json(arguments.to, {"claims": claims, "machine": to_plain(describe_machine()), "environments": ENVIRONMENTS})


def metadata_claims(bundles: Sequence[Bundle]) -> Claims:
    """Files in whose metadata tflite-support finds labels and vocabulary, or the threshold, as the manifest has it."""
    asked = [(bundle, file) for bundle in bundles for file in tflite_files(bundle)]
    answers = ask("metadata", [{"file": str(bundle.verified(file))} for bundle, file in asked])
    right = sum(_says_it_all(*pair, *answer) for pair, answer in zip(asked, answers, strict=True))
    claim = make_claim("tflite.metadata.files", right / len(asked), "share", None, len(asked))
    yield against(claim, ">= 1", WHY)


def reader_claims(bundle: Bundle) -> Claims:
    """Largest difference of a probability from ours on the goldens, and how many texts get our label."""
    goldens, labels = read_goldens(bundle.folder), bundle.manifest.labels
    texts = [as_they_read(golden.text) for golden in goldens]
    with tempfile.TemporaryDirectory() as scratch:
        for file in tflite_files(bundle):
            task, ours = Path(scratch) / file, np.stack([_probabilities(golden, file) for golden in goldens])
            for reader, form in FORMS.items():
                write_task_file(bundle, file, task, form)
                (answers,) = ask(reader, [{"file": str(task), "texts": texts}])
                theirs = np.array([[answer[label] for label in labels] for answer in answers])
                name, why = f"tflite.{reader}.{bundle.manifest.name}.{_precision(file)}", _why(reader, file)
                difference = float(np.abs(theirs - ours).max())
                yield against(make_claim(f"{name}.difference", difference, "", None, len(texts)), CLOSE, why)
                same = float((theirs.argmax(1) == ours.argmax(1)).mean())
                yield against(make_claim(f"{name}.labels", same, "share", None, len(texts)), ">= 1", why)


def as_they_read(text: str) -> str:
    """The text as docs/bundle.md says to ask: they keep accents and invisible signs, which our tokenizer drops."""
    signs = unicodedata.normalize("NFD", text)
    return "".join(sign for sign in signs if unicodedata.category(sign) not in ("Mn", "Cf")).lower()


def interpreter_claims(bundles: Sequence[Bundle]) -> Claims:
    """Decisions of TensorFlow 2.16.1's interpreter that differ from the goldens', over all files of a precision, and
    the largest difference: of a logit, or of a score as a share of it where it is above 1."""
    asked = [(bundle, file) for bundle in bundles for file in tflite_files(bundle)]
    goldens = {bundle.manifest.name: feeds_and_answers(bundle) for bundle in bundles}
    questions = [{"file": str(b.verified(file)), "feeds": goldens[b.manifest.name][0]} for b, file in asked]
    found: dict[str, list[tuple[int, int, float]]] = {"fp32": [], "int8": []}
    for (bundle, file), answer in zip(asked, ask("interpreter", questions), strict=True):
        ours, theirs = goldens[bundle.manifest.name][1][file], np.array(answer)
        flips = int((decided(bundle, file, ours) != decided(bundle, file, theirs)).sum())
        difference = float((np.abs(theirs - ours) / np.maximum(1, np.abs(ours))).max())
        found[_precision(file)].append((flips, len(ours), difference))
    for precision, rows in found.items():
        flips, n = sum(row[0] for row in rows), sum(row[1] for row in rows)
        name, largest = f"tflite.interpreter.{precision}", max(row[2] for row in rows)
        yield against(make_claim(f"{name}.flips", flips, "decisions", None, n), "<= 0", NEAR_THRESHOLD)
        distance = make_claim(f"{name}.difference", largest, "", None, n)
        yield against(distance, CLOSE, WHY) if precision == "fp32" else distance


def feeds_and_answers(bundle: Bundle) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Signature and inputs for every golden, and what each TFLite file answered where the bundle was made."""
    manifest, files = bundle.manifest, tflite_files(bundle)
    if manifest.task == DETECTOR_TASK:
        samples = read_sample_goldens(bundle.folder)
        feeds: list[Any] = [(f"serving_{manifest.max_length}", {"samples": [golden.samples]}) for golden in samples]
        return feeds, {file: np.array([[golden.scores[file]] for golden in samples]) for file in files}
    goldens = read_goldens(bundle.folder)
    feeds = [_text_feed(golden, manifest.sequence_lengths) for golden in goldens]
    return feeds, {file: np.array([golden.logits[file] for golden in goldens]) for file in files}


def _text_feed(golden: Golden, lengths: Sequence[int]) -> tuple[str, dict[str, Any]]:
    """Padded to the smallest signature that fits, as our engine does."""
    count = len(golden.input_ids)
    length = min(length for length in lengths if length >= count)
    rest = [0] * (length - count)
    names = {"input_ids": [*golden.input_ids, *rest], "attention_mask": [*golden.attention_mask, *rest]}
    return f"serving_{length}", {name: [row] for name, row in {**names, "token_type_ids": [0] * length}.items()}


def decided(bundle: Bundle, file: str, answers: NDArray[Any]) -> NDArray[Any]:
    """The label's number, or whether a score is above the file's threshold."""
    if bundle.manifest.task != DETECTOR_TASK:
        labels: NDArray[Any] = answers.argmax(axis=1)
        return labels
    above: NDArray[Any] = answers[:, 0] > bundle.manifest.postprocess["thresholds"][file]["threshold"]
    return above


def ask(reader: str, questions: Sequence[Any]) -> list[Any]:
    """One answer a question. Raises EngineError with the reader's last line when it fails."""
    packages = [part for package in ENVIRONMENTS[reader] for part in ("--with", package)]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
        command = [*UV_RUN, *packages, "python", str(CHILD), reader]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "rror" in line] or ["no reason given"]
            raise EngineError(f"{reader} failed: {lines[-1][:300]}")
        answers: list[Any] = json.loads((Path(folder) / "answers.json").read_text(encoding="utf-8"))
    return answers


def tflite_files(bundle: Bundle) -> list[str]:
    """Names of the bundle's TFLite files."""
    return [name for name, entry in bundle.manifest.files.items() if entry.format == "tflite"]


def _says_it_all(bundle: Bundle, file: str, metadata: dict[str, Any], files: list[str]) -> bool:
    graph = metadata["subgraph_metadata"][0]
    if bundle.manifest.task != DETECTOR_TASK:
        units = graph["input_process_units"][0]["options_type"]
        return units == "BertTokenizerOptions" and {"labels.txt", "vocab.txt"} <= set(files)
    (unit,) = graph["output_tensor_metadata"][0]["process_units"]
    threshold = bundle.manifest.postprocess["thresholds"][file]["threshold"]
    said: float = unit["options"].get("global_score_threshold", 0.0)
    return bool(np.isclose(said, threshold, rtol=1e-5))


def _probabilities(golden: Golden, file: str) -> NDArray[Any]:
    logits = np.array(golden.logits[file])
    powers = np.exp(logits - logits.max())
    shares: NDArray[Any] = powers / powers.sum()
    return shares


def _precision(file: str) -> str:
    return "int8" if ".int8." in file else "fp32"


def _why(reader: str, file: str) -> str:
    if _precision(file) == "fp32":
        return WHY
    return OTHER_ROUNDING if reader == "bert_nl" else OTHER_VERSION


if __name__ == "__main__":
    main()
