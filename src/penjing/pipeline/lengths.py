"""Sequence lengths that a recipe does not name: the usual ones, as far as its longest input goes, and that one.

Left out: lengths that a recipe names, which stay as they are and are checked with the rest of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

LONGEST = 128
"""`task.max_length` of a recipe that names none."""
EXPORTED, MEASURED = (32, 64, LONGEST), (32, LONGEST)
"""`export.sequence_lengths` and `benchmark.lengths` of such a recipe."""


def with_usual_lengths(recipe: Any) -> Any:
    """`recipe`, sections as plain values, with the lengths that it lacks. What is no recipe is returned as it is."""
    if not isinstance(recipe, dict) or not isinstance(recipe.get("task"), dict):
        return recipe
    longest = recipe["task"].get("max_length", LONGEST)
    if type(longest) is not int:
        return recipe
    found = dict(recipe)
    for section, key, usual in (("export", "sequence_lengths", EXPORTED), ("benchmark", "lengths", MEASURED)):
        given = recipe.get(section, {})
        if isinstance(given, dict):
            found[section] = {key: [*(length for length in usual if length < longest), longest], **given}
    return found


def too_long(measured: Iterable[int], longest: int) -> str | None:
    """What is wrong with `benchmark.lengths`, if one of them is beyond `task.max_length`."""
    most = max(measured, default=0)
    if most <= longest:
        return None
    return f"benchmark.lengths has {most}, but task.max_length is {longest}: measure shorter texts"
