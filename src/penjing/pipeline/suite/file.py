"""The suite file: a baseline, seeds, and cells, each a recipe with changes.

    name: sst2-methods
    baseline: plain
    recipe: sst2
    seeds: [1, 2, 3]
    cells:
      - name: plain
      - {name: smaller, set: {student.layers: 4}}

Left out: what a recipe may say (`../sections.py`), and cells that answer different questions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from ...runtime.errors import RecipeError
from ..recipe import AnyRecipe, check_section, load_recipe, read_sections
from ..section import Section

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class Cell(Section):
    """One recipe of the table. Its name becomes the bundle's."""

    name: Name
    recipe: str | None = Field(default=None, description="a built-in recipe's name or a YAML file; else the suite's")
    set: Mapping[str, Any] = Field(default={}, description="changes of the recipe, such as student.layers: 4")


class SuiteFile(Section):
    """All of a suite file."""

    name: Name
    baseline: str = Field(description="the cell that all others are compared with")
    recipe: str | None = Field(default=None, description="the recipe of every cell that names none")
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(1, 2, 3), min_length=1)
    set: Mapping[str, Any] = Field(default={}, description="changes of every cell's recipe, before its own")
    cells: tuple[Cell, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_fit(self) -> SuiteFile:
        names = [cell.name for cell in self.cells]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two cells are named {twice[0]!r}: give each a name of its own")
        if self.baseline not in names:
            raise ValueError(f"baseline is {self.baseline!r}, which is no cell: choose of {', '.join(names)}")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds are {list(self.seeds)}: give each once")
        if bare := [cell.name for cell in self.cells if not (cell.recipe or self.recipe)]:
            raise ValueError(f"cell {bare[0]!r} has no recipe: give it one, or give the suite one")
        return self


@dataclass(frozen=True)
class Suite:
    """A suite file that was checked, and the whole `recipes` of its cells by name, the baseline's first."""

    file: SuiteFile
    recipes: Mapping[str, AnyRecipe]

    def jobs(self) -> Iterator[tuple[str, int, AnyRecipe]]:
        """Cell, seed and recipe: every cell of a seed before the next seed, so that a suite tells something early."""
        for seed in self.file.seeds:
            for name, recipe in self.recipes.items():
                yield name, seed, with_seed(recipe, seed)


def is_suite_file(name: str) -> bool:
    """Whether `penjing suite NAME` is about a suite file; else it is about a recipe."""
    path = Path(name)
    return path.is_file() and "cells" in read_sections(path)


def load_suite(path: Path) -> Suite:
    """Reads and checks a suite file and all of its recipes. Raises RecipeError that names the cell and what is wrong.

    Two cells that would make the same are an error, and so are cells of different tasks.
    """
    file = check_section(SuiteFile, read_sections(path), str(path))
    ordered = sorted(file.cells, key=lambda cell: cell.name != file.baseline)
    recipes = {cell.name: _recipe(file, cell, path) for cell in ordered}
    _check_all_differ(recipes, path)
    _check_one_task(recipes, path)
    return Suite(file, recipes)


def with_seed(recipe: AnyRecipe, seed: int) -> AnyRecipe:
    """The recipe with the student's own seed where it has one, so that seeds share a teacher; else with its seed."""
    distill = getattr(recipe, "distill", None)
    if distill is not None and hasattr(distill, "seed"):
        return recipe.model_copy(update={"distill": distill.model_copy(update={"seed": seed})})
    return recipe.model_copy(update={"seed": seed})


def _recipe(file: SuiteFile, cell: Cell, path: Path) -> AnyRecipe:
    named = cell.recipe or file.recipe or ""
    beside = path.parent / named
    found = str(beside) if beside.is_file() and not Path(named).is_file() else named
    changes = {**file.set, **cell.set}
    try:
        loaded = load_recipe(found, tuple(f"{key}={json.dumps(value)}" for key, value in changes.items()))
    except RecipeError as error:
        raise RecipeError(f"{path}, cell {cell.name!r}: {error}") from None
    return loaded.model_copy(update={"name": cell.name})


def _check_all_differ(recipes: Mapping[str, AnyRecipe], path: Path) -> None:
    """Seeds are the suite's, so recipes that differ in nothing else are equal."""
    known: dict[str, str] = {}
    for name, recipe in recipes.items():
        body = with_seed(recipe, 0).model_dump_json(exclude={"name"})
        if body in known:
            raise RecipeError(
                f"{path}: cells {known[body]!r} and {name!r} are equal: change one or take it out; seeds do not tell"
            )
        known[body] = name


def _check_one_task(recipes: Mapping[str, AnyRecipe], path: Path) -> None:
    kinds = {recipe.task.kind: name for name, recipe in recipes.items()}
    if len(kinds) > 1:
        told = ", ".join(f"{name!r} is for {kind}" for kind, name in kinds.items())
        raise RecipeError(f"{path}: {told}: a suite compares cells of one task, so make one suite a task")
