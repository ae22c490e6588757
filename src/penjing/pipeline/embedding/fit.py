"""The stages that learn: texts and pairs, the teacher, its vectors, the student. Each is folder(s) in, folder out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...compress.data import spelling
from ...compress.distill.student import start_batches, student_config
from ...compress.embedding.matryoshka import turn
from ...compress.embedding.measures import cosines, spearman
from ...compress.embedding.simcse import train_simcse
from ...compress.embedding.student import VectorLessons, learn_vectors, start_student
from ...compress.embedding.teacher import (
    embed_texts,
    load_sentence_encoder,
    read_sentence_encoder,
    save_sentence_encoder,
)
from ...compress.embedding.texts import ScoredPair, read_groups, read_pairs, read_texts
from ...compress.models.checkpoint import save_student
from ...compress.text_encoder import encoder_files
from ...compress.tokens import TokenizedTexts, tokenize
from ...runtime.errors import RecipeError
from ...runtime.tokenizer import copy_tokenizer
from ..recipe import resolve_path
from ..text_files import read_json, read_rows, write_json, write_rows
from ..workspace import CHECKPOINTS, Workspace, file_digest
from .sections import EmbeddingRecipe

SPLITS = ("validation", "test")
VECTORS_NAME, TURN_NAME = "vectors.npy", "turn.npy"


@dataclass(frozen=True)
class Sources:
    """The folders of what every student learns from."""

    data: Path
    teacher: Path
    vectors: Path


def make_sources(recipe: EmbeddingRecipe, space: Workspace) -> Sources:
    """Texts and pairs, the teacher, and its vectors of the texts."""
    data = read_sentences(recipe, space)
    teacher = fit_encoder(recipe, space, data)
    return Sources(data, teacher, ask_encoder(recipe, space, data, teacher))


def read_sentences(recipe: EmbeddingRecipe, space: Workspace) -> Path:
    """`validation.jsonl` and, if named, `test.jsonl`; `texts.jsonl` without any text of these; `groups.jsonl` for a
    supervised SimCSE; and `data.json` with the counts."""
    source, simcse = recipe.data, recipe.teacher.simcse
    named = {"validation": source.validation, "test": source.test}

    def work(folder: Path) -> None:
        splits = {name: read_pairs(resolve_path(file), source) for name, file in named.items() if file is not None}
        held_out = {spelling(text) for pairs in splits.values() for pair in pairs for text in (pair.first, pair.second)}
        texts = list(dict.fromkeys(t for entry in source.texts for t in read_texts(entry, recipe.seed, resolve_path)))
        kept = [text for text in texts if spelling(text) not in held_out]
        for name, pairs in splits.items():
            write_rows(folder / f"{name}.jsonl", (asdict(pair) for pair in pairs))
        write_rows(folder / "texts.jsonl", ({"text": text} for text in kept))
        if simcse is not None and simcse.pairs is not None:
            groups = read_groups(simcse.pairs, recipe.seed, resolve_path)
            write_rows(folder / "groups.jsonl", ({"texts": group} for group in groups))
        counts = {"train": len(kept), **{name: len(pairs) for name, pairs in splits.items()}}
        write_json(folder / "data.json", {"rows": counts, "left_out": len(texts) - len(kept)})

    groups = None if simcse is None or simcse.pairs is None else simcse.pairs
    files = [*named.values(), *(entry.file for entry in source.texts), *([groups.file] if groups else [])]
    paths = [resolve_path(file) for file in files if file is not None]
    settings = {
        "data": source.model_dump(exclude={"alike"}), "groups": groups and groups.model_dump(), "seed": recipe.seed,
        "digests": [file_digest(path) for path in paths if path.is_file()],  # reading says which one is not there
    }  # fmt: skip
    return space.stage("sentences", work, settings=settings)


def fit_encoder(recipe: EmbeddingRecipe, space: Workspace, data: Path) -> Path:
    """The teacher as transformers saves it, trained by SimCSE if the recipe says so, and `history.json`."""
    settings = recipe.teacher
    simcse = settings.simcse

    def work(folder: Path) -> None:
        head = "none" if simcse is None else simcse.head_place
        model, tokenizer = load_sentence_encoder(settings.model, settings.pooling, recipe.task.max_length, head)
        tokenizer.save_pretrained(str(folder))
        history = []
        if simcse is not None:
            groups = _groups(data, supervised=simcse.pairs is not None)
            history = train_simcse(
                model, groups, folder, simcse, rank_on(model, read_split(data, "validation"), folder, recipe),
                seed=recipe.seed, checkpoints=folder / CHECKPOINTS,
            )  # fmt: skip
        save_sentence_encoder(model, tokenizer, folder)
        write_json(folder / "history.json", [asdict(point) for point in history])

    own = {
        "teacher": settings.model_dump(), "max_length": recipe.task.max_length, "seed": recipe.seed,
        "files": [file_digest(path) for path in encoder_files(settings.model)],
    }  # fmt: skip
    return space.stage("encoder", work, inputs=[data] if simcse else [], settings=own, collective=simcse is not None)


def ask_encoder(recipe: EmbeddingRecipe, space: Workspace, data: Path, teacher: Path) -> Path:
    """`vectors.npy` [texts, teacher size] f16: the teacher's of every text; `turn.npy`: from them to the targets.

    Raises RecipeError for vectors longer than the teacher's.
    """
    task = recipe.task

    def work(folder: Path) -> None:
        texts = tokenize(read_texts_of(data), teacher, task.max_length)
        model = read_sentence_encoder(teacher)
        size = model.size if task.size is None else task.size
        if size > model.size or (task.cuts and task.cuts[-1] >= size):
            raise RecipeError(
                f"vectors of {size} numbers cut to {list(task.cuts)} cannot be had of {recipe.teacher.model}, which"
                f" gives {model.size}: lower task.size or task.cuts"
            )
        vectors = embed_texts(model, texts, fast=True)
        np.save(folder / TURN_NAME, turn(vectors, size, task.cuts))
        np.save(folder / VECTORS_NAME, vectors.astype(np.float16))

    settings = {"max_length": task.max_length, "size": task.size, "cuts": task.cuts}
    return space.stage("vectors", work, inputs=[data, teacher], settings=settings)


def train_sentence_student(recipe: EmbeddingRecipe, space: Workspace, sources: Sources) -> Path:
    """`model.safetensors` and `student.json` of the student, its tokenizer, and `history.json`."""

    def work(folder: Path) -> None:
        teacher = read_sentence_encoder(sources.teacher)
        vectors = np.load(sources.vectors / VECTORS_NAME, mmap_mode="r")
        texts = tokenize(read_texts_of(sources.data), sources.teacher, recipe.task.max_length)
        lessons = VectorLessons(texts, vectors, np.load(sources.vectors / TURN_NAME), recipe.task.cuts)
        copy_tokenizer(sources.teacher, folder)
        seed = recipe.distill.seed
        torch.manual_seed(seed)
        student = start_student(_shape(recipe, teacher, texts), teacher, lessons.turn, start_batches(texts, seed))
        rank = rank_on(student, read_split(sources.data, "validation"), folder, recipe)
        start = rank()
        curve = learn_vectors(student, lessons, recipe.distill, rank, seed=seed, checkpoints=folder / CHECKPOINTS)
        save_student(student.inner.cpu(), folder)
        write_json(folder / "history.json", {"start": start, "student": [asdict(point) for point in curve]})

    settings = {
        "student": recipe.student.model_dump(), "distill": recipe.distill.model_dump(), "cuts": recipe.task.cuts,
        "max_length": recipe.task.max_length,
    }  # fmt: skip
    inputs = [sources.data, sources.teacher, sources.vectors]
    return space.stage("sentence-student", work, inputs=inputs, settings=settings, collective=True)


def rank_on(
    model: nn.Module, pairs: Sequence[ScoredPair], tokenizer_folder: Path, recipe: EmbeddingRecipe
) -> Callable[[], float]:
    """Measures the rank correlation of the pairs' cosines with their scores, in whatever mode the model is."""
    texts = tokenize([*(p.first for p in pairs), *(p.second for p in pairs)], tokenizer_folder, recipe.task.max_length)
    scores = np.array([pair.score for pair in pairs])

    def rank() -> float:
        first, second = np.split(embed_texts(model, texts), 2)
        return spearman(cosines(first, second), scores)

    return rank


def read_split(data: Path, name: str) -> list[ScoredPair]:
    """The pairs of one of SPLITS."""
    return [ScoredPair(**row) for row in read_rows(data / f"{name}.jsonl")]


def read_texts_of(data: Path) -> list[str]:
    """The training texts."""
    return [row["text"] for row in read_rows(data / "texts.jsonl")]


def splits_of(data: Path) -> list[str]:
    """Those of SPLITS that there are."""
    return [name for name in SPLITS if name in read_json(data / "data.json")["rows"]]


def _shape(recipe: EmbeddingRecipe, teacher: Any, texts: TokenizedTexts) -> Any:
    """The student's; no more positions than texts have tokens."""
    return replace(
        student_config(recipe.student, teacher.encoder.config, texts.pad_id), max_positions=recipe.task.max_length
    )


def _groups(data: Path, supervised: bool) -> list[tuple[str, ...]]:
    if supervised:
        return [tuple(row["texts"]) for row in read_rows(data / "groups.jsonl")]
    return [(text,) for text in read_texts_of(data)]
