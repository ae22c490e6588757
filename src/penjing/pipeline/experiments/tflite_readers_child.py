"""Runs in an environment of its own: one of Google's readers answers what `questions.json` asks, into `answers.json`.

Each question names a file and texts, or feeds for its signatures. Left out: everything that needs Penjing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answers = list[Any]


def main() -> None:
    """The reader is named on the command line; questions and answers are files of the current folder."""
    reader = READERS[sys.argv[1]]
    questions = json.loads(Path("questions.json").read_text(encoding="utf-8"))
    answers = [reader(question) for question in questions]
    Path("answers.json").write_text(json.dumps(answers), encoding="utf-8")


def bert_nl_classifier(question: dict[str, Any]) -> Answers:
    """Probabilities by label of each text."""
    from tflite_support.task import text

    classifier = text.BertNLClassifier.create_from_file(question["file"])
    return [_by_label(classifier.classify(asked)) for asked in question["texts"]]


def mediapipe(question: dict[str, Any]) -> Answers:
    """The same by MediaPipe."""
    from mediapipe.tasks.python import text
    from mediapipe.tasks.python.core.base_options import BaseOptions

    options = text.TextClassifierOptions(base_options=BaseOptions(model_asset_path=question["file"]))
    classifier = text.TextClassifier.create_from_options(options)
    return [_by_label(classifier.classify(asked)) for asked in question["texts"]]


def interpreter(question: dict[str, Any]) -> Answers:
    """The one output of a signature for each feed, in TensorFlow's interpreter."""
    import numpy as np
    import tensorflow

    opened = tensorflow.lite.Interpreter(question["file"])
    answers = []
    for signature, feed in question["feeds"]:
        run = opened.get_signature_runner(signature)
        kinds = {name: detail["dtype"] for name, detail in run.get_input_details().items()}
        (answer,) = run(**{name: np.array(values, kinds[name]) for name, values in feed.items()}).values()
        answers.append(answer.ravel().tolist())
    return answers


def metadata(question: dict[str, Any]) -> Answers:
    """The metadata as plain values, and the names of the files inside, read by tflite-support."""
    from tflite_support import metadata as support

    shown = support.MetadataDisplayer.with_model_file(question["file"])
    return [json.loads(shown.get_metadata_json()), sorted(shown.get_packed_associated_file_list())]


def _by_label(result: Any) -> dict[str, float]:
    return {found.category_name: found.score for found in result.classifications[0].categories}


READERS: dict[str, Callable[[dict[str, Any]], Answers]] = {
    "bert_nl": bert_nl_classifier, "mediapipe": mediapipe, "interpreter": interpreter, "metadata": metadata,
}  # fmt: skip

if __name__ == "__main__":
    main()
