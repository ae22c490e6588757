"""What runs on the device: open a bundle, run an engine, answer. Text is tokenized, series are streamed.

    from penjing.runtime import load
    print(load("runs/assistant/bundle").predict("wake me at six").label)

    stream = load("runs/bearings/bundle").stream()
    print(stream.push(samples).alarms)

Importing this package loads next to nothing: numpy comes with the first use of `load`, the tokenizers and the one
engine that a bundle needs when the bundle is opened. Left out: everything that makes models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import PenjingError

if TYPE_CHECKING:
    from .answers import Answer, ManyLabels, Number, Prediction, Spans
    from .detector import Detector, load_detector
    from .embedder import Embedder, load_embedder
    from .predictor import Predictor, load, load_predictor
    from .stream import Stream

__all__ = [
    "Answer", "Detector", "Embedder", "ManyLabels", "Number", "PenjingError", "Prediction", "Predictor", "Spans",
    "Stream", "load", "load_detector", "load_embedder", "load_predictor",
]  # fmt: skip

_PLACES = {
    "Answer": "answers", "Detector": "detector", "Embedder": "embedder", "ManyLabels": "answers", "Number": "answers",
    "Prediction": "answers", "Spans": "answers", "Stream": "stream", "load_detector": "detector",
    "load_embedder": "embedder",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f".{_PLACES.get(name, 'predictor')}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
