"""A sentence encoder as teacher: a transformers encoder, how its states become one vector, and SimCSE's head.

The pooling is read from the folder as sentence-transformers saves it (`modules.json`). BERT's own pooler is thrown
away: it was trained for another task, and vectors taken from it lose 20 points of rank correlation (SimCSE's issues 25
and 100). Left out: encoders with a dense layer after the pooling, and training (`simcse.py`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from ...runtime.errors import TrainingError
from ..teacher import load_encoder, locate_teacher
from ..tokens import TokenizedTexts, sorted_batches
from ..training import device_of, has_fast_bf16
from .pooling import POOLINGS

SENTENCE_NAME, HEAD_NAME = "sentence.json", "head.safetensors"
HEADS = ("none", "training", "always")
"""Where SimCSE's head, Linear and tanh, is: nowhere, in training alone (unsupervised), always (supervised)."""
_NO_HEAD = ("one", "two")
"""A classifier's head comes with every encoder, and needs some labels; it is thrown away."""
BATCH = 64


class SentenceEncoder(nn.Module):
    """ids, mask [batch, sequence] to vectors [batch, hidden], not of length 1. It exports as it is.

    `head` is one of HEADS.
    """

    def __init__(self, encoder: Any, pooling: str, head: str = "none") -> None:
        super().__init__()
        self.encoder, self.pooling, self.head = encoder, pooling, head
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        self.size = int(encoder.config.hidden_size)
        if head != "none":
            self.dense = nn.Linear(self.size, self.size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        typed = token_type_ids is not None and self.encoder.config.type_vocab_size > 1
        kinds = {"token_type_ids": token_type_ids} if typed else {}
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **kinds).last_hidden_state
        pooled = POOLINGS[self.pooling](states, attention_mask)
        if self.head == "always" or (self.head == "training" and self.training):
            return torch.tanh(self.dense(pooled))
        return pooled


def load_sentence_encoder(
    model: str, pooling: str | None, max_length: int, head: str = "none"
) -> tuple[SentenceEncoder, Any]:
    """The pretrained encoder in eval mode and its tokenizer; `pooling` None: as its folder says, else the mean.

    Raises TrainingError as `load_encoder` does, or when the folder asks for what we have not.
    """
    classifier, tokenizer = load_encoder(model, _NO_HEAD, max_length)
    chosen = pooling or folder_pooling(Path(locate_teacher(model))) or "mean"
    torch.manual_seed(0)  # the head is new: its weights must not depend on what ran before
    return SentenceEncoder(classifier.base_model, chosen, head).eval(), tokenizer


def folder_pooling(folder: Path) -> str | None:
    """The pooling that sentence-transformers saved in the folder; None where it saved none. Raises TrainingError."""
    modules = folder / "modules.json"
    if not modules.is_file():
        return None
    listed = {str(entry["type"]).rpartition(".")[2]: str(entry["path"]) for entry in _json(modules)}
    unknown = sorted(listed.keys() - {"Transformer", "Pooling", "Normalize"})
    if unknown:
        raise TrainingError(f"{modules} asks for {unknown[0]} after the encoder: take a teacher without, or plain BERT")
    if "Pooling" not in listed:
        return None
    asked = [key for key, on in _json(folder / listed["Pooling"] / "config.json").items() if on is True]
    ways = [key.removeprefix("pooling_mode_") for key in asked if key.startswith("pooling_mode_")]
    names = {"mean_tokens": "mean", "cls_token": "cls"}
    if len(ways) != 1 or ways[0] not in names:
        raise TrainingError(f"{folder} pools by {', '.join(ways)}: set teacher.pooling to mean or cls")
    return names[ways[0]]


def save_sentence_encoder(model: SentenceEncoder, tokenizer: Any, folder: Path) -> None:
    """Encoder and tokenizer as transformers saves them, `sentence.json`, and the head where it stays."""
    model.encoder.cpu().save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    kept = model.head if model.head == "always" else "none"
    if kept == "always":
        save_file({k: v.detach().cpu().contiguous() for k, v in model.dense.state_dict().items()}, folder / HEAD_NAME)
    (folder / SENTENCE_NAME).write_text(json.dumps({"pooling": model.pooling, "head": kept}) + "\n", encoding="utf-8")


def read_sentence_encoder(folder: Path) -> SentenceEncoder:
    """What `save_sentence_encoder` wrote, in eval mode."""
    logs: Any = transformers.utils.logging
    logs.set_verbosity_error()  # it would tell of the pooler that is not in the folder
    said = _json(folder / SENTENCE_NAME)
    encoder = transformers.AutoModel.from_pretrained(str(folder), attn_implementation="eager")
    model = SentenceEncoder(encoder, said["pooling"], said["head"])
    if model.head != "none":
        model.dense.load_state_dict(load_file(folder / HEAD_NAME))
    return model.eval()


@torch.no_grad()
def embed_texts(model: nn.Module, texts: TokenizedTexts, *, fast: bool = False) -> NDArray[np.float32]:
    """Vectors [texts, size] of length 1 of a teacher or student; with `fast` in bf16 where the CPU has it."""
    found: NDArray[np.float32] | None = None
    device = device_of(model)
    enabled = fast and device.type == "cpu" and has_fast_bf16()
    batches = sorted_batches(texts.lengths, BATCH)
    for indices in tqdm(batches, desc="vectors", unit="batch", disable=None if len(batches) > BATCH else True):
        batch = texts.batch(indices).to(device)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            vectors = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
        rows = nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()
        found = np.zeros((len(texts), rows.shape[1]), np.float32) if found is None else found
        found[indices] = rows
    return np.zeros((0, 0), np.float32) if found is None else found


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read ({error}): copy the teacher again") from None
