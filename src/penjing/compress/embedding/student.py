"""A student of sentence vectors: MobileBERT's encoder, the mean of its last states, and one linear layer.

It starts from its teacher in closed form, layer by layer, and learns the teacher's vectors. On disk it is a student as
any other (`../models/checkpoint.py`), whose head reads the mean in place of [CLS]. Left out: its form for devices
(`folded.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ...runtime.errors import TrainingError
from ..models.closed_form import regress
from ..models.from_teacher import start_from_teacher
from ..models.mobilebert import MobileBertClassifier, MobileBertConfig
from ..tokens import Batch, TokenizedTexts
from ..training import Evaluation, PlanSettings, device_of, plan_of, train
from .pooling import mean_pool
from .teacher import SentenceEncoder
from .vector_loss import VectorWeights, learning_loss


class SentenceStudent(nn.Module):
    """ids, mask, types [batch, sequence] to vectors [batch, size], not of length 1."""

    def __init__(self, inner: MobileBertClassifier) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        states = self.inner.mobilebert(input_ids, attention_mask, token_type_ids).hidden[-1]
        vectors: Tensor = self.inner.classifier(mean_pool(states, attention_mask))
        return vectors


class VectorSettings(PlanSettings, VectorWeights, Protocol):
    """How long and with which weights."""


@dataclass(frozen=True)
class VectorLessons:
    """`teacher` [texts, teacher size]: its vectors of length 1; `turn` [teacher size, size] makes them the targets; the
    first `cuts` numbers of a vector are to serve alone."""

    texts: TokenizedTexts
    teacher: NDArray[Any]
    turn: NDArray[np.float32]
    cuts: tuple[int, ...] = ()


@torch.no_grad()
def start_student(
    config: MobileBertConfig, teacher: SentenceEncoder, turn: NDArray[np.float32], batches: Sequence[Batch]
) -> SentenceStudent:
    """A student whose every weight comes from the teacher in closed form, in eval mode.

    Raises TrainingError for a teacher whose layers are not BERT's.
    """
    student = SentenceStudent(MobileBertClassifier(config, turn.shape[1]).eval())
    if not hasattr(getattr(teacher.encoder, "encoder", None), "layer"):
        kind = teacher.encoder.config.model_type
        raise TrainingError(f"the teacher is a {kind} model, whose layers are not BERT's: take one of the BERT family")
    start_from_teacher(student.inner, _AsClassifier(teacher, turn.shape[1]), batches)
    pooled, targets = [], []
    for batch in batches:
        states = student.inner.mobilebert(batch.input_ids, batch.attention_mask, batch.token_type_ids).hidden[-1]
        pooled.append(mean_pool(states, batch.attention_mask))
        targets.append(F.normalize(teacher(batch.input_ids, batch.attention_mask), dim=1) @ torch.from_numpy(turn))
    # As much ridge as `start_from_teacher` gives its head: less fits a little better, but int8 breaks on its weights.
    weight, bias = regress(torch.cat(pooled), torch.cat(targets), ridge=0.1)
    student.inner.classifier.weight.copy_(weight)
    student.inner.classifier.bias.copy_(bias)
    return student.eval()


def learn_vectors(
    student: SentenceStudent,
    lessons: VectorLessons,
    settings: VectorSettings,
    evaluate: Callable[[], float],
    *,
    seed: int,
    checkpoints: Path,
) -> list[Evaluation]:
    """Trains the student in place on its teacher's vectors; resumes from `checkpoints`."""
    turn = torch.from_numpy(lessons.turn)

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        device = device_of(model)
        batch = lessons.texts.batch(indices).to(device)
        taught = torch.from_numpy(np.asarray(lessons.teacher[np.asarray(indices)], np.float32)).to(device)
        vectors = model(batch.input_ids, batch.attention_mask, batch.token_type_ids).float()
        with torch.autocast(device.type, enabled=False):
            return learning_loss(vectors, taught @ turn.to(device), taught, settings, lessons.cuts)

    plan = plan_of(settings, seed)
    return train(student, lessons.texts.lengths, step_loss, evaluate, plan, checkpoints, "student")


class _AsClassifier(nn.Module):
    """The teacher as `start_from_teacher` takes it. Its last step fits the head to `logits` on [CLS]; ours is fitted to
    the vectors on the mean after it, so these are only of the right width."""

    def __init__(self, teacher: SentenceEncoder, size: int) -> None:
        super().__init__()
        self.base_model, self.config, self.size = teacher.encoder, teacher.encoder.config, size

    def forward(self, **inputs: Any) -> SimpleNamespace:
        out = self.base_model(**inputs)
        return SimpleNamespace(hidden_states=out.hidden_states, logits=out.last_hidden_state[:, 0, : self.size])
