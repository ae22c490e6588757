"""The recipe: one YAML file, checked when it is read, that says everything a run does.

Each section is a frozen pydantic model with the defaults beside the fields. An unknown key is an error that names the
key, its place and the nearest valid key. What this module leaves out: whether the named files exist and hold the named
columns is checked when the data is read.
"""

from __future__ import annotations

import difflib
import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..runtime.errors import RecipeError

Length = Annotated[int, Field(ge=2, description="in tokens; the first and the last token are the model's own")]


class Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Task(Section):
    """What the model decides. `labels` are the label names in the order of the logits."""

    kind: Literal["text-classification"] = "text-classification"
    labels: tuple[str, ...] = Field(min_length=2)
    max_length: int = Field(default=128, ge=4, description="longest input in tokens; longer texts are cut")

    @model_validator(mode="after")
    def _labels_differ(self) -> Task:
        if len(set(self.labels)) != len(self.labels) or not all(self.labels):
            raise ValueError(f"labels are {list(self.labels)}: give each class one name, all different")
        return self


class Data(Section):
    """Labelled text: two files (TSV, CSV, JSON Lines, Parquet; .gz and .xz too), or a data set of the hub."""

    train: str | None = None
    validation: str | None = None
    test: str | None = None
    hub: str | None = Field(default=None, description="a data set id for `datasets.load_dataset`, instead of files")
    hub_config: str | None = None
    text: str = Field(default="text", description="column that holds the text")
    label: str = Field(default="label", description="column that holds the label: a name, or its number in task.labels")
    limit: int | None = Field(default=None, ge=8, description="use only this many training rows (for a quick try)")

    @model_validator(mode="after")
    def _one_source(self) -> Data:
        if (self.hub is None) == (self.train is None):
            raise ValueError("give either `train` and `validation` files or a `hub` data set")
        if self.train is not None and self.validation is None:
            raise ValueError("`validation` is missing: the proof and the best epoch need held-out text")
        return self


class Teacher(Section):
    """The encoder to learn from: a local folder, a hub id, or `all-MiniLM-L6-v2` from its installed package."""

    model: str = "all-MiniLM-L6-v2"
    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of the steps over which the rate rises")
    evaluations_per_epoch: int = Field(default=1, ge=1)


class Student(Section):
    """The shape of the MobileBERT student (specs: MobileBERT, arXiv 2004.02984, section 3)."""

    layers: int = Field(default=6, ge=1)
    hidden_size: int = Field(default=384, ge=8)
    bottleneck_size: int = Field(default=96, ge=4)
    embedding_size: int = Field(default=96, ge=4)
    heads: int = Field(default=12, ge=1)
    intermediate_size: int = Field(default=384, ge=4)
    feed_forwards: int = Field(default=4, ge=1)
    norm: Literal["no_norm", "layer_norm"] = "no_norm"
    activation: Literal["relu", "gelu"] = "relu"


class Corpus(Section):
    """Unlabelled text for the transfer: one file, how to read it and how much of it to take."""

    file: str
    column: str | None = Field(default=None, description="column of a table; plain text has one sentence a line")
    sentences: bool = Field(default=False, description="split each row into sentences")
    rows: int | None = Field(default=None, ge=1, description="take this many sentences, drawn by the seed")


class Distill(Section):
    """First the transfer (feature maps, attention, logits) on corpus and task text, then the task."""

    corpus: tuple[Corpus, ...] = ()
    transfer_epochs: int = Field(default=1, ge=0)
    transfer_learning_rate: float = Field(default=1e-3, gt=0)
    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    batch_size: int = Field(default=32, ge=1)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    temperature: float = Field(default=1.0, gt=0)
    logits_weight: float = Field(default=1.0, ge=0)
    label_weight: float = Field(default=0.0, ge=0, description="weight of the gold labels' cross-entropy")
    feature_weight: float = Field(default=1.0, ge=0)
    attention_weight: float = Field(default=1.0, ge=0)
    evaluations_per_epoch: int = Field(default=1, ge=1)
    seed: int = Field(default=1, ge=0, description="the student's own seed, so that seeds can share one teacher")


class Quantize(Section):
    """Which precisions to make of each exported format. int8: weights in 8 bits, activations while running."""

    precisions: tuple[Literal["fp32", "int8"], ...] = Field(default=("fp32", "int8"), min_length=1)


class Export(Section):
    """Which files to make."""

    formats: tuple[Literal["onnx", "tflite"], ...] = Field(default=("onnx", "tflite"), min_length=1)
    sequence_lengths: tuple[Length, ...] = Field(
        default=(32, 64, 128), min_length=1, description="one TFLite signature each"
    )
    opset: int = Field(default=18, ge=17, le=23)


class Limits(Section):
    """What every exported file must keep, compared with the torch student on the validation text."""

    flips: float = Field(default=0.015, ge=0, le=1, description="largest share of decisions that may differ")
    metric_drop: float = Field(default=0.005, ge=0, le=1, description="largest loss of the metric")
    logit_difference: float | None = Field(default=None, gt=0, description="largest difference of a logit, if limited")


class Benchmark(Section):
    """How the last stage measures."""

    lengths: tuple[Length, ...] = (32, 128)
    threads: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 2), min_length=1)
    rounds: int = Field(default=20, ge=3, description="interleaved blocks of each subject")
    repeats: int = Field(default=10, ge=1, description="timed calls in a block")
    texts: int = Field(default=200, ge=1, description="validation texts timed with tokenization")
    cold_rounds: int = Field(default=5, ge=1, description="fresh processes of each subject")


class Recipe(Section):
    """All sections. `prune` and others join as their stages do."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    seed: int = Field(default=1, ge=0)
    task: Task
    data: Data
    teacher: Teacher = Teacher()
    student: Student = Student()
    distill: Distill = Distill()
    quantize: Quantize = Quantize()
    export: Export = Export()
    limits: Limits = Limits()
    benchmark: Benchmark = Benchmark()

    @model_validator(mode="after")
    def _lengths_fit(self) -> Recipe:
        longest = max(self.export.sequence_lengths)
        if longest != self.task.max_length and "tflite" in self.export.formats:
            raise ValueError(
                f"the longest of export.sequence_lengths is {longest} but task.max_length is {self.task.max_length}:"
                " make them equal, so that both engines cut a text at the same place"
            )
        return self


def built_in_recipes() -> dict[str, Path]:
    """Names and paths of the recipes that ship with the package."""
    folder = Path(str(files(__package__))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(name_or_path: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Reads a built-in recipe by name or a YAML file by path, applies `a.b=value` overrides, and checks the result.

    Raises RecipeError with the key, its place and the nearest valid key.
    """
    path = built_in_recipes().get(name_or_path, Path(name_or_path))
    if not path.is_file():
        known = ", ".join(built_in_recipes())
        raise RecipeError(f"no recipe {name_or_path!r}: give a YAML file or one of the built-in recipes: {known}")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {_one_line(error)}") from None
    if not isinstance(raw, dict):
        raise RecipeError(f"{path} must hold sections (name, task, data, ...), not {type(raw).__name__}")
    for override in overrides:
        _override(raw, override)
    return check_recipe(raw, str(path))


def check_recipe(raw: dict[str, Any], source: str) -> Recipe:
    """Builds the recipe from plain data; raises RecipeError that names `source` and every bad key."""
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(_explain(item) for item in error.errors())
        raise RecipeError(f"{source}: {problems}") from None


def recipe_to_yaml(recipe: Recipe) -> str:
    """The recipe as YAML text, defaults written out, so that a bundle carries what it was made from."""
    return yaml.safe_dump(json.loads(recipe.model_dump_json()), sort_keys=False, allow_unicode=True)


def recipe_schema() -> dict[str, Any]:
    """The JSON schema of a recipe, for editors."""
    return Recipe.model_json_schema()


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


def _explain(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        *sections, key = item["loc"]
        valid = _keys_at(sections)
        near = difflib.get_close_matches(str(key), valid, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed here: {', '.join(valid)}"
        where = f"section {'.'.join(map(str, sections))!r}" if sections else "the top level"
        return f"unknown key {str(key)!r} in {where}; {hint}"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "string_type":
        message += ", so write it in quotes"
    given = "" if item["type"] in ("missing", "value_error") else f" (given: {item['input']!r})"
    return f"{place}: {message}{given}" if place else message


def _keys_at(sections: list[Any]) -> list[str]:
    model: Any = Recipe
    for section in sections:
        if isinstance(section, int):
            continue
        annotation = model.model_fields[section].annotation
        model = Corpus if section == "corpus" else annotation
    return list(model.model_fields)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
