"""What a bundle says of where it is from: the recipe's hash, the seed, the versions. No dates and no paths."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .. import __version__
from .recipe import AnyRecipe, recipe_to_yaml


def provenance(recipe: AnyRecipe, packages: Sequence[str]) -> dict[str, Any]:
    """Equal for equal recipes, seeds and installed packages."""
    return {
        "recipe_sha256": hashlib.sha256(recipe_to_yaml(recipe).encode()).hexdigest(),
        "seed": recipe.seed,
        "versions": {"penjing": __version__, **{name: found for name in packages if (found := _version(name))}},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
