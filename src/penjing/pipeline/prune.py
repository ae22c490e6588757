"""The stages that cut: a plan, which can be looked at, then the cut and the recovery. Each is folder(s) in, folder out.

With several rounds the two stages alternate, each round going an equal ratio of the way to the budget. Left out: how
anything is chosen or cut (`compress/prune`).
"""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..compress.corpus import read_corpus
from ..compress.distill.alignment import Alignment, read_alignment
from ..compress.models.checkpoint import STUDENT_NAME, load_student, save_student
from ..compress.prune.apply import apply_plan
from ..compress.prune.costs import LatencyTable
from ..compress.prune.make_plan import Budget, choose_units, cost_with_rows, structure
from ..compress.prune.plan import PruningPlan, check_plan, read_plan, write_plan
from ..compress.prune.rescale import refit_outputs
from ..compress.prune.table import plan_rows, shape_of_plan
from ..compress.prune.tokenizer_cut import write_cut_tokenizer
from ..compress.prune.units import Encoder
from ..compress.prune.vocabulary import write_cut
from ..compress.prune.widths import hidden_basis
from ..compress.tokens import Batch, shuffled_batches, tokenize
from ..runtime.errors import PruningError
from .fit import Sources, all_texts, read_lessons, take_tokenizer
from .latency_budget import latency_table, read_latency_table
from .learned_plan import TRAINED, learn_plan
from .prune_sections import Prune
from .reading import digests_of
from .recipe import resolve_path
from .recovery import recover, recovery_settings
from .sections import Recipe
from .sparsify import sparsify
from .terminal import note
from .text_files import read_split, write_json
from .workspace import Workspace

CALIBRATION_BATCH = 64
SUMMARY_NAME = "summary.json"


@dataclass(frozen=True)
class Pruned:
    """The student to go on with, after the last round and what followed it, and the plans of all rounds that cut.

    No plans if the recipe cuts nothing.
    """

    student: Path
    plans: tuple[Path, ...]


def prune_student(recipe: Recipe, space: Workspace, sources: Sources, student: Path) -> Pruned:
    """Every round's plan, cut and recovery; then the rounds in which single weights become zero."""
    if recipe.prune is None:
        return Pruned(student, ())
    plans: list[Path] = []
    for index in range(cutting_rounds(recipe.prune)):
        plans.append(plan_cut(recipe, space, sources, student, index))
        student = cut_and_recover(recipe, space, sources, student, plans[-1])
    return Pruned(sparsify(recipe, space, sources, student), tuple(plans))


def cutting_rounds(settings: Prune) -> int:
    """In how many rounds the model gets smaller: none where single weights alone are pruned."""
    if settings.units is None:
        return int(settings.cuts or not settings.sparsity)
    return settings.rounds


def check_plannable(recipe: Recipe) -> None:
    """Raises PruningError for a recipe that has no plan to show."""
    if cutting_rounds(_settings(recipe)) == 0:
        raise PruningError(
            f"the recipe {recipe.name!r} cuts nothing out, its prune.sparsity only sets weights to zero: there is no"
            " plan to show; `penjing run` does it"
        )


def plan_cut(recipe: Recipe, space: Workspace, sources: Sources, student: Path, index: int) -> Path:
    """`plan.json` of round `index`, and `summary.json`: what was asked, costs before and predicted, the plan's rows.

    Learned masks and slimming train the model while they choose: then the trained model lies in the folder too.
    """
    settings = _settings(recipe)
    trained = settings.units in TRAINED
    sizes = settings.widths.sizes if index == 0 else {}
    table = latency_table(recipe, space, student, sizes)

    def work(folder: Path) -> None:
        began = time.monotonic()
        model: Encoder = load_student(student)
        batches = calibration(recipe, sources.data, student)
        later = settings.model_copy(update={"layers": None, "vocabulary": None})
        own = settings if index == 0 else later
        texts, unchanged = all_texts(sources.data, sources.corpus), unchanged_texts(recipe)
        plan, whole = structure(model, own, sizes, batches, student, texts, unchanged)
        budget = _budget(recipe, whole, plan, index, read_latency_table(table))
        if trained:
            lessons = read_lessons(recipe, sources, student)
            alignment = align(read_alignment(student), plan)
            plan = learn_plan(recipe, whole, plan, budget, lessons, alignment, folder)
            model = whole
        elif settings.units is not None:
            plan = replace(plan, masks=choose_units(whole, settings, batches, budget, plan.vocabulary))
        write_plan(plan, folder)
        seconds = time.monotonic() - began
        write_json(folder / SUMMARY_NAME, {**_summary(model, plan, budget), "seconds": seconds})

    # Without what is not set, so that a key that a later version adds does not make every plan anew.
    asked = settings.model_dump(exclude={"recovery", "sparsity"}, exclude_none=True)
    own_settings = {"prune": asked, "seed": recipe.distill.seed, "round": index}
    if settings.vocabulary_text is not None:
        own_settings["digests"] = digests_of([settings.vocabulary_text.file])
    if trained:
        own_settings["recovery"] = settings.recovery and settings.recovery.model_dump()
    own_inputs = [*([sources.teacher, sources.outputs] if trained else []), *([] if table is None else [table])]
    inputs = [sources.data, sources.corpus, *own_inputs, student]
    return space.stage("pruning-plan", work, inputs=inputs, settings=own_settings, collective=trained)


def plan_to_show(recipe: Recipe, space: Workspace, sources: Sources, student: Path) -> Path:
    """The first round's `plan_cut`; what was edited since and does not fit its model any more is made again."""
    folder = plan_cut(recipe, space, sources, student, 0)
    try:
        check_plan(read_plan(folder), load_student(_origin(folder, student)))
    except PruningError:
        note(f"the plan in {folder} does not fit its model any more: it is made again")
        shutil.rmtree(folder)
        return plan_cut(recipe, space, sources, student, 0)
    return folder


def cut_and_recover(recipe: Recipe, space: Workspace, sources: Sources, student: Path, plan: Path) -> Path:
    """The smaller student, its tokenizer, its alignment with the teacher, and `history.json`."""

    def work(folder: Path) -> None:
        began = time.monotonic()
        origin = _origin(plan, student)
        cut, model = read_plan(plan), load_student(origin)
        batches = calibration(recipe, sources.data, student)
        small = apply_plan(model, cut, mend=lambda whole, part: refit_outputs(whole, part, batches))
        if cut.vocabulary is None:
            take_tokenizer(student, folder)
        else:
            write_cut_tokenizer(student, folder, cut.vocabulary)
            write_cut(cut.vocabulary, folder)
        recover(recipe, sources, small, align(read_alignment(origin), cut), folder, began)
        save_student(small.cpu(), folder)

    inputs = [sources.data, sources.corpus, sources.teacher, sources.outputs, student, plan]
    return space.stage("pruned", work, inputs=inputs, settings=recovery_settings(recipe), collective=True)


def unchanged_texts(recipe: Recipe) -> tuple[str, ...]:
    """Those of `prune.vocabulary_text`; none where it is not given."""
    entry = _settings(recipe).vocabulary_text
    return () if entry is None else tuple(text for row in read_corpus(entry, recipe.seed, resolve_path) for text in row)


def calibration(recipe: Recipe, data: Path, student: Path) -> list[Batch]:
    """`prune.sentences` training texts, drawn by the seed."""
    texts = tokenize(read_split(data / "train.jsonl").texts, student, recipe.task.max_length)
    count = -(-min(_settings(recipe).sentences, len(texts)) // CALIBRATION_BATCH)
    drawn = shuffled_batches(texts.lengths, CALIBRATION_BATCH, f"calibration-{recipe.distill.seed}")[:count]
    return [texts.batch(indices) for indices in drawn]


def align(alignment: Alignment, plan: PruningPlan) -> Alignment:
    """How the student answers to its teacher after the cut."""
    basis = hidden_basis(plan.tensors)
    alignment = alignment if basis is None else alignment.after_hidden(basis)
    kept = tuple(tuple(i for i, factor in enumerate(layer) if factor) for layer in plan.masks.heads)
    return alignment.after_layers(plan.layers).after_heads(kept)


def _origin(plan: Path, student: Path) -> Path:
    """The folder of the model that the plan was made for: a plan may come with one that was trained for it."""
    return plan if (plan / STUDENT_NAME).exists() else student


def _budget(recipe: Recipe, whole: Encoder, plan: PruningPlan, index: int, table: LatencyTable | None) -> Budget:
    """This round's: an equal ratio of the way from the uncut units to the goal."""
    settings = _settings(recipe)
    if settings.budget is None:
        name, goal = "macs", 0.0
    else:
        ((name, goal),) = settings.budget.chosen.items()
    budget = Budget(name, goal, recipe.task.max_length, table)
    full = cost_with_rows(budget, plan.vocabulary, whole.num_labels)(whole.config)
    if settings.budget is None:
        return replace(budget, limit=full * (1 - (settings.rate or 0.0)) ** (1 / settings.rounds))
    left = settings.rounds - index
    return budget if left == 1 else replace(budget, limit=full * (goal / full) ** (1 / left))


def _summary(model: Encoder, plan: PruningPlan, budget: Budget) -> dict[str, Any]:
    after = shape_of_plan(plan, model.config)
    return {
        "field": budget.field,
        "asked": budget.limit,
        "sequence_length": budget.sequence_length,
        "precision": None if budget.table is None else budget.table.precision,
        "before": asdict(budget.full_cost(model.config, model.num_labels)),
        "predicted": asdict(budget.full_cost(after, model.num_labels)),
        "rows": plan_rows(plan, model.config, model.num_labels, budget.sequence_length, budget.table),
    }


def _settings(recipe: Recipe) -> Prune:
    if recipe.prune is None:
        raise PruningError(f"the recipe {recipe.name!r} has no section `prune`: add one, see `penjing recipe schema`")
    return recipe.prune
