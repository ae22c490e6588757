"""A masked language model: any BERT encoder with the head that guesses masked words.

The head is the published one: dense, activation, layer norm, then logits tied to the word table, and a bias
(arXiv 1810.04805, section 3.1). A checkpoint's own head is taken; an encoder without one, such as a sentence encoder,
gets its head here, from plain text: 15% of a text's tokens are guessed, 80% of them masked, 10% changed, 10% as they
are. What comes out is saved as transformers saves a `BertForMaskedLM`. Left out: next-sentence prediction, whole-word
masks, and encoders that are no BERT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..runtime.errors import TrainingError
from .teacher import locate_teacher
from .tokens import TokenizedTexts, sorted_batches, tokenize
from .training import Evaluation, TrainingPlan, device_of, train

GUESSED, MASKED, CHANGED = 0.15, 0.8, 0.1
"""Share of a text's tokens that are guessed; of these, the shares that are masked and that become another token."""
LONGEST = 128
FEWEST_TEXTS = 32
BATCH, RATE, WARMUP, EVALUATIONS = 64, 1e-3, 0.1, 4
ENCODER_RATE = 0.1
"""The encoder is trained too, by this multiple of the head's rate: the last states of a sentence encoder were made to
tell what a text means, not which word stands where. After 100 steps on 20,000 sentences of SST-2 all-MiniLM-L6-v2
guessed 13.9% of the held-out tokens right, and 5.4% with the encoder as it was."""
HELD_OUT = 512


class TiedHead(nn.Module):
    """States [n, hidden] to logits [n, words]. The table is given, so that state dicts hold it once."""

    def __init__(self, transform: nn.Module, bias: Tensor) -> None:
        super().__init__()
        self.transform = transform
        self.bias = nn.Parameter(bias.detach().clone())

    def forward(self, states: Tensor, word_table: Tensor) -> Tensor:
        return F.linear(self.transform(states), word_table, self.bias)


class MaskedLm(nn.Module):
    """Ids, mask, types and `asked` (bool), all [batch, sequence], to logits [asked tokens, words], row by row.

    Modules are named as in transformers' BertForMaskedLM.
    """

    def __init__(self, whole: Any) -> None:
        super().__init__()
        head = whole.cls.predictions
        self.bert = whole.bert
        self.cls = nn.ModuleDict({"predictions": TiedHead(head.transform, head.bias)})
        self.config = whole.config

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor, asked: Tensor) -> Tensor:
        states = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        logits: Tensor = self.cls["predictions"](states[asked], self.bert.embeddings.word_embeddings.weight)
        return logits


@dataclass(frozen=True)
class OpenedLm:
    """`tokenizer` is transformers' fast one; without `has_head` the head holds random numbers."""

    model: MaskedLm
    tokenizer: Any
    has_head: bool


def open_masked_lm(model: str) -> OpenedLm:
    """The encoder `model` (what names a teacher), in eval mode, with its head, or a fresh one.

    Raises TrainingError when it cannot be had, is no BERT, or its tokenizer has no mask.
    """
    place = locate_teacher(model)
    logs: Any = transformers.utils.logging
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(place)
        _check_config(model, config)
        tokenizers: Any = transformers.AutoTokenizer
        tokenizer = tokenizers.from_pretrained(place, use_fast=True)
        torch.manual_seed(0)  # a fresh head must not depend on what ran before
        whole, found = transformers.BertForMaskedLM.from_pretrained(place, config=config, output_loading_info=True)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"cannot load the model {model!r}: {' '.join(str(error).split())[:200]}") from None
    if not tokenizer.is_fast or tokenizer.mask_token_id is None:
        raise TrainingError(f"the tokenizer of {model!r} is not fast or has no mask token: take another BERT")
    has_head = not any(name.startswith("cls.predictions") for name in found["missing_keys"])
    return OpenedLm(MaskedLm(whole).eval(), tokenizer, has_head)


def train_masked_lm(
    opened: OpenedLm, texts: Sequence[str], *, steps: int, seed: int, folder: Path, checkpoints: Path
) -> list[Evaluation]:
    """Trains the head, and the encoder with it, and saves both in `folder`; the metric is the share guessed right.

    Resumes from `checkpoints`. Raises TrainingError when there are fewer than FEWEST_TEXTS texts.
    """
    if len(texts) < FEWEST_TEXTS:
        raise TrainingError(
            f"{len(texts)} texts are too few to train a masked-LM head on: give at least {FEWEST_TEXTS}, better"
            " thousands, or a model that has its head"
        )
    opened.tokenizer.save_pretrained(str(folder))
    held = min(HELD_OUT, len(texts) // 10)
    length = min(LONGEST, opened.model.config.max_position_embeddings)
    held_out, seen = (tokenize(part, folder, length) for part in (texts[:held], texts[held:]))
    masks = Masks.of(opened)
    if not opened.has_head:
        start_bias(opened.model, seen)

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        logits, wanted = masks.guess(model, seen, indices)  # drawn from the generator that `train` seeds by the step
        return guess_loss(logits, wanted)

    plan = TrainingPlan(steps / -(-len(seen) // BATCH), BATCH, RATE, WARMUP, _evaluations(steps, len(seen)), seed)
    history = train(
        opened.model, seen.lengths, step_loss, lambda: masks.share_right(opened.model, held_out, seed), plan,
        checkpoints, "masked-LM head", lambda name: 1.0 if name.startswith("cls.") else ENCODER_RATE,
    )  # fmt: skip
    save_masked_lm(opened.model.cpu().eval(), folder)
    return history


@torch.no_grad()
def start_bias(model: MaskedLm, texts: TokenizedTexts) -> None:
    """Sets the head's bias to the log of how often each token occurs: what is guessed by one who sees nothing."""
    counts = torch.bincount(torch.from_numpy(texts.ids).long(), minlength=model.config.vocab_size) + 1.0
    bias: Tensor = model.get_parameter("cls.predictions.bias")
    bias.copy_((counts / counts.mean()).log())


def save_masked_lm(model: MaskedLm, folder: Path) -> None:
    """config.json and model.safetensors, as transformers names them; the tokenizer is not among them."""
    model.config.architectures = ["BertForMaskedLM"]
    model.config.save_pretrained(str(folder))
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@dataclass(frozen=True)
class Masks:
    """What masking needs to know of a tokenizer: the mask's id, ids that are never guessed, how many there are."""

    mask_id: int
    special: tuple[int, ...]
    words: int

    @staticmethod
    def of(opened: OpenedLm) -> Masks:
        special = tuple(opened.tokenizer.all_special_ids)
        return Masks(opened.tokenizer.mask_token_id, special, opened.model.config.vocab_size)

    def guess(
        self, model: nn.Module, texts: TokenizedTexts, indices: list[int], generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits [guessed, words] and true ids [guessed] of the tokens that were drawn in these texts."""
        batch = texts.batch(indices)
        maskable = batch.attention_mask.bool() & ~torch.isin(batch.input_ids, torch.tensor(self.special))
        ids, chosen = mask_tokens(batch.input_ids, maskable, self.mask_id, self.words, generator)
        device = device_of(model)
        rest = (batch.attention_mask, batch.token_type_ids, chosen)
        return model(ids.to(device), *(t.to(device) for t in rest)), batch.input_ids[chosen].to(device)

    def share_right(self, model: nn.Module, texts: TokenizedTexts, seed: int) -> float:
        """Share of the guessed tokens that the model gets right; the same tokens at each call."""
        generator, right, count = torch.Generator().manual_seed(seed), 0, 0
        for indices in sorted_batches(texts.lengths, BATCH):
            logits, wanted = self.guess(model, texts, indices, generator)
            right += int((logits.argmax(-1) == wanted).sum())
            count += len(wanted)
        return right / max(1, count)


def mask_tokens(
    ids: Tensor, maskable: Tensor, mask_id: int, words: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """The ids as the model sees them, and which are guessed (bool): 15% of each text's `maskable`, one at least."""
    have = maskable.sum(1)
    wanted = (have * GUESSED).round().clamp(min=1).minimum(have)
    ranks = torch.rand(ids.shape, generator=generator).masked_fill(~maskable, 2.0).argsort(1).argsort(1)
    chosen = maskable & (ranks < wanted[:, None])
    fate = torch.rand(ids.shape, generator=generator)
    other = torch.randint(words, ids.shape, generator=generator)
    shown = torch.where(chosen & (fate < MASKED), mask_id, ids)
    return torch.where(chosen & (fate >= 1 - CHANGED), other, shown), chosen


def guess_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean cross-entropy of logits [guessed, words] against the true ids [guessed]; 0 where nothing was guessed."""
    return F.cross_entropy(logits.float(), wanted, reduction="sum") / max(1, len(wanted))


def _evaluations(steps: int, texts: int) -> int:
    """Parts of an epoch, so that the whole training has at least EVALUATIONS evaluations."""
    return max(1, -(-EVALUATIONS * texts // (steps * BATCH)))


def _check_config(model: str, config: Any) -> None:
    if config.model_type != "bert" or getattr(config, "is_decoder", False):
        raise TrainingError(
            f"the model {model!r} is a {config.model_type} model: the masked-LM head is BERT's; take a BERT encoder,"
            " such as all-MiniLM-L6-v2"
        )
    if not config.tie_word_embeddings:
        raise TrainingError(f"the head of {model!r} is not tied to its word table: take a BERT whose head is")
