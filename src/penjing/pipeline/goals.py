"""A recipe's task on its data: the goal of every training and proof, and texts as the task needs them."""

from __future__ import annotations

from pathlib import Path

from ..compress.data import Split
from ..compress.tasks.task import Goal, make_goal
from ..compress.tokens import TokenizedTexts, tokenize
from ..export.verify import Judge
from ..runtime.tokenizer import Encoded, TextTokenizer
from .sections import Recipe
from .text_files import read_split


def goal_of(recipe: Recipe, data: Path) -> Goal:
    """With what the training text decides, such as the units of a number."""
    task = recipe.task.meaning
    return make_goal(task, recipe.task.labels, read_split(data / "train.jsonl").labels, recipe.task.metric)


def judge_of(goal: Goal) -> Judge:
    """How exported files are judged by the same goal."""
    return Judge(goal.after, goal.outputs, goal.metric)


def tokenized(recipe: Recipe, split: Split, folder: Path) -> TokenizedTexts:
    """A split's texts, and pairs, by the tokenizer in `folder`."""
    return tokenize(split.texts, folder, recipe.task.max_length, split.pairs, words=recipe.task.meaning.by_word)


def encoded(recipe: Recipe, split: Split, folder: Path) -> Encoded:
    """The same as the device encodes them."""
    tokenizer = TextTokenizer(folder, recipe.task.max_length)
    return tokenizer.encode(split.texts, split.pairs, words=recipe.task.meaning.by_word)


def questions(split: Split) -> tuple[str, ...]:
    """The texts as `Predictor.ask` takes them: a pair has a tab between its two."""
    if split.pairs is None:
        return split.texts
    pairs = zip(split.texts, split.pairs, strict=True)
    return tuple("\t".join(part.replace("\t", " ") for part in pair) for pair in pairs)
