"""Which sections of a text recipe do not go together, and what to do about it.

Each check yields a sentence that names the value and the next step. Left out: what is wrong within one section, which
the section says itself, and methods that do not fit a pair of teacher and student (`method_check.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .few_shot_section import misfit as few_shot_misfit
from .lengths import too_long
from .student_sections import BiLstmStudent, Student

if TYPE_CHECKING:
    from .sections import Recipe

Misfits = Iterator[str]


def first_misfit(recipe: Recipe) -> str | None:
    """What does not fit, as a sentence; None if all does."""
    return next((problem for check in CHECKS for problem in check(recipe)), None)


def _latency(recipe: Recipe) -> Misfits:
    precision, length = recipe.latency_precision, recipe.task.max_length
    if precision is None:
        return
    if "onnx" not in recipe.export.formats:
        yield "prune.budget.latency_ms is about an ONNX file: add onnx to export.formats"
    if precision not in recipe.quantize.precisions:
        yield f"prune.budget.latency_ms is about {precision}: add it to quantize.precisions"
    if length not in recipe.benchmark.lengths or 1 not in recipe.benchmark.threads:
        yield (
            f"prune.budget.latency_ms is about {length} tokens (task.max_length) on 1 thread: add them to"
            " benchmark.lengths and benchmark.threads, so that what came out is measured"
        )


def _untrained(recipe: Recipe) -> Misfits:
    for part in ("method", "minutes"):
        if recipe.untrained and part in recipe.distill.model_fields_set:
            yield (
                f"student.architecture bert without layers is the teacher itself, which is not distilled, so"
                f" distill.{part} {getattr(recipe.distill, part)} does nothing: give student.layers, or take the {part}"
                " out"
            )


def _lstm(recipe: Recipe) -> Misfits:
    if not isinstance(recipe.student, BiLstmStudent):
        return
    parts = {
        "prune": recipe.prune is not None,
        "quantize.training": recipe.quantize.training is not None,
        f"task.kind {recipe.task.kind}": recipe.task.kind == "token-classification",
    }
    for part, given in parts.items():
        if given:
            yield f"{part} is not for student.architecture bilstm: leave it out, or choose mobilebert"


def _towers(recipe: Recipe) -> Misfits:
    if not recipe.two_towers:
        return
    if recipe.data.text_pair is None:
        yield "student.towers is for pairs: name the second text's column in data.text_pair, or leave it out"
    parts = {
        "quantize.training": recipe.quantize.training is not None,
        "teacher.inverted_bottleneck": recipe.teacher.inverted_bottleneck is not None,
    }
    for part, given in parts.items():
        if given:
            yield f"{part} learns layer by layer, which student.towers does not: leave one of the two out"


def _domains(recipe: Recipe) -> Misfits:
    if recipe.data.has_domains and recipe.task.kind != "text-classification":
        yield f"domains are those of texts with one label each, but task.kind is {recipe.task.kind}"
    if recipe.data.has_domains and recipe.task.out_of_scope is not None:
        yield "texts that are out of scope have no domain: leave task.out_of_scope or the domains out"


def _black_box(recipe: Recipe) -> Misfits:
    plain = recipe.task.kind == "text-classification" and not recipe.learns_by_domain
    if recipe.teacher.answers is not None and not plain:
        yield (
            f"teacher.answers are of a plain text-classification, not of {recipe.task.kind} with"
            f" {recipe.distill.method}: take them out"
        )


def _few_shot(recipe: Recipe) -> Misfits:
    problem = few_shot_misfit(recipe)
    if problem is not None:
        yield problem


def _inverted_bottleneck(recipe: Recipe) -> Misfits:
    if recipe.teacher.inverted_bottleneck is None:
        return
    if not isinstance(recipe.student, Student):
        yield (
            f"teacher.inverted_bottleneck has a mobilebert student's shape, but student.architecture is"
            f" {recipe.student.architecture}: leave one of the two out"
        )
    if recipe.distill.general is not None:
        yield (
            "distill.general is of the teacher before it was fine-tuned, teacher.inverted_bottleneck comes after:"
            " leave one of the two out"
        )


def _task(recipe: Recipe) -> Misfits:
    kind, pair = recipe.task.kind, recipe.data.text_pair
    by_word = kind == "token-classification"
    if by_word and pair is not None:
        yield f"data.text_pair does not go with {kind}, which labels words of one text: leave it out"
    if recipe.prune is not None and (kind != "text-classification" or pair is not None):
        given = kind if pair is None else "pairs of texts"
        yield f"prune weighs units by what they do for one label of one text, not {given}: leave it out"
    if by_word and recipe.distill.general is not None:
        yield f"distill.general teaches a student of whole texts, not of {kind}: leave it out"
    if recipe.data.label_separator is not None and kind != "multi-label-classification":
        yield f"data.label_separator is between the labels of a text that has many, not for {kind}"
    if pair is not None and recipe.distill.general is not None:
        yield "distill.general is of single texts, but the task is one of pairs: leave it out"
    for entry in () if recipe.distill.general is None else recipe.distill.general.corpus:
        if entry.text_pair is not None:
            yield f"distill.general {entry.file} is of pairs, but it learns single texts: leave text_pair out"
    for entry in recipe.distill.corpus:
        if pair is not None and entry.text_pair is None:
            yield f"distill.corpus {entry.file} is of single texts, but the task is one of pairs: name its text_pair"
        if pair is None and entry.text_pair is not None:
            yield f"distill.corpus {entry.file} is of pairs, but the task is one of single texts: leave text_pair out"


def _zeros(recipe: Recipe) -> Misfits:
    if recipe.quantize.training is not None and recipe.prune is not None and recipe.prune.sparsity:
        yield "quantize.training moves the weights that prune.sparsity set to zero: leave one of the two out"


def _slimming(recipe: Recipe) -> Misfits:
    if recipe.prune is None or recipe.prune.units != "slimming":
        return
    given: str = recipe.student.architecture
    if isinstance(recipe.student, Student):
        given += f" with the activation {recipe.student.activation}"
    if given != "mobilebert with the activation relu":
        yield (
            f"prune.units: slimming cuts the neurons of a mobilebert student with the activation relu, this one"
            f" is {given}: choose fisher, sensitivity or learned"
        )


def _lengths(recipe: Recipe) -> Misfits:
    longest = max(recipe.export.sequence_lengths)
    if longest != recipe.task.max_length and "tflite" in recipe.export.formats:
        yield (
            f"the longest of export.sequence_lengths is {longest} but task.max_length is {recipe.task.max_length}:"
            " make them equal, so that both engines cut a text at the same place"
        )
    problem = too_long(recipe.benchmark.lengths, recipe.task.max_length)
    if problem is not None:
        yield problem


CHECKS: tuple[Callable[[Recipe], Misfits], ...] = (
    _latency, _untrained, _lstm, _towers, _domains, _black_box, _few_shot, _inverted_bottleneck, _task, _zeros,
    _slimming, _lengths,
)  # fmt: skip
