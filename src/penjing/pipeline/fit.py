"""The stages that learn: teacher and student. Each is folder(s) in, folder out.

Left out: reading (`reading.py`), and what a student takes over before it learns (`ask.py`).
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ..compress.black_box import Answers, read_answers
from ..compress.data import Split
from ..compress.distill.alignment import Alignment, read_alignment
from ..compress.distill.lessons import Lessons
from ..compress.distill.meta.knowledge import read_meta_knowledge
from ..compress.distill.meta.teacher import fine_tune_meta_teacher
from ..compress.distill.methods import method_named
from ..compress.distill.student import copy_teacher, distil_student, start_student, start_two_towers
from ..compress.distill.teacher_cache import read_teacher_outputs
from ..compress.distill.word_student import (
    read_word_table,
    start_word_student,
)
from ..compress.models.checkpoint import load_student
from ..compress.prune.vocabulary import CUT_NAME, read_cut, unchanged
from ..compress.teacher import fine_tune_teacher, load_teacher, locate_teacher
from ..runtime.tokenizer import copy_tokenizer
from .few_shot import make_few_shot_teacher
from .goals import goal_of, tokenized
from .intermediate import after_intermediate
from .reading import digests_of, read_corpora
from .recipe import resolve_path
from .sections import Recipe
from .student_sections import BertStudent, BiLstmStudent
from .text_files import read_json, read_rows, read_split, write_json
from .workspace import CHECKPOINTS, Workspace, file_digest


@dataclass(frozen=True)
class Sources:
    """The folders of what every student learns from: `outputs` are the teacher's, or its assistant's if it has one;
    `general` is the student that plain text has taught already, `words` the vocabulary of one with words of its own."""

    data: Path
    corpus: Path
    teacher: Path
    outputs: Path
    assistant: Path | None = None
    general: Path | None = None
    words: Path | None = None


def train_teacher(recipe: Recipe, space: Workspace, data: Path, corpus: Path | None = None) -> Path:
    """The fine-tuned teacher as transformers saves it, and `history.json`.

    `corpus` is the plain text that one made of few texts may learn from, else that of the recipe.
    """
    if recipe.teacher.few_shot is not None:
        plain = corpus or read_corpora(recipe, space, data)
        return make_few_shot_teacher(recipe, recipe.teacher.few_shot, space, data, plain)

    teacher, first = after_intermediate(recipe, space)

    def work(folder: Path) -> None:
        train, held_out = read_split(data / "train.jsonl"), read_split(data / "validation.jsonl")
        if recipe.learns_by_domain:
            history = fine_tune_meta_teacher(
                teacher, goal_of(recipe, data), read_json(data / "data.json")["domains"], train, held_out,
                max_length=recipe.task.max_length, seed=recipe.seed, folder=folder, checkpoints=folder / CHECKPOINTS,
            )  # fmt: skip
        else:
            said = answers_of(recipe, train)
            history = fine_tune_teacher(
                teacher, goal_of(recipe, data), train if said is None else replace(train, labels=said.labels),
                held_out, max_length=recipe.task.max_length, seed=recipe.seed, folder=folder,
                checkpoints=folder / CHECKPOINTS, wanted=None if said is None else said.logits,
            )  # fmt: skip
        write_json(folder / "history.json", [asdict(point) for point in history])

    settings = {"teacher": recipe.teacher.settings(), "task": recipe.task.settings(), "seed": recipe.seed}
    settings["digest"] = teacher_digest(recipe)
    if recipe.learns_by_domain:
        settings["meta"] = True
    if recipe.teacher.answers is not None:
        settings["answers"] = digests_of([recipe.teacher.answers])
    return space.stage("teacher", work, inputs=[data, *first], settings=settings, collective=True)


def answers_of(recipe: Recipe, train: Split) -> Answers | None:
    """What a black-box teacher said of the training texts; None where the teacher is the encoder itself."""
    named = recipe.teacher.answers
    return None if named is None else read_answers(resolve_path(named), train, recipe.task.labels)


def teacher_digest(recipe: Recipe) -> dict[str, str]:
    """Of the pretrained weights, where they lie on this machine."""
    local = Path(locate_teacher(recipe.teacher.model)) / "model.safetensors"
    return {"model": file_digest(local)} if local.is_file() else {}


def train_student(recipe: Recipe, space: Workspace, sources: Sources) -> Path:
    """`model.safetensors` and `student.json` of the distilled student, its tokenizer, and `history.json`."""
    learning = None if recipe.untrained else recipe.distill

    def work(folder: Path) -> None:
        student, alignment, lessons = fresh_student(recipe, sources, folder)
        curves = distil_student(
            student, alignment, lessons, learning, method_named(recipe.distill.method),
            seed=recipe.distill.seed, folder=folder, checkpoints=folder / CHECKPOINTS, minutes=recipe.distill.minutes,
        )  # fmt: skip
        write_json(folder / "history.json", asdict(curves))

    settings: dict[str, Any] = {
        "student": recipe.student.model_dump(exclude_none=True),
        "distill": {} if learning is None else learning.settings(),
    }
    # A copy learns nothing: what its teacher was asked is no part of it.
    more = [folder for folder in (sources.assistant, sources.general, sources.words) if folder is not None]
    learnt_from = [sources.data, sources.corpus, sources.teacher, *more, sources.outputs]
    inputs = [sources.data, sources.teacher] if learning is None else learnt_from
    return space.stage("student", work, inputs=inputs, settings=settings, collective=learning is not None)


def fresh_student(recipe: Recipe, sources: Sources, folder: Path) -> tuple[nn.Module, Alignment, Lessons]:
    """The student before it is distilled, how it answers to its teacher, and its lessons; its tokenizer goes into
    `folder`."""
    shape, seed = recipe.student, recipe.distill.seed
    if isinstance(shape, BiLstmStudent):
        assert sources.words is not None
        take_tokenizer(sources.words, folder)
        table, lessons = read_word_table(sources.words), read_lessons(recipe, sources, folder)
        outputs, siamese = lessons.outputs.logits.shape[1], recipe.data.text_pair is not None
        return *start_word_student(shape, table, outputs, siamese=siamese, seed=seed), lessons
    model, lessons = load_teacher(sources.teacher), read_lessons(recipe, sources, sources.teacher)
    take_tokenizer(sources.teacher, folder)
    if sources.general is not None:
        return load_student(sources.general), read_alignment(sources.general), lessons
    if isinstance(shape, BertStudent):
        return *copy_teacher(model, shape.layers), lessons
    if shape.towers is not None:
        return *start_two_towers(shape, model, lessons, seed), lessons
    assistant = None if sources.assistant is None else load_student(sources.assistant)
    return *start_student(shape, model, lessons, seed, assistant), lessons


def read_lessons(recipe: Recipe, sources: Sources, tokenizer_folder: Path) -> Lessons:
    """What a student with the tokenizer of `tokenizer_folder` learns from."""
    raw = all_asked(sources.data, sources.corpus)
    taught = tokenized(recipe, raw, sources.teacher)
    own = taught if tokenizer_folder == sources.teacher else tokenized(recipe, raw, tokenizer_folder)
    cut = read_cut(tokenizer_folder)
    aligned = np.ones(len(own), bool) if cut is None else unchanged(cut, taught, own)
    train, held_out = (read_split(sources.data / f"{split}.jsonl") for split in ("train", "validation"))
    validation = tokenized(recipe, held_out, tokenizer_folder)
    teacher_outputs = read_teacher_outputs(sources.outputs, taught)
    meta = read_meta_knowledge(sources.outputs)
    goal = goal_of(recipe, sources.data)
    return Lessons(own, teacher_outputs, train.labels, validation, held_out.labels, aligned, meta=meta, goal=goal)


def all_texts(data: Path, corpus: Path) -> tuple[str, ...]:
    """The task's training texts, then the corpus."""
    return all_asked(data, corpus).texts


def all_asked(data: Path, corpus: Path) -> Split:
    """The same with the second texts of pairs; without labels."""
    train, rows = read_split(data / "train.jsonl"), read_rows(corpus / "corpus.jsonl")
    pairs = None if train.pairs is None else train.pairs + tuple(row["pair"] for row in rows)
    return Split(train.texts + tuple(row["text"] for row in rows), (), pairs=pairs)


def take_tokenizer(source: Path, target: Path) -> None:
    """A student's folder holds its own tokenizer and the list of its cut, since pruning may change them."""
    copy_tokenizer(source, target)
    if (source / CUT_NAME).is_file():
        shutil.copyfile(source / CUT_NAME, target / CUT_NAME)
