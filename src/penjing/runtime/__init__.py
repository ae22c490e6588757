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
    from .detector import Detector, load_detector
    from .predictor import Prediction, Predictor, load, load_predictor
    from .stream import Stream

__all__ = [
    "Detector", "PenjingError", "Prediction", "Predictor", "Stream", "load", "load_detector", "load_predictor",
]  # fmt: skip

_PLACES = {"Detector": "detector", "load_detector": "detector", "Stream": "stream"}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f".{_PLACES.get(name, 'predictor')}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
