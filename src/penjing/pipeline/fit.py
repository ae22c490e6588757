"""The stages that learn: data, corpus, teacher, the teacher's outputs, student. Each is folder(s) in, folder out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..compress.data import load_data, read_corpus
from ..compress.distill.student import Lessons, distil_student, student_config
from ..compress.distill.teacher_cache import read_teacher_outputs, write_teacher_outputs
from ..compress.models.from_teacher import layer_map
from ..compress.tables import file_kind
from ..compress.teacher import fine_tune_teacher, load_teacher, locate_teacher
from ..compress.tokens import TokenizedTexts, tokenize
from .recipe import Recipe, resolve_path
from .text_files import read_json, read_rows, read_split, write_json, write_rows, write_split
from .workspace import CHECKPOINTS, Workspace, file_digest


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
    """The teacher's outputs for training text and corpus, kept on disk for every later epoch and student."""
    needs_layers = recipe.distill.transfer_epochs > 0
    hidden = needs_layers and recipe.distill.feature_weight > 0
    attention = needs_layers and recipe.distill.attention_weight > 0

    def work(folder: Path) -> None:
        model = load_teacher(teacher)
        layers = layer_map(recipe.student.layers, model.config.num_hidden_layers)
        texts = _all_texts(recipe, data, corpus, teacher)
        write_teacher_outputs(model, texts, folder, layers=layers, hidden=hidden, attention=attention)

    settings: dict[str, Any] = {"hidden": hidden, "attention": attention, "max_length": recipe.task.max_length}
    if needs_layers:
        settings["student_layers"] = recipe.student.layers
    return space.stage("teacher-outputs", work, inputs=[data, corpus, teacher], settings=settings)


def train_student(
    recipe: Recipe, space: Workspace, data: Path, corpus: Path, teacher: Path, outputs: Path
) -> Path:
    """`model.safetensors` and `student.json` of the distilled student, and `history.json`."""

    def work(folder: Path) -> None:
        model = load_teacher(teacher)
        train, held_out = read_split(data / "train.jsonl"), read_split(data / "validation.jsonl")
        texts = _all_texts(recipe, data, corpus, teacher)
        validation = tokenize(held_out.texts, teacher, recipe.task.max_length)
        lessons = Lessons(texts, read_teacher_outputs(outputs, texts), train.labels, validation, held_out.labels)
        config = student_config(recipe.student, model.config, texts.pad_id)
        curves = distil_student(
            config, model, lessons, recipe.distill,
            seed=recipe.distill.seed, folder=folder, checkpoints=folder / CHECKPOINTS,
        )  # fmt: skip
        write_json(folder / "history.json", asdict(curves))

    settings = {"student": recipe.student.model_dump(), "distill": recipe.distill.model_dump(exclude={"corpus"})}
    inputs = [data, corpus, teacher, outputs]
    return space.stage("student", work, inputs=inputs, settings=settings, collective=True)


def data_summary(data: Path) -> Any:
    """Counts of rows and of duplicates between training and validation."""
    return read_json(data / "data.json")


def _all_texts(recipe: Recipe, data: Path, corpus: Path, teacher: Path) -> TokenizedTexts:
    train = read_split(data / "train.jsonl").texts
    extra = tuple(row["text"] for row in read_rows(corpus / "corpus.jsonl"))
    return tokenize(train + extra, teacher, recipe.task.max_length)


def _digests(files: list[str | None]) -> list[str]:
    paths = [resolve_path(file) for file in files if file is not None]
    for path in paths:
        file_kind(path)  # says which file is missing, and the nearest name
    return [file_digest(path) for path in paths]
