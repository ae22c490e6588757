"""Methods and rates of pruning compared on one model: plan, cut with refit, export, judge, and time side by side.

Every model is made by the stages of a run, from a recipe that asks for that one cut, so a killed comparison continues
and a run finds what was made here. Left out: learned masks, which train while they choose, and cutting the vocabulary,
which every method would share.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..benchmarks.plain import from_plain
from ..compress.models.bert import BertShape
from ..compress.models.checkpoint import load_student
from ..compress.prune.costs import cost_of
from ..compress.prune.units import Encoder
from ..compress.prune.widths import shape_with
from ..runtime.errors import PruningError
from .compare_judge import JUDGED_NAME, judge_model, read_times, time_models
from .fit import Sources, train_student
from .prune import cut_and_recover, plan_cut
from .prune_sections import Prune, Widths
from .report.comparison import ComparedModel, CutComparison
from .run import make_sources
from .sections import Quantize, Recipe
from .ship import export_student
from .student_sections import BertStudent
from .terminal import note
from .text_files import read_json
from .workspace import Workspace

METHODS = ("fisher", "sensitivity", "depth", "widths")
MULTIPLE = 8
"""Widths stay in multiples of this."""


@dataclass(frozen=True)
class Cut:
    """One model to make: its label, how it is cut (None: not at all), and the recipe that does so."""

    label: str
    recipe: Recipe
    method: str | None = None
    rate: float | None = None
    recovered: bool = False


def compare_cuts(
    recipe: Recipe, out: Path, methods: Sequence[str], rates: Sequence[float], recover: bool
) -> CutComparison:
    """Makes, judges and times every cut beside the uncut models. Stages go to `out`.

    `rates` are the shares of the MACs to cut; with `recover` each model is made a second time, trained as
    `prune.recovery` says. Raises PruningError for an unknown method, a rate outside [0, 1) or one that cannot be met.
    """
    check_choice(recipe, methods, rates, recover)
    space = Workspace(out)
    with space.locked():
        sources = make_sources(recipe, space)
        student = train_student(recipe, space, sources)
        made = references(recipe, space, sources, student)
        cuts = list_cuts(recipe, load_student(student), methods, rates, recover)
        for cut in tqdm(cuts, desc="compare", unit="model", disable=None):
            made.append((cut, _make(cut, space, sources, student)))
        files = {cut.label: _export(recipe, space, folder) for cut, folder in made}
        judged = [judge_model(recipe, space, sources.data, folder, files[cut.label]) for cut, folder in made]
        times = time_models(recipe, space, sources.data, student, files)
    models = (_compared(cut, folder) for (cut, _), folder in zip(made, judged, strict=True))
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return CutComparison(
        recipe.name, created, recipe.distill.seed, recipe.task.max_length, tuple(models), read_times(times)
    )


def check_choice(recipe: Recipe, methods: Sequence[str], rates: Sequence[float], recover: bool) -> None:
    """Raises PruningError for what cannot be compared."""
    unknown = [method for method in methods if method not in METHODS]
    if unknown or not methods:
        why = " (learned masks train while they choose: see `penjing run`)" if "learned" in unknown else ""
        raise PruningError(
            f"methods {unknown or list(methods)} cannot be compared{why}: choose of {', '.join(METHODS)}"
        )
    outside = [rate for rate in rates if not 0 <= rate < 1]
    if outside or not rates:
        raise PruningError(
            f"rates {outside or list(rates)} cannot be cut: a rate is a share of the MACs, from 0 to less than 1"
        )
    if recover and (recipe.prune is None or recipe.prune.recovery is None):
        raise PruningError(
            f"the recipe {recipe.name!r} does not say how to recover: add prune.recovery, or compare without --recover"
        )


def list_cuts(
    recipe: Recipe, model: Encoder, methods: Sequence[str], rates: Sequence[float], recover: bool
) -> list[Cut]:
    """All models to make, in order. A rate of 0 is the uncut model, which is there anyway."""
    recoveries = [None, recipe.prune.recovery] if recover and recipe.prune is not None else [None]
    cuts = []
    for method in dict.fromkeys(methods):
        for rate in (rate for rate in dict.fromkeys(rates) if rate > 0):
            for recovery in recoveries:
                prune = prune_section(recipe, model, method, rate).model_copy(update={"recovery": recovery})
                label = f"{method} {rate:g}{' recovered' if recovery else ''}"
                own = recipe.model_copy(update={"prune": prune})
                cuts.append(Cut(label, own, method, rate, recovery is not None))
    return cuts


def prune_section(recipe: Recipe, model: Encoder, method: str, rate: float) -> Prune:
    """The section `prune` of one cut without recovery; of the recipe's own stay `multiple` and `sentences`."""
    base = recipe.prune or Prune(rate=rate)
    common: dict[str, Any] = {"multiple": base.multiple, "sentences": base.sentences}
    if method == "depth":
        count = len(model.config.layers)
        return Prune(units=None, layers=max(1, int(count * (1 - rate) + 1e-9)), **common)
    if method == "widths":
        return Prune(units=None, widths=_width(model, rate, recipe.task.max_length), **common)
    return Prune.model_validate({"units": method, "rate": rate, **common})


def _width(model: Encoder, rate: float, length: int) -> Widths:
    """The largest hidden size (of a MobileBERT: bottleneck) with which this share of the MACs is gone."""
    name = "hidden" if isinstance(model.config, BertShape) else "bottleneck"

    def macs(size: int) -> int:
        return cost_of(shape_with(model.config, {name: size}), model.num_labels, length).macs

    dense = getattr(model.config, f"{name}_size")
    sizes, whole = range(MULTIPLE, max(dense, MULTIPLE + 1), MULTIPLE), macs(dense)
    fitting = bisect_right(sizes, (1 - rate) * whole, key=macs)
    if not fitting:
        raise PruningError(
            f"widths {rate:g}: a {name} size of {MULTIPLE} cuts {1 - macs(MULTIPLE) / whole:.3f} of the MACs: ask for"
            " at most that rate"
        )
    return Widths(**{name: sizes[fitting - 1]})


def references(recipe: Recipe, space: Workspace, sources: Sources, student: Path) -> list[tuple[Cut, Path]]:
    """The model that is cut, and its teacher if that is another one and of a form that we can export alike."""
    if recipe.untrained:
        return [(Cut("teacher, uncut", recipe), student)]
    found = [(Cut("student, uncut", recipe), student)]
    as_it_is = recipe.model_copy(update={"student": BertStudent()})
    try:
        return [*found, (Cut("teacher", as_it_is), train_student(as_it_is, space, sources))]
    except PruningError as error:
        note(f"compared without the teacher: {error}")
        return found


def _make(cut: Cut, space: Workspace, sources: Sources, student: Path) -> Path:
    try:
        plan = plan_cut(cut.recipe, space, sources, student, 0)
    except PruningError as error:
        raise PruningError(f"{cut.label}, in MACs: {error}") from None
    return cut_and_recover(cut.recipe, space, sources, student, plan)


def _export(recipe: Recipe, space: Workspace, student: Path) -> Path:
    """ONNX in both precisions, whatever the recipe ships."""
    both = {"export": recipe.export.model_copy(update={"formats": ("onnx",)}), "quantize": Quantize()}
    return export_student(recipe.model_copy(update=both), space, student)


def _compared(cut: Cut, judged: Path) -> ComparedModel:
    raw = {"label": cut.label, "method": cut.method, "rate": cut.rate, "recovered": cut.recovered}
    return from_plain(ComparedModel, {**raw, **read_json(judged / JUDGED_NAME)})
