"""What the teacher outputs for a data set: computed once, kept on disk, read through memory maps.

Bytes: 4 x labels a text for the logits; 2 x layers x hidden a token for the states; 2 x layers x heads x tokens^2 a
text for the attention; 6 x hidden a token for the queries, keys and values of the last layer. Six layers of 384 and 12
heads cost 4.6 kB a token and, for a text of 20 tokens, 58 kB of attention. Each is kept only where a loss asks for it.
Left out: compression, and running the teacher (`teacher_states.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ..tokens import TokenizedTexts, rows_at, sorted_batches
from ..training import has_fast_bf16
from .losses import ABSENT
from .teacher_states import TeacherStates, count_heads, teacher_states

TEACHER_BATCH = 64
AttentionKind = Literal["", "weights", "scores"]


@dataclass(frozen=True)
class Needs:
    """What of a teacher is kept beside its logits: states of its layers, its embeddings' output, every head's
    `attention` after the softmax ("weights") or before it ("scores"), queries, keys and values of the last layer."""

    hidden: bool = False
    embeddings: bool = False
    attention: AttentionKind = ""
    relations: bool = False

    def joined(self, other: Needs) -> Needs:
        """What two methods need together; the weights follow from the scores."""
        attention: AttentionKind = max(self.attention, other.attention, key=("", "weights", "scores").index)
        return Needs(
            self.hidden or other.hidden,
            self.embeddings or other.embeddings,
            attention,
            self.relations or other.relations,
        )

    def settings(self) -> dict[str, Any]:
        """For the name of a stage: without what is asked for seldom, so that a kept answer stays found."""
        seldom = {"embeddings": self.embeddings, "scores": self.attention == "scores", "relations": self.relations}
        asked = {name: True for name, wanted in seldom.items() if wanted}
        return {"hidden": self.hidden, "attention": bool(self.attention), **asked}


@dataclass(frozen=True)
class Lesson:
    """The teacher's outputs for one batch: logits [batch, labels]; `hidden`, `attention` and `scores` one tensor a
    layer, [batch, sequence, hidden] and [batch, heads, sequence, sequence]; `relations` queries, keys and values of the
    last layer, each [batch, sequence, width]; `embeddings` [batch, sequence, hidden]; empty where they were not kept.
    """

    logits: Tensor
    hidden: tuple[Tensor, ...] = ()
    attention: tuple[Tensor, ...] = ()
    scores: tuple[Tensor, ...] = ()
    relations: tuple[Tensor, ...] = ()
    embeddings: tuple[Tensor, ...] = ()

    def to(self, device: torch.device) -> Lesson:
        """The same lesson on a device."""
        groups = (self.hidden, self.attention, self.scores, self.relations, self.embeddings)
        return Lesson(self.logits.to(device), *(tuple(t.to(device) for t in tensors) for tensors in groups))


@dataclass(frozen=True)
class TeacherOutputs:
    """Memory maps: `logits` [texts, labels] f32 (of words where these are decided, text i's from `row_offsets[i]` on);
    `hidden` [tokens, layers, hidden], `attention` (flat), `relations` [tokens, 3, width] and `embeddings` [tokens, 1,
    hidden] f16."""

    logits: NDArray[np.float32]
    hidden: NDArray[np.float16] | None
    attention: NDArray[np.float16] | None
    attention_offsets: NDArray[np.int64]
    offsets: NDArray[np.int64]
    layers: int
    heads: int
    before_softmax: bool = False
    relations: NDArray[np.float16] | None = None
    embeddings: NDArray[np.float16] | None = None
    row_offsets: NDArray[np.int64] | None = None

    def logits_of(self, indices: Sequence[int]) -> Tensor:
        """[rows, labels] of the texts at `indices`."""
        rows = np.asarray(indices) if self.row_offsets is None else rows_at(self.row_offsets, indices)
        return torch.from_numpy(self.logits[rows])

    def lesson(self, indices: Sequence[int], length: int, aligned: NDArray[np.bool_]) -> Lesson:
        """The outputs for the texts at `indices`, padded with zeros to `length` tokens.

        Where `aligned` [texts] is False the student's tokens are not the teacher's: that text's rows stay zero.
        """
        rows = [(row, i) for row, i in enumerate(indices) if aligned[i]]
        kept = self._attention(rows, len(indices), length)
        attention = tuple(_weights(scores) for scores in kept) if self.before_softmax else kept
        return Lesson(
            self.logits_of(indices),
            self._tokens(self.hidden, rows, len(indices), length),
            attention,
            kept if self.before_softmax else (),
            self._tokens(self.relations, rows, len(indices), length),
            self._tokens(self.embeddings, rows, len(indices), length),
        )

    def _tokens(
        self, kept: NDArray[np.float16] | None, rows: list[tuple[int, int]], count: int, length: int
    ) -> tuple[Tensor, ...]:
        if kept is None:
            return ()
        out = np.zeros((kept.shape[1], count, length, kept.shape[2]), dtype=np.float16)
        for row, i in rows:
            states = kept[self.offsets[i] : self.offsets[i + 1]]
            out[:, row, : len(states)] = states.transpose(1, 0, 2)
        return tuple(torch.from_numpy(out).float())

    def _attention(self, rows: list[tuple[int, int]], count: int, length: int) -> tuple[Tensor, ...]:
        if self.attention is None:
            return ()
        nothing = ABSENT if self.before_softmax else 0
        out = np.full((self.layers, count, self.heads, length, length), nothing, dtype=np.float16)
        for row, i in rows:
            n = int(self.offsets[i + 1] - self.offsets[i])
            flat = self.attention[self.attention_offsets[i] : self.attention_offsets[i + 1]]
            out[:, row, :, :n, :n] = flat.reshape(self.layers, self.heads, n, n)
        return tuple(torch.from_numpy(out).float())


@torch.no_grad()
def write_teacher_outputs(
    teacher: Any, texts: TokenizedTexts, folder: Path, *, layers: Sequence[int], needs: Needs
) -> None:
    """Runs the teacher, in eval mode, over all texts. `layers` are the teacher layers whose outputs are kept.

    Raises TrainingError when it has none of what is needed.
    """
    writer = _Writer(texts, folder, teacher, len(layers), needs)
    teacher.eval()
    batches = sorted_batches(texts.lengths, TEACHER_BATCH)
    for indices in tqdm(batches, desc="teacher outputs", unit="batch", disable=None):
        batch = texts.batch(indices)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16()):
            states = teacher_states(
                teacher, batch, layers, attention=needs.attention == "weights", scores=needs.attention == "scores",
                relations=needs.relations,
            )  # fmt: skip
        writer.write(indices, replace(states, logits=batch.rows_of(states.logits)))
    writer.close()


def replace_logits(folder: Path, logits: NDArray[np.float32]) -> None:
    """Of the first texts, [texts, outputs], by what a teacher said of whom nothing else is known."""
    kept = np.load(folder / "logits.npy")
    kept[: len(logits)] = logits
    np.save(folder / "logits.npy", kept)


def read_teacher_outputs(folder: Path, texts: TokenizedTexts) -> TeacherOutputs:
    """Opens what `write_teacher_outputs` wrote for the same texts."""
    meta = json.loads((folder / "outputs.json").read_text(encoding="utf-8"))

    def opened(name: str) -> Any:
        return np.load(folder / f"{name}.npy", mmap_mode="r") if meta.get(name) else None

    return TeacherOutputs(
        logits=np.load(folder / "logits.npy"),
        hidden=opened("hidden"),
        attention=opened("attention"),
        attention_offsets=_attention_offsets(texts, meta["layers"], meta["heads"]),
        offsets=texts.offsets,
        layers=meta["layers"],
        heads=meta["heads"],
        before_softmax=meta.get("before_softmax", False),
        relations=opened("relations"),
        embeddings=opened("embeddings"),
        row_offsets=texts.word_offsets,
    )


class _Writer:
    def __init__(self, texts: TokenizedTexts, folder: Path, teacher: Any, layers: int, needs: Needs) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.texts, self.folder, self.layers, self.needs = texts, folder, layers, needs
        self.heads = count_heads(teacher)
        self.attention_offsets = _attention_offsets(texts, layers, self.heads)
        self.logits = np.zeros((int(texts.row_offsets[-1]), teacher.num_labels), dtype=np.float32)
        self.maps: dict[str, np.memmap[Any, np.dtype[np.float16]]] = {}

    def write(self, indices: Sequence[int], states: TeacherStates) -> None:
        self.logits[self.texts.rows(indices)] = states.logits.float().numpy()
        if self.needs.hidden:
            self._write_tokens("hidden", indices, states.hidden)
        if self.needs.embeddings:
            self._write_tokens("embeddings", indices, (states.embeddings,))
        if self.needs.relations:
            self._write_tokens("relations", indices, states.relations)
        if self.needs.attention:
            self._write_attention(indices, states)

    def _write_tokens(self, name: str, indices: Sequence[int], tensors: Sequence[Tensor]) -> None:
        values = torch.stack(list(tensors), 2).half().numpy()
        out = self._map(name, (int(self.texts.offsets[-1]), values.shape[2], values.shape[3]))
        for row, i in enumerate(indices):
            start, stop = self.texts.offsets[i], self.texts.offsets[i + 1]
            out[start:stop] = values[row, : stop - start]

    def _write_attention(self, indices: Sequence[int], states: TeacherStates) -> None:
        tensors = states.scores if self.needs.attention == "scores" else states.attention
        values = torch.stack(list(tensors), 1).half().numpy()
        out = self._map("attention", (int(self.attention_offsets[-1]),))
        for row, i in enumerate(indices):
            n = int(self.texts.lengths[i])
            start, stop = self.attention_offsets[i], self.attention_offsets[i + 1]
            out[start:stop] = values[row, :, :, :n, :n].reshape(-1)

    def _map(self, name: str, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.float16]]:
        if name not in self.maps:
            path = self.folder / f"{name}.npy"
            self.maps[name] = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
            _reserve(path)
        return self.maps[name]

    def close(self) -> None:
        for array in self.maps.values():
            array.flush()
        np.save(self.folder / "logits.npy", self.logits)
        kept = {name: name in self.maps for name in ("hidden", "attention", "relations", "embeddings")}
        scores = self.needs.attention == "scores"
        meta = {"layers": self.layers, "heads": self.heads, "before_softmax": scores, **kept}
        (self.folder / "outputs.json").write_text(json.dumps(meta) + "\n", encoding="utf-8")


def _reserve(path: Path) -> None:
    """Asks the disk for the whole file: on a full one, a write to its mapped memory would kill the process."""
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _weights(scores: Tensor) -> Tensor:
    """Zero, not even, where a row has no real keys."""
    return scores.softmax(-1) * (scores > ABSENT / 2)


def _attention_offsets(texts: TokenizedTexts, layers: int, heads: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(texts.lengths.astype(np.int64) ** 2 * layers * heads)])
