"""The stages that read: the task's text, and plain text beside it that holds none a student is judged by.

Each is file(s) in, folder out. Left out: what the files may be (`compress/data.py`, `compress/corpus.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..compress.corpus import read_corpus
from ..compress.data import Dataset, Split, load_data, spelt_alike
from ..compress.domains import load_domains, split_files
from ..compress.tables import file_kind
from ..compress.tasks import one_label
from ..compress.tasks.task import Task
from .corpus_section import Corpus
from .data_section import Data
from .recipe import resolve_path
from .sections import Recipe
from .task_sections import OutOfScope
from .text_files import read_split, write_json, write_rows, write_split
from .workspace import Workspace, file_digest

OUT_OF_SCOPE = "out-of-scope-"
"""Before the name of a split: its texts that are about none of the labels."""
FIRST_KIND = "text-classification"
"""The task whose stages have names without it."""


def read_data(recipe: Recipe, space: Workspace) -> Path:
    """`train`, `validation` and, if named, `test` as JSON Lines, and `data.json` with counts and duplicates."""

    def work(folder: Path) -> None:
        task = recipe.task
        data = load_splits(recipe.data, task.labels, task.meaning, task.out_of_scope)
        splits = {"train": data.train, "validation": data.validation, "test": data.test}
        aside = {OUT_OF_SCOPE + name: split for name, split in data.out_of_scope.items()}
        present = {name: split for name, split in {**splits, **aside}.items() if split is not None}
        for name, split in present.items():
            write_split(split, folder / f"{name}.jsonl")
        counts = {name: len(split.texts) for name, split in present.items()}
        doubles = {"duplicates": data.duplicates, "duplicate_examples": list(data.duplicate_examples)}
        domains = {"domains": list(data.domains)} if data.domains else {}
        write_json(folder / "data.json", {"rows": counts, **doubles, **domains})

    scope = recipe.task.out_of_scope
    files = [*split_files(recipe.data), *([] if scope is None else [scope.validation, scope.test])]
    settings = {"data": recipe.data.settings(), "labels": recipe.task.labels, "digests": digests_of(files)}
    if recipe.task.kind != FIRST_KIND:
        settings["kind"] = recipe.task.kind
    if scope is not None:
        settings["out_of_scope"] = scope.model_dump(exclude={"false_rejections"})
    return space.stage("data", work, settings=settings)


def load_splits(
    section: Data, labels: Sequence[str], task: Task = one_label.TASK, out_of_scope: OutOfScope | None = None
) -> Dataset:
    """The splits that a section of data names, with domains or without. Raises DataError as `load_data` does."""
    if section.has_domains:
        return load_domains(section, labels, resolve_path, task)
    return load_data(section, labels, resolve_path, task, out_of_scope)


def read_corpora(recipe: Recipe, space: Workspace, data: Path) -> Path:
    """`corpus.jsonl`: the unlabelled texts, or pairs, of `distill.corpus`, in order, without repeats and without those
    of `data` that are held out; `corpus.json` with the counts."""
    return read_plain_text(recipe, space, data, recipe.distill.corpus)


def read_plain_text(recipe: Recipe, space: Workspace, data: Path, entries: Sequence[Corpus]) -> Path:
    """The same of other entries."""

    def work(folder: Path) -> None:
        found = dict.fromkeys(row for entry in entries for row in read_corpus(entry, recipe.seed, resolve_path))
        kept = without_held_out(found, data)
        write_rows(folder / "corpus.jsonl", (dict(zip(("text", "pair"), row, strict=False)) for row in kept))
        write_json(folder / "corpus.json", {"rows": len(kept), "left_out": len(found) - len(kept)})

    corpora = [entry.settings() for entry in entries]
    digests = digests_of([entry.file for entry in entries])
    settings = {"corpus": corpora, "seed": recipe.seed, "digests": digests}
    return space.stage("corpus", work, inputs=[data], settings=settings)


def without_held_out(rows: Iterable[tuple[str, ...]], data: Path) -> list[tuple[str, ...]]:
    """Those texts, or pairs, that stand in no split of `data` but training; case and spaces do not count."""
    splits = [read_split(path) for path in sorted(data.glob("*.jsonl")) if path.stem != "train"]
    held_out = {key for split in splits for key in spelt_alike(split)}
    wanted = list(rows)
    pairs = tuple(row[1] for row in wanted) if wanted and len(wanted[0]) > 1 else None
    keys = spelt_alike(Split(tuple(row[0] for row in wanted), (), pairs=pairs))
    return [row for row, key in zip(wanted, keys, strict=True) if key not in held_out]


def digests_of(files: Sequence[str | None]) -> list[str]:
    """Hashes of the files that are named. Raises DataError for one that is not there, with the nearest name."""
    paths = [resolve_path(file) for file in files if file is not None]
    for path in paths:
        file_kind(path)  # says which file is missing, and the nearest name
    return [file_digest(path) for path in paths]
