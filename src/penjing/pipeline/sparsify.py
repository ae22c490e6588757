"""The stages in which single weights become zero, and what that buys. Each is folder(s) in, folder out.

Global magnitude pruning in rounds, each of which takes the same share of what is left and then recovers with a
learning rate that starts afresh (Renda et al. 2020, arXiv 2003.02389). Left out: how weights are ranked and masked
(`compress/prune/weight_masks.py`), and structured pruning, which alone makes a model faster (`prune.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..compress.distill.alignment import read_alignment
from ..compress.models.checkpoint import load_student, save_student
from ..compress.prune.lottery import shares_of_remaining
from ..compress.prune.sparse_bytes import NOT_FASTER, CodedSize, what_sparsity_buys
from ..compress.prune.sparse_encoder import device_sizes, sparser_masks
from ..compress.prune.weight_masks import apply_masks, bare_state, load_masks, save_masks, sparsity_of
from .fit import Sources, take_tokenizer
from .recovery import recover, recovery_settings
from .sections import Recipe
from .text_files import read_json, write_json
from .workspace import Workspace

MASKS_NAME, SPARSITY_NAME = "masks.safetensors", "sparsity.json"


@dataclass(frozen=True)
class Sparsity:
    """`share` of the prunable weights is zero; `fp32` and `int8` are all weights that an exported file holds."""

    share: float
    fp32: CodedSize
    int8: CodedSize

    @property
    def sentence(self) -> str:
        """For a model card."""
        encoder = f"Of the weights of the encoder's matrices {self.share:.1%} were set to zero."
        return f"{encoder} {what_sparsity_buys(self.fp32, self.int8)}"

    def provenance(self) -> dict[str, Any]:
        """For a manifest."""
        sizes = {name: {"dense_bytes": s.dense, "coded_bytes": s.coded, "zeros": s.zeros, "weights": s.entries}
                 for name, s in (("fp32", self.fp32), ("int8", self.int8))}  # fmt: skip
        return {"share": round(self.share, 6), **sizes, "speed": NOT_FASTER}


def sparsify(recipe: Recipe, space: Workspace, sources: Sources, student: Path) -> Path:
    """The student after every round; the one that is given where the recipe asks for no sparsity."""
    if recipe.prune is None or not recipe.prune.sparsity:
        return student
    rate = 1 - (1 - recipe.prune.sparsity) ** (1 / recipe.prune.rounds)
    for share in (*shares_of_remaining(rate, recipe.prune.rounds)[:-1], recipe.prune.sparsity):
        student = zero_and_recover(recipe, space, sources, student, share)
    return student


def zero_and_recover(recipe: Recipe, space: Workspace, sources: Sources, student: Path, share: float) -> Path:
    """The student with `share` of its encoder's weights at zero, its masks, `sparsity.json`, and what `recover` writes.

    What is zero in `student`'s masks stays so.
    """

    def work(folder: Path) -> None:
        began = time.monotonic()
        model = load_student(student)
        before = load_masks(student / MASKS_NAME) if (student / MASKS_NAME).exists() else None
        masks = sparser_masks(model, before, share)
        take_tokenizer(student, folder)
        apply_masks(model, masks)
        recover(recipe, sources, model, read_alignment(student), folder, began)
        small = load_student(student)
        small.load_state_dict(bare_state(model))
        save_student(small, folder)
        save_masks(masks, folder / MASKS_NAME)
        found = Sparsity(sparsity_of(masks), *device_sizes(small, recipe.task.max_length))
        write_json(folder / SPARSITY_NAME, asdict(found))

    inputs = [sources.data, sources.corpus, sources.teacher, sources.outputs, student]
    settings = {"share": share, "max_length": recipe.task.max_length, **recovery_settings(recipe)}
    return space.stage("sparse", work, inputs=inputs, settings=settings, collective=True)


def read_sparsity(student: Path) -> Sparsity | None:
    """What sparsity buys a student; None for a dense one."""
    if not (student / SPARSITY_NAME).exists():
        return None
    raw: Mapping[str, Any] = read_json(student / SPARSITY_NAME)
    return Sparsity(raw["share"], CodedSize(**raw["fp32"]), CodedSize(**raw["int8"]))
