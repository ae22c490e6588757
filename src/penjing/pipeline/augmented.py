"""The stages that make new sentences: a masked-LM head where a method needs one, then the augmented rows.

Left out: labels of the new sentences; the teacher gives them. A stopped stage continues where it was.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ..compress.augment.augmenters import make_augment
from ..compress.augment.bilstm import Row
from ..compress.corpus import drawn
from ..compress.masked_lm import open_masked_lm, train_masked_lm
from ..compress.text_encoder import encoder_files
from ..runtime.errors import DataError
from .augmentation_section import Augmentation
from .reading import without_held_out
from .recipe import resolve_path
from .text_files import read_rows, read_split, write_json, write_rows
from .workspace import CHECKPOINTS, Workspace, file_digest

if TYPE_CHECKING:
    from .sections import Recipe

ROWS_NAME = "augmented.jsonl"
ROWS_AT_ONCE = 64


def augment_corpus(recipe: Recipe, space: Workspace, data: Path, corpus: Path) -> Path:
    """`corpus` as it is, or with `distill.augmentation` a folder whose `corpus.jsonl` also holds the new sentences.

    New pairs are rows {"text", "pair"}.
    """
    section = recipe.distill.augmentation
    if section is None:
        return corpus
    own = read_rows(corpus / "corpus.jsonl")
    train = read_split(data / "train.jsonl")
    rows: list[Row] = list(zip(train.texts, *([] if train.pairs is None else [train.pairs]), strict=True))
    plain = [text for row in (*rows, *(row.values() for row in own)) for text in row]
    made = augment_rows(section, rows, plain, space, recipe.seed)

    def work(folder: Path) -> None:
        known = {*rows, *(tuple(row.values()) for row in own)}
        new = dict.fromkeys(tuple(row["texts"]) for row in read_rows(made / ROWS_NAME))
        fresh = without_held_out((row for row in new if row not in known), data)
        added = [dict(zip(("text", "pair"), row, strict=False)) for row in fresh]
        write_rows(folder / "corpus.jsonl", [*own, *added])

    return space.stage("augmented-corpus", work, inputs=[data, corpus, made])


def augment_rows(section: Augmentation, rows: Sequence[Row], plain: Sequence[str], space: Workspace, seed: int) -> Path:
    """`augmented.jsonl`: of each row {"row": its number, "texts": one or two}, first as it was, then its copies.

    `plain` is what a masked-LM head is trained on where `section.model` has none.
    """
    vectors = None if section.vectors is None else resolve_path(section.vectors)
    settings = {"augmentation": section.model_dump(), "seed": seed, "rows": _digest(rows), "vectors": _digests(vectors)}
    numbers = sorted(drawn(list(range(len(rows))), section.rows, seed))
    chosen = [rows[number] for number in numbers]
    head = None
    if section.method == "tinybert":
        head = masked_lm(section.model, section.head_steps, plain, space, seed)
        settings["model"] = [file_digest(path) for path in encoder_files(section.model)]

    def work(folder: Path) -> None:
        opened = open_masked_lm(str(head or section.model)) if section.method == "tinybert" else None
        augment = make_augment(section, chosen, opened, vectors, seed)
        done = folder / CHECKPOINTS / ROWS_NAME
        count = _keep_whole_lines(done)
        with tqdm(total=len(chosen), initial=count, desc="augmented", unit="row", disable=None) as bar:
            for start in range(count, len(chosen), ROWS_AT_ONCE):
                copies = augment(chosen[start : start + ROWS_AT_ONCE])
                with done.open("a", encoding="utf-8", newline="\n") as file:
                    file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in copies)
                bar.update(len(copies))
        with done.open(encoding="utf-8", newline="\n") as file:
            copies_of = zip(numbers, map(json.loads, file), strict=True)
            write_rows(folder / ROWS_NAME, ({"row": n, "texts": texts} for n, each in copies_of for texts in each))

    return space.stage("augmented", work, inputs=[] if head is None else [head], settings=settings)


def masked_lm(model: str, steps: int, plain: Sequence[str], space: Workspace, seed: int) -> Path | None:
    """A folder with `model` and a masked-LM head that was trained on `plain`; None where it has its own."""
    opened = open_masked_lm(model)
    if opened.has_head:
        return None
    texts = list(dict.fromkeys(plain))
    random.Random(seed).shuffle(texts)

    def work(folder: Path) -> None:
        history = train_masked_lm(
            opened, texts, steps=steps, seed=seed, folder=folder, checkpoints=folder / CHECKPOINTS
        )
        write_json(folder / "history.json", [asdict(point) for point in history])

    digests = [file_digest(path) for path in encoder_files(model)]
    settings = {"model": model, "digests": digests, "steps": steps, "seed": seed, "texts": _digest(texts)}
    return space.stage("masked-lm", work, settings=settings, collective=True)


def _keep_whole_lines(path: Path) -> int:
    """How many rows an earlier try has finished; what it was writing when it was killed is cut off."""
    raw = path.read_bytes() if path.exists() else b""
    path.write_bytes(raw[: raw.rfind(b"\n") + 1])
    return raw.count(b"\n")


def _digest(texts: Sequence[Row] | Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()


def _digests(vectors: Path | None) -> list[str]:
    """Of the files that hold the word vectors. Raises DataError when there are none."""
    if vectors is None:
        return []
    if not vectors.exists():
        raise DataError(f"no word vectors {vectors}: check the path of `vectors`")
    files = sorted(path for path in vectors.iterdir() if path.is_file()) if vectors.is_dir() else [vectors]
    return [file_digest(path) for path in files]
