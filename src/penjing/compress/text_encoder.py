"""Text encoders by name: a student that was distilled here, or a teacher as its own folder, package or the hub has it.

Both are BERT or MobileBERT in our own plain form, which exports to both formats. Left out: other architectures, and the
pooler and head, which serve a classifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..runtime.errors import TrainingError
from ..runtime.tokenizer import TOKENIZER_NAME, copy_tokenizer
from .models.bert import BertClassifier, bert_from_teacher
from .models.checkpoint import STUDENT_NAME, load_student
from .teacher import load_encoder, locate_teacher

_NO_HEAD = ("normal", "anomaly")
"""A classifier's head comes with every encoder, and needs some labels; it is not used."""


@dataclass(frozen=True)
class TextEncoder:
    """`states`: ids, mask, types [batch, sequence] to an EncoderOutput, whose last entry of `hidden` is used; padding
    has the id `pad_id`."""

    states: nn.Module
    pad_id: int


def load_text_encoder(encoder: str, window: int) -> TextEncoder:
    """The encoder in eval mode, for texts of at most `window` tokens.

    `encoder` is a student's folder, or what names a teacher. Raises TrainingError when it cannot be had, is of another
    architecture than BERT, or has fewer positions than that.
    """
    place = Path(encoder)
    model = load_student(place) if (place / STUDENT_NAME).is_file() else _from_teacher(encoder)
    config = model.config
    if window > config.max_positions:
        raise TrainingError(
            f"data.window is {window} but the encoder {encoder!r} has {config.max_positions} positions: set data.window"
            f" to {config.max_positions} or less"
        )
    states = model.bert if isinstance(model, BertClassifier) else model.mobilebert
    states.pooler = nn.Identity()
    return TextEncoder(states.eval(), config.pad_id)


def save_tokenizer(encoder: str, folder: Path) -> None:
    """Writes the encoder's `tokenizer.json`, and what comes with it, into `folder`. Raises TrainingError as above."""
    place = Path(locate_teacher(encoder))
    if not (place / TOKENIZER_NAME).is_file():
        load_encoder(encoder, _NO_HEAD, 1)[1].save_pretrained(str(folder))
        return
    copy_tokenizer(place, folder)


def encoder_files(encoder: str) -> list[Path]:
    """The files on this machine that decide what it computes; none for an id of the hub."""
    place = Path(locate_teacher(encoder))
    return sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else []


def _from_teacher(encoder: str) -> Any:
    teacher, _ = load_encoder(encoder, _NO_HEAD, 1)
    if teacher.config.model_type != "bert":
        raise TrainingError(
            f"the encoder {encoder!r} is a {teacher.config.model_type} model: take a BERT, such as all-MiniLM-L6-v2, or"
            " the folder of a student"
        )
    return bert_from_teacher(teacher)
