"""The methods of distillation, one a file: each a word for `distill.method` in a recipe."""

from __future__ import annotations

from ....runtime.errors import TrainingError
from ..method import Method
from . import distilbert, logits, mean_squared_logits, meta_kd, minilm, mobilebert, patient, tinybert

METHODS: tuple[Method, ...] = (
    mobilebert.AUXILIARY, mobilebert.JOINT, mobilebert.PROGRESSIVE, tinybert.METHOD, patient.METHOD, distilbert.METHOD,
    minilm.FIRST, minilm.SECOND, logits.METHOD, mean_squared_logits.METHOD, meta_kd.METHOD,
)  # fmt: skip


def method_named(name: str) -> Method:
    """Raises TrainingError for a word that is none of them."""
    for method in METHODS:
        if method.name == name:
            return method
    raise TrainingError(f"no method {name!r}: choose of {', '.join(method.name for method in METHODS)}")
