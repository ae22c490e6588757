"""The meta-teacher: an encoder that learns typical texts most, and states that do not show their domain.

L_MT = mean over i of t_i (CE_i + 0.5 L_DC,i) (arXiv 2012.01266, section 3.2; the half is the published code's). The
classifier is saved as transformers saves models, its domain part and the instance weights beside it. Left out: the
ReLU that the published code puts between pooler and classifier, which no class of transformers has; everybody's tools
could not open the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ...data import Split
from ...tasks.task import Goal, evaluate
from ...teacher import TeacherSettings, load_encoder, teacher_inputs, teacher_logits
from ...tokens import TokenizedTexts, tokenize
from ...training import Evaluation, StepLoss, device_of, plan_of, train
from .corruption import DomainPart, corruption_losses, save_domain_part, shuffled
from .prototypes import embed_texts, instance_weights, make_prototypes

CORRUPTION_WEIGHT = 0.5
WEIGHTS_NAME = "instance_weights.npy"


class MetaTeacher(nn.Module):
    """A transformers classifier, its domain part, and the head that names a domain."""

    def __init__(self, classifier: Any, domain: DomainPart) -> None:
        super().__init__()
        self.classifier, self.domain = classifier, domain
        self.domain_head = nn.Linear(domain.dense.out_features, domain.embeddings.num_embeddings)

    def forward(self, domains: Tensor, **inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the classes [batch, labels] and of the domains [batch, domains]."""
        out = self.classifier(**inputs, output_hidden_states=True)
        return out.logits, self.domain_head(self.domain(out.hidden_states[-1], inputs["attention_mask"], domains))


def meta_teacher_loss(
    logits: Tensor, labels: Tensor, domain_logits: Tensor, wrong_domains: Tensor, weights: Tensor
) -> Tensor:
    """L_MT of a batch. Logits [batch, labels] and [batch, domains], `weights` t [batch].

    A text whose t is below 0, less typical than none, counts for nothing: it must not teach the opposite.
    """
    task = F.cross_entropy(logits, labels, reduction="none")
    losses = task + CORRUPTION_WEIGHT * corruption_losses(domain_logits, wrong_domains)
    return (weights.clamp_min(0) * losses).mean()


def fine_tune_meta_teacher(
    settings: TeacherSettings,
    goal: Goal,
    domains: Sequence[str],
    data: Split,
    held_out: Split,
    *,
    max_length: int,
    seed: int,
    folder: Path,
    checkpoints: Path,
) -> list[Evaluation]:
    """Fine-tunes on `data`, whose domains are numbers of `domains`, and saves into `folder`; returns the curve."""
    encoder, tokenizer = load_encoder(settings.model, goal.outputs, max_length)
    tokenizer.save_pretrained(str(folder))
    tokens, unseen = (tokenize(split.texts, folder, max_length, split.pairs) for split in (data, held_out))
    gold, homes = torch.tensor(data.labels), torch.tensor(data.domains)
    weights = typicality(encoder, tokens, gold, homes, count=(len(domains), len(goal.outputs)))
    model = MetaTeacher(encoder, DomainPart(encoder.config.hidden_size, len(domains)))

    plan = plan_of(settings, seed)
    history = train(
        model, tokens.lengths, _step_loss(encoder, tokens, gold, homes, weights),
        lambda: evaluate(goal, lambda batch: teacher_logits(encoder, batch), unseen, held_out.labels), plan,
        checkpoints, "meta-teacher",
    )  # fmt: skip
    encoder.cpu().save_pretrained(str(folder))
    save_domain_part(model.domain, folder)
    np.save(folder / WEIGHTS_NAME, weights.numpy())
    return history


def typicality(
    encoder: Any, tokens: TokenizedTexts, labels: Tensor, domains: Tensor, *, count: tuple[int, int]
) -> Tensor:
    """t [texts] by the encoder as it was pre-trained, in eval mode. `count`: how many domains and classes."""
    embeddings = embed_texts(encoder.eval(), tokens)
    prototypes = make_prototypes(embeddings, labels, domains, count=count)
    return instance_weights(embeddings, labels, domains, prototypes)


def read_instance_weights(folder: Path) -> NDArray[np.float32]:
    """t [training texts] of the meta-teacher in `folder`."""
    weights: NDArray[np.float32] = np.load(folder / WEIGHTS_NAME)
    return weights


def _step_loss(encoder: Any, tokens: TokenizedTexts, labels: Tensor, domains: Tensor, weights: Tensor) -> StepLoss:
    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        device = device_of(model)
        batch = tokens.batch(indices).to(device)
        homes = domains[indices].to(device)
        logits, domain_logits = model(homes, **teacher_inputs(encoder, batch))
        gold, own = labels[indices].to(device), weights[indices].to(device)
        return meta_teacher_loss(logits.float(), gold, domain_logits.float(), shuffled(homes), own)

    return step_loss
