"""The stage that makes a teacher of few labelled texts, and before it a masked-LM head where prompts need one.

Left out: the methods (`compress/few_shot/`), and what is done with the teacher, which is as any other.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..compress.few_shot.teach import check_few_shot, prompting_of, teach_from_few
from ..compress.masked_lm import open_masked_lm
from ..compress.text_encoder import encoder_files
from ..runtime.errors import TrainingError
from .augmented import masked_lm
from .few_shot_section import FewShot
from .goals import goal_of
from .sections import Recipe
from .text_files import read_rows, read_split, write_json
from .workspace import CHECKPOINTS, Workspace, file_digest


def make_few_shot_teacher(recipe: Recipe, section: FewShot, space: Workspace, data: Path, corpus: Path) -> Path:
    """The teacher as transformers saves it, and `history.json`. `corpus` holds the plain text.

    Raises DataError for a class with too few texts, TrainingError for a teacher or words that do not fit.
    """
    train = read_split(data / "train.jsonl")
    check_few_shot(recipe.teacher.model, train, recipe.task.labels, recipe.task.max_length)
    prompts = section.method != "head"
    plain = [row["text"] for row in read_rows(corpus / "corpus.jsonl")] if prompts else []
    head = _masked_lm(recipe, section, space, [*train.texts, *plain], bool(plain)) if prompts else None

    def work(folder: Path) -> None:
        history = teach_from_few(
            section, recipe.teacher, goal_of(recipe, data), train, plain, read_split(data / "validation.jsonl"),
            masked_lm=str(head or recipe.teacher.model), max_length=recipe.task.max_length, seed=recipe.seed,
            folder=folder, checkpoints=folder / CHECKPOINTS,
        )  # fmt: skip
        write_json(folder / "history.json", [asdict(point) for point in history])

    inputs = [data, *([corpus] if prompts else []), *([] if head is None else [head])]
    return space.stage("teacher", work, inputs=inputs, settings=_settings(recipe, section), collective=prompts)


def _settings(recipe: Recipe, section: FewShot) -> dict[str, Any]:
    """All that decides the result: of a head, only the encoder."""
    prompts = section.method != "head"
    return {
        "few_shot": section.model_dump(exclude=None if prompts else _OF_PROMPTS),
        "teacher": recipe.teacher.settings() if prompts else recipe.teacher.model,
        "task": recipe.task.settings(),
        "seed": recipe.seed,
        "digests": [file_digest(path) for path in encoder_files(recipe.teacher.model)],
    }


def _masked_lm(recipe: Recipe, section: FewShot, space: Workspace, texts: list[str], plain: bool) -> Path | None:
    """A folder with a head that was trained on `texts`; None where the teacher has its own."""
    opened = open_masked_lm(recipe.teacher.model)
    prompting_of(section, opened, recipe.task.labels)  # says which words do not fit, before hours of training
    if not opened.has_head and not plain:
        raise TrainingError(
            f"the teacher {recipe.teacher.model!r} has no masked-LM head, and there is no plain text to train one on:"
            " give distill.corpus, take a BERT that has its head, or set few_shot.method to head"
        )
    return masked_lm(recipe.teacher.model, section.head_steps, texts, space, recipe.seed)


_OF_PROMPTS = {"patterns", "words", "steps", "learning_rate", "batch_size", "temperature", "head_steps"}
