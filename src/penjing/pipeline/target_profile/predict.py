"""What a recipe's student will take on a device that has a profile, before anything is trained.

Left out: students that are cut out of a BERT, what pruning will take away, and detectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from ...compress.distill.student import student_config
from ...runtime.errors import RecipeError, TargetError
from ..sections import Recipe
from ..student_sections import Student
from .files import operators_of
from .profile import Profile, kind_of
from .shapes import WORDS, Drawn


@dataclass(frozen=True)
class Prediction:
    """What a text of `length` tokens takes in the profile's unit; nine of ten students were within `error` of it.

    `computed` is the length that the engine runs: that of a TFLite file's smallest signature that the text fits.
    """

    engine: str
    precision: str
    length: int
    computed: int
    value: float
    error: float


def predict_student(
    profile: Profile, student: Drawn, precisions: Sequence[str], lengths: Iterable[int]
) -> list[Prediction]:
    """For each engine of the student, precision and length that the profile knows: phones run ONNX files alone.

    Raises TargetError when it knows none of them.
    """
    wanted = [
        (engine, precision, length, computed)
        for engine, signatures in student.lengths.items()
        for precision in precisions
        for length in sorted(set(lengths))
        if kind_of(engine, precision) in profile.fits
        and (computed := _computed(engine, length, signatures)) is not None
    ]
    counted = operators_of(student, {computed for *_, computed in wanted})
    if not wanted:
        raise TargetError(
            f"the profile of {profile.target} knows {', '.join(profile.fits)}, none of which the recipe exports: add"
            " one to export.formats and quantize.precisions"
        )
    fits = {(engine, precision): profile.fits[kind_of(engine, precision)] for engine, precision, *_ in wanted}
    return [
        Prediction(engine, precision, length, computed, fit.predict(counted[computed]), fit.error)
        for engine, precision, length, computed in wanted
        for fit in (fits[engine, precision],)
    ]


def student_of(recipe: Recipe) -> Drawn:
    """The recipe's student with random weights. Raises RecipeError when it is to be cut out of its teacher."""
    if not isinstance(recipe.student, Student):
        raise RecipeError(
            f"{recipe.name}: student.architecture is {recipe.student.architecture}: latency is foretold for mobilebert;"
            " a bert is cut out of its teacher, to a budget if you like: prune.budget.latency_ms"
        )
    if recipe.two_towers:
        raise RecipeError(f"{recipe.name}: latency is foretold for one tower: leave student.towers out")
    lengths = tuple(sorted(recipe.export.sequence_lengths))
    longest = max(*lengths, *recipe.benchmark.lengths)
    teacher = SimpleNamespace(vocab_size=WORDS, max_position_embeddings=longest, type_vocab_size=2)
    config = student_config(recipe.student, teacher, pad_id=0)
    by_engine: dict[str, tuple[int, ...]] = {
        engine: lengths if engine == "tflite" else (longest,) for engine in recipe.export.formats
    }
    return Drawn(recipe.name, config, len(recipe.task.meaning.outputs(recipe.task.labels)), by_engine)


def lengths_of(recipe: Recipe) -> list[int]:
    """Those that the recipe compiles and those that it measures, in tokens, ascending."""
    return sorted({*recipe.export.sequence_lengths, *recipe.benchmark.lengths})


def cautions(profile: Profile, recipe: Recipe, device: str) -> Iterator[str]:
    """Why a prediction may be farther off than it says; `device` is the processor that this runs on."""
    short, long = profile.lengths
    outside = [length for length in lengths_of(recipe) if not short <= length <= long]
    if outside:
        yield f"{', '.join(map(str, outside))} tokens are beyond the {short} to {long} of the profile"
    exported = [kind_of(e, p) for e in recipe.export.formats for p in recipe.quantize.precisions]
    if unknown := [kind for kind in exported if kind not in profile.fits]:
        yield f"the profile of {profile.target} knows no {', '.join(unknown)}"
    if profile.target == "local" and profile.device != device:
        yield f"the profile is of {profile.device}, this machine is {device}: `penjing target profile local`"
    if recipe.prune is not None:
        yield "the recipe cuts its student afterwards: this is the student before the cut"


def _computed(engine: str, length: int, signatures: Sequence[int]) -> int | None:
    """None where the text is longer than the longest signature."""
    return length if engine != "tflite" else next((size for size in sorted(signatures) if size >= length), None)
