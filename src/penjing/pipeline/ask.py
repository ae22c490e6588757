"""The stages before a student learns: its teacher's outputs, kept on disk, and the words of one that has its own.

Left out: the teacher, and learning itself (`fit.py`).
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

from ..compress.data import Split
from ..compress.distill.meta.knowledge import write_meta_knowledge
from ..compress.distill.methods import method_named
from ..compress.distill.methods.mobilebert import AUXILIARY
from ..compress.distill.teacher_cache import Needs, replace_logits, write_teacher_outputs
from ..compress.distill.teacher_states import count_layers
from ..compress.distill.word_student import choose_vocabulary, write_word_table
from ..compress.models.checkpoint import STUDENT_NAME, load_student
from ..compress.models.closed_form import layer_map
from ..compress.teacher import load_teacher
from .fit import all_asked, all_texts, answers_of
from .goals import tokenized
from .recipe import resolve_path
from .sections import Recipe
from .student_sections import BiLstmStudent
from .text_files import read_json, read_split
from .workspace import Workspace, file_digest

NOTHING = Split((), ())


def ask_teacher(recipe: Recipe, space: Workspace, data: Path, corpus: Path, teacher: Path) -> Path:
    """The teacher's outputs for training text and corpus, kept on disk for every later epoch and student.

    Of no text where nobody learns from them: a student that is cut out of its teacher and not mended.
    """
    asking = [] if recipe.untrained else [method_named(recipe.distill.method).needs(recipe.distill)]
    if recipe.prune is not None and recipe.prune.recovery is not None:
        asking.append(AUXILIARY.needs(recipe.prune.recovery))
    asked = bool(asking) or recipe.quantize.training is not None
    return keep_outputs(recipe, space, data, corpus, teacher, reduce(Needs.joined, asking, Needs()), asked)


def keep_outputs(
    recipe: Recipe, space: Workspace, data: Path, corpus: Path, teacher: Path, needs: Needs, asked: bool = True
) -> Path:
    """What `teacher`, a fine-tuned encoder's folder or a student's, outputs; of no text unless `asked`."""

    def work(folder: Path) -> None:
        texts = tokenized(recipe, all_asked(data, corpus) if asked else NOTHING, teacher)
        model = load_student(teacher) if (teacher / STUDENT_NAME).is_file() else load_teacher(teacher)
        count = count_layers(model)
        layers = layer_map(recipe.student.layers or count, count)
        write_teacher_outputs(model, texts, folder, layers=layers, needs=needs)
        said = answers_of(recipe, read_split(data / "train.jsonl")) if asked else None
        if said is not None and said.logits is not None:
            replace_logits(folder, said.logits)
        if recipe.learns_by_domain:
            train = read_split(data / "train.jsonl")
            write_meta_knowledge(teacher, folder, texts, train.labels, train.domains)

    settings: dict[str, Any] = {**needs.settings(), "max_length": recipe.task.max_length}
    if needs.hidden or needs.attention:
        settings["student_layers"] = recipe.student.layers or read_json(teacher / "config.json")["num_hidden_layers"]
    if not asked:
        settings["texts"] = "none"
    return space.stage("teacher-outputs", work, inputs=[data, corpus, teacher], settings=settings)


def read_words(recipe: Recipe, space: Workspace, data: Path, corpus: Path) -> Path | None:
    """The tokenizer of a student with words of its own, and `words.npz`, their vectors; None for another student.

    Before the teacher is trained, so that word vectors that do not fit are said at once.
    """
    shape = recipe.student
    if not isinstance(shape, BiLstmStudent):
        return None
    vectors = None if shape.vectors is None else resolve_path(shape.vectors)

    def work(folder: Path) -> None:
        train = read_split(data / "train.jsonl")
        unlabelled = all_texts(data, corpus)[len(train.texts) :]
        write_word_table(
            choose_vocabulary(shape, train.texts + (train.pairs or ()), unlabelled, vectors, folder), folder
        )

    settings = {"size": shape.embedding_size, "words": shape.words, "digests": _digests_within(vectors)}
    return space.stage("words", work, inputs=[data, corpus], settings=settings)


def _digests_within(path: Path | None) -> list[str]:
    """Of a file, or of those of a folder; none where there is nothing."""
    found = [] if path is None else sorted(path.glob("*")) if path.is_dir() else [path]
    return [file_digest(file) for file in found if file.is_file()]
