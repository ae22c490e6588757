"""The stages that learn: data, corpus, teacher, the teacher's outputs, student. Each is folder(s) in, folder out."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..compress.data import load_data, read_corpus
from ..compress.distill.phases import Lessons
from ..compress.distill.student import copy_teacher, distil_student, student_config
from ..compress.distill.teacher_cache import read_teacher_outputs, write_teacher_outputs
from ..compress.models.closed_form import layer_map
from ..compress.prune.vocabulary import CUT_NAME, read_cut, unchanged
from ..compress.tables import file_kind
from ..compress.teacher import fine_tune_teacher, load_teacher, locate_teacher
from ..compress.tokens import tokenize
from ..runtime.tokenizer import copy_tokenizer
from .prune_sections import Learning
from .recipe import resolve_path
from .sections import Recipe
from .text_files import read_json, read_rows, read_split, write_json, write_rows, write_split
from .workspace import CHECKPOINTS, Workspace, file_digest


@dataclass(frozen=True)
class Sources:
    """The folders of what every student learns from."""

    data: Path
    corpus: Path
    teacher: Path
    outputs: Path


def read_data(recipe: Recipe, space: Workspace) -> Path:
    """`train`, `validation` and, if named, `test` as JSON Lines, and `data.json` with counts and duplicates."""

    def work(folder: Path) -> None:
        data = load_data(recipe.data, recipe.task.labels, resolve_path)
        splits = {"train": data.train, "validation": data.validation, "test": data.test}
        present = {name: split for name, split in splits.items() if split is not None}
        for name, split in present.items():
            write_split(split, folder / f"{name}.jsonl")
        counts = {name: len(split.texts) for name, split in present.items()}
        summary = {"rows": counts, "duplicates": data.duplicates, "duplicate_examples": list(data.duplicate_examples)}
        write_json(folder / "data.json", summary)

    files = [recipe.data.train, recipe.data.validation, recipe.data.test]
    settings = {"data": recipe.data.model_dump(), "labels": recipe.task.labels, "digests": _digests(files)}
    return space.stage("data", work, settings=settings)


def read_corpora(recipe: Recipe, space: Workspace) -> Path:
    """`corpus.jsonl`: the unlabelled texts of `distill.corpus`, in order, without repeats."""

    def work(folder: Path) -> None:
        texts: dict[str, None] = {}
        for entry in recipe.distill.corpus:
            texts.update(dict.fromkeys(read_corpus(entry, recipe.seed, resolve_path)))
        write_rows(folder / "corpus.jsonl", ({"text": text} for text in texts))

    corpora = [entry.model_dump() for entry in recipe.distill.corpus]
    digests = _digests([entry.file for entry in recipe.distill.corpus])
    return space.stage("corpus", work, settings={"corpus": corpora, "seed": recipe.seed, "digests": digests})


def train_teacher(recipe: Recipe, space: Workspace, data: Path) -> Path:
    """The fine-tuned teacher as transformers saves it, and `history.json`."""

    def work(folder: Path) -> None:
        train, held_out = read_split(data / "train.jsonl"), read_split(data / "validation.jsonl")
        history = fine_tune_teacher(
            recipe.teacher, recipe.task.labels, train.texts, train.labels, held_out.texts, held_out.labels,
            max_length=recipe.task.max_length, seed=recipe.seed, folder=folder, checkpoints=folder / CHECKPOINTS,
        )  # fmt: skip
        write_json(folder / "history.json", [asdict(point) for point in history])

    settings = {"teacher": recipe.teacher.model_dump(), "task": recipe.task.model_dump(), "seed": recipe.seed}
    local = Path(locate_teacher(recipe.teacher.model)) / "model.safetensors"
    settings["digest"] = {"model": file_digest(local)} if local.is_file() else {}
    return space.stage("teacher", work, inputs=[data], settings=settings, collective=True)


def ask_teacher(recipe: Recipe, space: Workspace, data: Path, corpus: Path, teacher: Path) -> Path:
    """The teacher's outputs for training text and corpus, kept on disk for every later epoch and student.

    Of no text where nobody learns from them: a student that is cut out of its teacher and not mended.
    """
    learning = [part for part in (_student_learning(recipe), recipe.prune and recipe.prune.recovery) if part]
    hidden = any(part.transfer_epochs > 0 and part.feature_weight > 0 for part in learning)
    attention = any(part.transfer_epochs > 0 and part.attention_weight > 0 for part in learning)
    asked = bool(learning) or recipe.quantize.training is not None
    count = read_json(teacher / "config.json")["num_hidden_layers"]
    kept = count if recipe.student.architecture == "bert" else recipe.student.layers

    def work(folder: Path) -> None:
        texts = tokenize(all_texts(data, corpus) if asked else (), teacher, recipe.task.max_length)
        model, layers = load_teacher(teacher), layer_map(kept, count)
        write_teacher_outputs(model, texts, folder, layers=layers, hidden=hidden, attention=attention)

    settings: dict[str, Any] = {"hidden": hidden, "attention": attention, "max_length": recipe.task.max_length}
    if hidden or attention:
        settings["student_layers"] = kept
    if not asked:
        settings["texts"] = "none"
    return space.stage("teacher-outputs", work, inputs=[data, corpus, teacher], settings=settings)


def train_student(recipe: Recipe, space: Workspace, sources: Sources) -> Path:
    """`model.safetensors` and `student.json` of the distilled student, its tokenizer, and `history.json`."""
    is_copy = recipe.student.architecture == "bert"

    def work(folder: Path) -> None:
        model, lessons = load_teacher(sources.teacher), read_lessons(recipe, sources, sources.teacher)
        take_tokenizer(sources.teacher, folder)
        if is_copy:
            curves = copy_teacher(model, lessons, folder)
        else:
            config = student_config(recipe.student, model.config, lessons.texts.pad_id)
            curves = distil_student(
                config, model, lessons, recipe.distill,
                seed=recipe.distill.seed, folder=folder, checkpoints=folder / CHECKPOINTS,
            )  # fmt: skip
        write_json(folder / "history.json", asdict(curves))

    settings = {
        "student": {"architecture": "bert"} if is_copy else recipe.student.model_dump(),
        "distill": {} if is_copy else recipe.distill.model_dump(exclude={"corpus"}),
    }
    # A copy learns nothing: what its teacher was asked is no part of it.
    learnt_from = [sources.data, sources.corpus, sources.teacher, sources.outputs]
    inputs = [sources.data, sources.teacher] if is_copy else learnt_from
    return space.stage("student", work, inputs=inputs, settings=settings, collective=not is_copy)


def read_lessons(recipe: Recipe, sources: Sources, tokenizer_folder: Path) -> Lessons:
    """What a student with the tokenizer of `tokenizer_folder` learns from."""
    raw, length = all_texts(sources.data, sources.corpus), recipe.task.max_length
    taught = tokenize(raw, sources.teacher, length)
    own = taught if tokenizer_folder == sources.teacher else tokenize(raw, tokenizer_folder, length)
    cut = read_cut(tokenizer_folder)
    aligned = np.ones(len(raw), bool) if cut is None else unchanged(cut, taught, own)
    train, held_out = (read_split(sources.data / f"{split}.jsonl") for split in ("train", "validation"))
    validation = tokenize(held_out.texts, tokenizer_folder, length)
    teacher_outputs = read_teacher_outputs(sources.outputs, taught)
    return Lessons(own, teacher_outputs, train.labels, validation, held_out.labels, aligned)


def all_texts(data: Path, corpus: Path) -> tuple[str, ...]:
    """The task's training texts, then the corpus."""
    train = read_split(data / "train.jsonl").texts
    return train + tuple(row["text"] for row in read_rows(corpus / "corpus.jsonl"))


def take_tokenizer(source: Path, target: Path) -> None:
    """A student's folder holds its own tokenizer and the list of its cut, since pruning may change them."""
    copy_tokenizer(source, target)
    if (source / CUT_NAME).is_file():
        shutil.copyfile(source / CUT_NAME, target / CUT_NAME)


def _student_learning(recipe: Recipe) -> Learning | None:
    return None if recipe.student.architecture == "bert" else recipe.distill


def _digests(files: list[str | None]) -> list[str]:
    paths = [resolve_path(file) for file in files if file is not None]
    for path in paths:
        file_kind(path)  # says which file is missing, and the nearest name
    return [file_digest(path) for path in paths]
