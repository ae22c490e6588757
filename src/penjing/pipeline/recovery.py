"""How a pruned student learns again, the same for every kind of pruning: `prune.recovery` in a recipe.

Left out: what was pruned (`prune.py`, `sparsify.py`), and the phases of learning
(`compress/distill/methods/mobilebert.py`).
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..compress.distill.alignment import Alignment, write_alignment
from ..compress.distill.lessons import validate
from ..compress.distill.method import run_phases
from ..compress.distill.methods.mobilebert import AUXILIARY
from .fit import Sources, read_lessons
from .sections import Recipe
from .text_files import write_json
from .workspace import CHECKPOINTS


def recover(
    recipe: Recipe, sources: Sources, model: nn.Module, alignment: Alignment, folder: Path, began: float
) -> None:
    """Trains `model` in place, as far as the recipe says so; writes `history.json` and the alignment into `folder`.

    The tokenizer that lies in `folder` says what the model reads. `began` is `time.monotonic()` at the stage's start;
    its seconds go into the history, and those of a run that was killed count from where it went on.
    """
    lessons = read_lessons(recipe, sources, folder)
    with torch.no_grad():
        start = validate(model, lessons)
    curves: dict[str, Any] = {"start": start, "transfer": [], "task": []}
    settings = None if recipe.prune is None else recipe.prune.recovery
    if settings is not None:
        phases = AUXILIARY.phases(model, lessons, settings, alignment, recipe.distill.seed)
        transfer, task = run_phases(model, lessons, phases, folder / CHECKPOINTS)
        curves |= {"transfer": [asdict(p) for p in transfer], "task": [asdict(p) for p in task]}
    write_alignment(alignment, folder)
    write_json(folder / "history.json", {**curves, "seconds": time.monotonic() - began})


def recovery_settings(recipe: Recipe) -> dict[str, Any]:
    """What decides a recovery's result, for the name of its stage."""
    settings = None if recipe.prune is None else recipe.prune.recovery
    return {"recovery": None if settings is None else settings.model_dump(), "seed": recipe.distill.seed}
