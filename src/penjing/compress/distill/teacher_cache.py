"""What the teacher outputs for a data set: computed once, kept on disk, read through memory maps.

Bytes: 4 x labels a text for the logits; 2 x layers x hidden a token for the states; 2 x layers x heads x tokens^2 a
text for the attention weights. Six layers of 384 and 12 heads cost 4.6 kB a token and, for a text of 20 tokens, 58 kB
of attention. States and weights are kept only where a loss asks for them. Left out: compression.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from ..tokens import TokenizedTexts, sorted_batches
from ..training import has_fast_bf16

TEACHER_BATCH = 64


@dataclass(frozen=True)
class Lesson:
    """The teacher's outputs for one batch: logits [batch, labels]; `hidden` and `attention` one tensor a layer,
    [batch, sequence, hidden] and [batch, heads, sequence, sequence]; empty where they were not kept."""

    logits: Tensor
    hidden: tuple[Tensor, ...]
    attention: tuple[Tensor, ...]

    def to(self, device: torch.device) -> Lesson:
        """The same lesson on a device."""
        hidden, attention = (tuple(t.to(device) for t in tensors) for tensors in (self.hidden, self.attention))
        return Lesson(self.logits.to(device), hidden, attention)


@dataclass(frozen=True)
class TeacherOutputs:
    """Memory maps: `logits` [texts, labels] f32, `hidden` [tokens, layers, hidden] f16, `attention` flat f16."""

    logits: NDArray[np.float32]
    hidden: NDArray[np.float16] | None
    attention: NDArray[np.float16] | None
    attention_offsets: NDArray[np.int64]
    offsets: NDArray[np.int64]
    layers: int
    heads: int

    def logits_of(self, indices: Sequence[int]) -> Tensor:
        """[batch, labels] of the texts at `indices`."""
        return torch.from_numpy(self.logits[np.asarray(indices)])

    def lesson(self, indices: Sequence[int], length: int, aligned: NDArray[np.bool_]) -> Lesson:
        """The outputs for the texts at `indices`, padded with zeros to `length` tokens.

        Where `aligned` [texts] is False the student's tokens are not the teacher's: that text's rows stay zero.
        """
        rows = [(row, i) for row, i in enumerate(indices) if aligned[i]]
        return Lesson(
            self.logits_of(indices),
            self._hidden(rows, len(indices), length),
            self._attention(rows, len(indices), length),
        )

    def _hidden(self, rows: list[tuple[int, int]], count: int, length: int) -> tuple[Tensor, ...]:
        if self.hidden is None:
            return ()
        out = np.zeros((self.layers, count, length, self.hidden.shape[2]), dtype=np.float16)
        for row, i in rows:
            states = self.hidden[self.offsets[i] : self.offsets[i + 1]]
            out[:, row, : len(states)] = states.transpose(1, 0, 2)
        return tuple(torch.from_numpy(out).float())

    def _attention(self, rows: list[tuple[int, int]], count: int, length: int) -> tuple[Tensor, ...]:
        if self.attention is None:
            return ()
        out = np.zeros((self.layers, count, self.heads, length, length), dtype=np.float16)
        for row, i in rows:
            n = int(self.offsets[i + 1] - self.offsets[i])
            flat = self.attention[self.attention_offsets[i] : self.attention_offsets[i + 1]]
            out[:, row, :, :n, :n] = flat.reshape(self.layers, self.heads, n, n)
        return tuple(torch.from_numpy(out).float())


@torch.no_grad()
def write_teacher_outputs(
    teacher: nn.Module, texts: TokenizedTexts, folder: Path, *, layers: Sequence[int], hidden: bool, attention: bool
) -> None:
    """Runs the teacher, in eval mode, over all texts. `layers` are the teacher layers whose outputs are kept."""
    config: Any = teacher.config
    writer = _Writer(texts, folder, tuple(layers), config, hidden, attention)
    teacher.eval()
    batches = sorted_batches(texts.lengths, TEACHER_BATCH)
    for indices in tqdm(batches, desc="teacher outputs", unit="batch", disable=None):
        batch = texts.batch(indices)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16()):
            out = teacher(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                output_hidden_states=hidden,
                output_attentions=attention,
            )
        writer.write(indices, out)
    writer.close()


def read_teacher_outputs(folder: Path, texts: TokenizedTexts) -> TeacherOutputs:
    """Opens what `write_teacher_outputs` wrote for the same texts."""
    meta = json.loads((folder / "outputs.json").read_text(encoding="utf-8"))
    return TeacherOutputs(
        logits=np.load(folder / "logits.npy"),
        hidden=np.load(folder / "hidden.npy", mmap_mode="r") if meta["hidden"] else None,
        attention=np.load(folder / "attention.npy", mmap_mode="r") if meta["attention"] else None,
        attention_offsets=_attention_offsets(texts, meta["layers"], meta["heads"]),
        offsets=texts.offsets,
        layers=meta["layers"],
        heads=meta["heads"],
    )


class _Writer:
    def __init__(
        self, texts: TokenizedTexts, folder: Path, layers: tuple[int, ...], config: Any, hidden: bool, attention: bool
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.texts, self.folder, self.layers = texts, folder, layers
        heads = config.num_attention_heads
        self.attention_offsets = _attention_offsets(texts, len(layers), heads)
        self.logits = np.zeros((len(texts), config.num_labels), dtype=np.float32)
        shape = (int(texts.offsets[-1]), len(layers), config.hidden_size)
        self.hidden = _map(folder / "hidden.npy", shape) if hidden else None
        self.attention = _map(folder / "attention.npy", (int(self.attention_offsets[-1]),)) if attention else None
        self.meta = {"layers": len(layers), "heads": heads, "hidden": hidden, "attention": attention}

    def write(self, indices: Sequence[int], out: Any) -> None:
        self.logits[np.asarray(indices)] = out.logits.float().numpy()
        if self.hidden is not None:
            states = torch.stack([out.hidden_states[layer + 1] for layer in self.layers], 2).half().numpy()
            for row, i in enumerate(indices):
                start, stop = self.texts.offsets[i], self.texts.offsets[i + 1]
                self.hidden[start:stop] = states[row, : stop - start]
        if self.attention is not None:
            weights = torch.stack([out.attentions[layer] for layer in self.layers], 1).half().numpy()
            for row, i in enumerate(indices):
                n = int(self.texts.lengths[i])
                start, stop = self.attention_offsets[i], self.attention_offsets[i + 1]
                self.attention[start:stop] = weights[row, :, :, :n, :n].reshape(-1)

    def close(self) -> None:
        for array in (self.hidden, self.attention):
            if array is not None:
                array.flush()
        np.save(self.folder / "logits.npy", self.logits)
        (self.folder / "outputs.json").write_text(json.dumps(self.meta) + "\n", encoding="utf-8")


def _map(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.float16]]:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)


def _attention_offsets(texts: TokenizedTexts, layers: int, heads: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(texts.lengths.astype(np.int64) ** 2 * layers * heads)])
