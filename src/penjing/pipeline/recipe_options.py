"""What every command that runs a recipe takes: the recipe, changes to it, and where results go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .recipe import AnyRecipe
    from .sections import Recipe

RecipeName = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A built-in recipe's name, or a YAML file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=VALUE", help="Change a value of the recipe; repeatable.")
]
OutFolder = Annotated[Path | None, typer.Option(help="Folder of the results; runs/<name> if not given.")]


def load_with_folder(recipe: str, overrides: list[str] | None, out: Path | None) -> tuple[AnyRecipe, Path]:
    """The recipe, changed, and the folder of its results. Raises RecipeError as `load_recipe` does."""
    from .recipe import load_recipe  # pydantic comes with an extra; the command has asked for it

    loaded = load_recipe(recipe, tuple(overrides or ()))
    return loaded, out or Path("runs") / loaded.name


def load_text_with_folder(recipe: str, overrides: list[str] | None, out: Path | None) -> tuple[Recipe, Path]:
    """The same for what works on text alone."""
    from .recipe import load_text_recipe

    loaded = load_text_recipe(recipe, tuple(overrides or ()))
    return loaded, out or Path("runs") / loaded.name
