"""The recipe: one YAML file, checked when it is read, that says everything a run does.

An unknown key is an error that names the key, its place and the nearest valid key. Left out: what the sections hold
(`sections.py`).
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import TypeAdapter, ValidationError

from ..runtime.errors import RecipeError
from .detection.sections import DetectorRecipe
from .embedding.sections import EmbeddingRecipe
from .section import Section
from .sections import Recipe
from .student_sections import ARCHITECTURES
from .task_sections import TEXT_KINDS

AnyRecipe = Recipe | DetectorRecipe | EmbeddingRecipe
S = TypeVar("S", bound=Section)
KINDS: dict[str, type[Recipe] | type[DetectorRecipe] | type[EmbeddingRecipe]] = {
    **dict.fromkeys(TEXT_KINDS, Recipe), "anomaly-detection": DetectorRecipe, "embedding": EmbeddingRecipe
}  # fmt: skip
"""By `task.kind`; text if it is not given."""
CHOOSERS = ("kind", "architecture")
"""The keys whose value says which of several sections it is."""


def built_in_recipes() -> dict[str, Path]:
    """Names and paths of the recipes that ship with the package."""
    folder = Path(str(files(__package__))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def what_it_is(path: Path) -> str:
    """First sentence of the comment that a built-in recipe begins with."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return re.split(r"(?<=[.?])\s", " ".join(line.lstrip("# ") for line in lines), maxsplit=1)[0]


def load_recipe(name_or_path: str, overrides: tuple[str, ...] = ()) -> AnyRecipe:
    """Reads a built-in recipe by name or a YAML file by path, applies `a.b=value` overrides, and checks the result.

    Raises RecipeError with the key, its place and the nearest valid key.
    """
    path = built_in_recipes().get(name_or_path, Path(name_or_path))
    if not path.is_file():
        known = ", ".join(built_in_recipes())
        raise RecipeError(f"no recipe {name_or_path!r}: give a YAML file or one of the built-in recipes: {known}")
    raw = read_sections(path)
    for override in overrides:
        _override(raw, override)
    return check_recipe(raw, str(path))


def load_text_recipe(name_or_path: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """The same for what works on text alone; raises RecipeError for a detector's recipe, too."""
    recipe = load_recipe(name_or_path, overrides)
    if not isinstance(recipe, Recipe):
        kind = recipe.task.kind
        raise RecipeError(f"{name_or_path} is a recipe for {kind}: this works on {TEXT_KINDS[0]} and the like")
    return recipe


def read_sections(path: Path) -> dict[str, Any]:
    """What a YAML file of sections holds, unchecked; raises RecipeError for a file that holds anything else."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {_one_line(error)}") from None
    if not isinstance(raw, dict):
        raise RecipeError(f"{path} must hold sections (name, task, data, ...), not {type(raw).__name__}")
    return raw


def check_recipe(raw: dict[str, Any], source: str) -> AnyRecipe:
    """Builds the recipe from plain data; raises RecipeError that names `source` and every bad key."""
    task = raw.get("task")
    kind = task.get("kind", "text-classification") if isinstance(task, dict) else "text-classification"
    if kind not in KINDS:
        raise RecipeError(f"{source}: task.kind is {kind!r}: choose of {', '.join(KINDS)}")
    return check_section(KINDS[kind], raw, source)


def check_section(kind: type[S], raw: dict[str, Any], source: str) -> S:
    """Builds the section from plain data; raises RecipeError as `check_recipe` does."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(_explain(item, kind) for item in error.errors())
        raise RecipeError(f"{source}: {problems}") from None


def recipe_to_yaml(recipe: AnyRecipe) -> str:
    """The recipe as YAML text, defaults written out, so that a bundle carries what it was made from."""
    return yaml.safe_dump(json.loads(recipe.model_dump_json()), sort_keys=False, allow_unicode=True)


def recipe_schema() -> dict[str, Any]:
    """The JSON schema of a recipe, for editors."""
    schema: dict[str, Any] = TypeAdapter(AnyRecipe).json_schema()
    return schema


def resolve_path(path: str, recipe_folder: Path | None = None) -> Path:
    """A path of a recipe: as given from the working folder, else from the built-in recipes' folder."""
    given = Path(path).expanduser()
    packaged = (recipe_folder or Path(str(files(__package__))) / "recipes") / path
    return packaged if not given.exists() and packaged.exists() else given


def _override(raw: dict[str, Any], override: str) -> None:
    key, sign, value = override.partition("=")
    if not sign or not key:
        raise RecipeError(f"--set {override!r} is not of the form a.b=value: write for example --set student.layers=4")
    *sections, last = key.split(".")
    place = raw
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise RecipeError(f"--set {override!r}: {section!r} is a value, not a section")
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override!r}: the value is not YAML: {_one_line(error)}") from None


def _explain(item: Any, recipe: type[Section]) -> str:
    named = _without_choice(item["loc"])
    place = ".".join(str(part) for part in named)
    if item["type"] == "union_tag_invalid":
        context = item["ctx"]
        return f"{place}: no {context['tag']!r} here: choose of {context['expected_tags'].replace(chr(39), '')}"
    if item["type"] == "extra_forbidden":
        *sections, key = item["loc"]
        valid = _keys_at(recipe, sections)
        sections = named[:-1]
        near = difflib.get_close_matches(str(key), valid, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed here: {', '.join(valid)}"
        where = f"section {'.'.join(map(str, sections))!r}" if sections else "the top level"
        return f"unknown key {str(key)!r} in {where}; {hint}"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "string_type":
        message += ", so write it in quotes"
    given = "" if item["type"] in ("missing", "value_error") else f" (given: {item['input']!r})"
    return f"{place}: {message}{given}" if place else message


def _without_choice(places: Sequence[Any]) -> list[Any]:
    """Without the architecture that pydantic puts behind `student`, which nobody wrote there."""
    chosen = tuple(places[:2]) in [("student", name) for name in ARCHITECTURES]
    return [*places[:1], *places[2:]] if chosen else list(places)


def _keys_at(recipe: type[Section], places: list[Any]) -> list[str]:
    """The keys of the section at `places`: a number is a place in a list, a kind's name one of a section's kinds."""
    choices = [recipe]
    for place in (place for place in places if not isinstance(place, int)):
        chosen = [
            choice
            for choice in choices
            if any(name in choice.model_fields and choice.model_fields[name].default == place for name in CHOOSERS)
        ]
        choices = chosen or _sections_in(choices[0].model_fields[place].annotation)
    return list(choices[0].model_fields)


def _sections_in(annotation: Any) -> list[type[Section]]:
    """The sections that a field of this type holds, through optional values, lists and choices."""
    parts = get_args(annotation)
    if not parts:
        return [annotation] if isinstance(annotation, type) and issubclass(annotation, Section) else []
    return [section for part in parts for section in _sections_in(part)]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
