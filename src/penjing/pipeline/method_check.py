"""Whether a method fits the pair of teacher and student: said before anything is computed.

Left out: what a recipe can tell without its teacher (`recipe_fit.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..compress.distill.method import Method
from ..compress.distill.methods import METHODS, meta_kd, method_named
from ..compress.distill.methods.minilm import SECOND
from ..compress.teacher import read_config
from ..runtime.errors import RecipeError
from .sections import Recipe
from .student_sections import BiLstmStudent, Student

NEEDED = {"layers": "states and attention, layer by layer", "last layer": "last layer"}
"""By what a method asks for."""


def check_method(recipe: Recipe) -> None:
    """Raises RecipeError that says what does not fit and which methods do; nothing for a student that is not trained.

    Raises TrainingError when the teacher cannot be had.
    """
    if recipe.untrained:
        return
    problem = next(problems(recipe, method_named(recipe.distill.method)), None)
    if problem is not None:
        fitting = [method.name for method in METHODS if next(problems(recipe, method), None) is None]
        raise RecipeError(
            f"distill.method {recipe.distill.method}: {problem}; these fit as it is: {', '.join(fitting)}"
        )


def problems(recipe: Recipe, method: Method) -> Iterator[str]:
    """A sentence for each thing that does not fit."""
    distill, given = recipe.distill, recipe.distill.model_fields_set
    if not method.transfers and "transfer_epochs" in given and distill.transfer_epochs:
        given_epochs = distill.transfer_epochs
        yield f"it has one phase, which distill.epochs is of, but transfer_epochs is {given_epochs}: set it to 0"
    if method.transfers and not method.answers_early and distill.epochs == 0:
        yield "its transfer teaches no answers, but distill.epochs is 0: set it to 1 or more"
    if not method.transfers and distill.general is not None:
        yield "it has no transfer, which distill.general is of: take distill.general out"
    if method is meta_kd.METHOD:
        yield from _without_domains(recipe)
    if method.asks == "answers":
        return
    if isinstance(recipe.student, BiLstmStudent):
        yield f"it learns from the teacher's {NEEDED[method.asks]}, and a bilstm has no such layers"
        return
    if recipe.two_towers:
        yield f"it learns from the teacher's {NEEDED[method.asks]} of both texts together, and a tower reads one alone"
        return
    teacher = read_config(recipe.teacher.model)
    layers, heads = teacher.num_hidden_layers, teacher.num_attention_heads
    own_layers = recipe.student.layers or layers
    if method.asks == "layers" and own_layers > layers:
        yield f"student.layers is {own_layers} but the teacher has {layers}, so no layer map: take {layers} or fewer"
    if not isinstance(recipe.student, Student):
        return
    own = recipe.student
    width = own.heads * max(1, own.bottleneck_size // own.heads)
    if method.by_head and own.heads != heads:
        yield f"it goes head by head, but student.heads is {own.heads} and the teacher has {heads}: set it to {heads}"
    if method is SECOND and width % heads:
        yield f"its {heads} relation heads do not divide the student's width of {width}: choose a multiple of {heads}"


def _without_domains(recipe: Recipe) -> Iterator[str]:
    """What keeps Meta-KD from weighing each text by its label, its domain and its meta-teacher's answer."""
    if not recipe.data.has_domains:
        yield "it needs the domain of each text: give data.domain or data.domains"
    distill = recipe.distill
    unfit = {
        "distill.corpus": distill.corpus, "distill.augmentation": distill.augmentation,
        "distill.general": distill.general,
        "teacher.inverted_bottleneck": recipe.teacher.inverted_bottleneck,
    }  # fmt: skip
    for name, given in unfit.items():
        if given:
            yield f"it learns of a meta-teacher, from texts with a label and a domain alone: take {name} out"
