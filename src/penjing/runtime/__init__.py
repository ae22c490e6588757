"""What runs on the device: open a bundle, tokenize, run an engine, answer.

    from penjing.runtime import load
    print(load("runs/assistant/bundle").predict("wake me at six").label)

Importing this package loads numpy and nothing heavier: the tokenizer library and the one engine that a bundle needs are
imported when a bundle is opened. Left out: everything that makes models.
"""

from .errors import PenjingError
from .predictor import Prediction, Predictor, load

__all__ = ["PenjingError", "Prediction", "Predictor", "load"]
