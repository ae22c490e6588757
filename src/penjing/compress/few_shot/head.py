"""A linear head on a frozen sentence encoder: the baseline that few labelled texts have to beat.

Logistic regression on vectors of length 1, pooled as the encoder's folder says. Its C is the one with the best log
loss in cross-validation: the logits are learnt from later, so that how sure it is counts as well. Left out: training
the encoder, whose vectors stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from ..data import Split
from ..embedding.teacher import SentenceEncoder, embed_texts, load_sentence_encoder
from ..tasks.task import Goal, evaluate
from ..teacher import teacher_logits, tokenize_split
from ..training import Evaluation

STRENGTHS = tuple(10.0**power for power in range(-2, 5))
"""C of the regression, from strong to weak regularization; vectors of length 1 need large ones."""
FOLDS = 5


@dataclass(frozen=True)
class FittedHead:
    """`weight` [labels, size] and `bias` [labels] of the logits; of two labels these are minus and plus half of
    scikit-learn's one decision value. `log_loss` is that of the cross-validation."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    strength: float
    log_loss: float


def fit_head(vectors: NDArray[np.float32], labels: Sequence[int], seed: int) -> FittedHead:
    """Of vectors [texts, size] and label numbers, at least two texts of each."""
    gold = np.asarray(labels)
    folds = StratifiedKFold(min(FOLDS, int(np.bincount(gold).min())), shuffle=True, random_state=seed)
    losses = {
        strength: -float(cross_val_score(_regression(strength), vectors, gold, cv=folds, scoring="neg_log_loss").mean())
        for strength in STRENGTHS
    }
    best = min(losses, key=lambda strength: losses[strength])
    fitted = _regression(best).fit(vectors, gold)
    weight, bias = fitted.coef_, fitted.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return FittedHead(weight, bias, best, losses[best])


def make_head_teacher(
    model: str, goal: Goal, data: Split, held_out: Split, *, max_length: int, seed: int, folder: Path
) -> list[Evaluation]:
    """Fits the head and saves encoder, head and tokenizer into `folder`, which `load_teacher` opens.

    The one point of its curve has the log loss of the cross-validation, and the metric on `held_out`. Raises
    TrainingError as `load_sentence_encoder` does.
    """
    encoder, tokenizer = load_sentence_encoder(model, None, max_length)
    tokenizer.save_pretrained(str(folder))
    head = fit_head(embed_texts(encoder, tokenize_split(data, folder, max_length, goal)), data.labels, seed)
    teacher = with_head(encoder, head, goal.outputs)
    teacher.save_pretrained(str(folder))
    unseen = tokenize_split(held_out, folder, max_length, goal)
    metric = evaluate(goal, lambda batch: teacher_logits(teacher, batch), unseen, held_out.labels)
    return [Evaluation(0, head.log_loss, metric)]


@torch.no_grad()
def with_head(encoder: SentenceEncoder, head: FittedHead, labels: Sequence[str]) -> Any:
    """A classifier of the encoder and the head, in eval mode."""
    from .pooled_bert import PooledBertConfig, PooledBertForSequenceClassification  # as in `load_teacher`

    plain = {k: v for k, v in encoder.encoder.config.to_dict().items() if k not in ("model_type", "architectures")}
    config: Any = PooledBertConfig(pooling=encoder.pooling, **plain)
    names = dict(enumerate(labels))
    config.update({"id2label": names, "label2id": {name: i for i, name in names.items()}})
    config._attn_implementation = "eager"
    teacher: Any = PooledBertForSequenceClassification(config)
    teacher.bert.load_state_dict(encoder.encoder.state_dict())
    teacher.classifier.weight.copy_(torch.from_numpy(head.weight))
    teacher.classifier.bias.copy_(torch.from_numpy(head.bias))
    return teacher.eval()


def _regression(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=5000)
