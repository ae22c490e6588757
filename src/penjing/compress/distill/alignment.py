"""Which of the teacher's layers, heads and directions a student's own answer to, also after cutting.

Left out: how a fresh student is given its layers (`models/closed_form.layer_map`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

NAME, BASIS_NAME = "alignment.json", "alignment.safetensors"


@dataclass(frozen=True)
class Alignment:
    """For each student layer: `hidden`, the kept teacher output it learns; `attention`, the one its scores learn; and
    `heads`, for each of its heads the teacher's (None: as many as the teacher, or averaged over).

    `basis` [teacher hidden, student hidden] maps the teacher's states to the student's.
    """

    hidden: tuple[int, ...]
    attention: tuple[int, ...]
    heads: tuple[tuple[int, ...] | None, ...]
    basis: Tensor

    @staticmethod
    def whole(layers: int, basis: Tensor) -> Alignment:
        """Of a student whose layers answer to the kept teacher layers one by one."""
        own = tuple(range(layers))
        return Alignment(own, own, (None,) * layers, basis)

    def after_layers(self, kept: tuple[int, ...]) -> Alignment:
        """Of the student with these layers left: each also learns what the cut layers behind it did."""
        ends = (*(index - 1 for index in kept[1:]), len(self.hidden) - 1)
        hidden = tuple(self.hidden[end] for end in ends)
        attention, heads = tuple(self.attention[i] for i in kept), tuple(self.heads[i] for i in kept)
        return replace(self, hidden=hidden, attention=attention, heads=heads)

    def after_heads(self, kept: tuple[tuple[int, ...], ...]) -> Alignment:
        """Of the student with these heads left in each layer."""
        heads = tuple(
            tuple(own if before is None else before[own] for own in layer)
            for before, layer in zip(self.heads, kept, strict=True)
        )
        return replace(self, heads=heads)

    def after_hidden(self, basis: Tensor) -> Alignment:
        """Of the student whose hidden states were mapped by `basis` [old hidden, new hidden]."""
        return replace(self, basis=self.basis @ basis)


def write_alignment(alignment: Alignment, folder: Path) -> None:
    """Writes `alignment.json` and `alignment.safetensors`."""
    raw = {"hidden": alignment.hidden, "attention": alignment.attention, "heads": alignment.heads}
    (folder / NAME).write_text(json.dumps(raw) + "\n", encoding="utf-8")
    save_file({"basis": alignment.basis.contiguous()}, folder / BASIS_NAME)


def read_alignment(folder: Path) -> Alignment:
    """What `write_alignment` wrote."""
    raw = json.loads((folder / NAME).read_text(encoding="utf-8"))
    heads = tuple(None if layer is None else tuple(layer) for layer in raw["heads"])
    return Alignment(tuple(raw["hidden"]), tuple(raw["attention"]), heads, load_file(folder / BASIS_NAME)["basis"])


def is_identity(basis: Tensor) -> bool:
    """True where states need no mapping."""
    return basis.shape[0] == basis.shape[1] and torch.equal(basis, torch.eye(len(basis)))
