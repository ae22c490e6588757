"""What runs on the device: open a bundle, tokenize, run an engine, answer.

    from penjing.runtime import load
    print(load("runs/assistant/bundle").predict("wake me at six").label)

Importing this package loads next to nothing: numpy comes with the first use of `load`, the tokenizers and the one
engine that a bundle needs when the bundle is opened. Left out: everything that makes models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import PenjingError

if TYPE_CHECKING:
    from .predictor import Prediction, Predictor, load

__all__ = ["PenjingError", "Prediction", "Predictor", "load"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
