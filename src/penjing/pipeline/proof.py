"""The stage that proves: every exported file against its torch model on all held-out text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..compress.models.folded import inference_form
from ..compress.models.mobilebert import load_student
from ..compress.teacher import load_teacher
from ..compress.tokens import TokenizedTexts, sorted_batches, tokenize
from ..export.diverge import TEXTS, locate_divergence
from ..export.verify import FileProof, check_limits, compare_logits, run_file
from ..runtime.tokenizer import Encoded, TextTokenizer
from .recipe import Recipe
from .text_files import read_json, read_split, write_json
from .workspace import Workspace

SPLITS = ("validation", "test")


@dataclass(frozen=True)
class Proof:
    """What was proven. `student` and `teacher` have one entry a file and split, the torch model's own under "torch".

    `agreement` counts, of `agreement_n` validation texts, those that a student file decides like the torch teacher.
    `broken` are the sentences of the limits that a file broke, each with the place where it goes wrong first.
    """

    student: tuple[FileProof, ...]
    teacher: tuple[FileProof, ...]
    student_torch: tuple[FileProof, ...]
    teacher_torch: tuple[FileProof, ...]
    agreement: Mapping[str, int]
    agreement_n: int
    broken: tuple[str, ...]


def prove_files(
    recipe: Recipe, space: Workspace, data: Path, teacher: Path, student: Path, files: Path, teacher_files: Path
) -> Proof:
    """Runs every file on the validation and test text, one text at a time as a device does."""

    def work(folder: Path) -> None:
        write_json(folder / "proof.json", asdict(_prove(recipe, data, teacher, student, files, teacher_files)))

    inputs = [data, teacher, student, files, teacher_files]
    folder = space.stage("proof", work, inputs=inputs, settings={"limits": recipe.limits.model_dump()})
    return _from_json(read_json(folder / "proof.json"))


def torch_logits(model: Any, texts: TokenizedTexts) -> NDArray[np.float64]:
    """[texts, labels] in fp32, of a student or a transformers classifier."""
    logits = np.zeros((len(texts), 0))
    with torch.no_grad():
        for indices in sorted_batches(texts.lengths, 64):
            batch = texts.batch(indices)
            answer = model(
                input_ids=batch.input_ids, attention_mask=batch.attention_mask, token_type_ids=batch.token_type_ids
            )
            rows = getattr(answer, "logits", answer).double().numpy()
            logits = logits if logits.shape[1] else np.zeros((len(texts), rows.shape[1]))
            logits[indices] = rows
    return logits


def _prove(recipe: Recipe, data: Path, teacher: Path, student: Path, files: Path, teacher_files: Path) -> Proof:
    tokenizer = TextTokenizer(teacher, recipe.task.max_length)
    found: dict[str, list[FileProof]] = {"student": [], "teacher": [], "student_torch": [], "teacher_torch": []}
    agreement: dict[str, int] = {}
    splits = [split for split in SPLITS if (data / f"{split}.jsonl").exists()]
    # The teacher first: the student's files are counted against its decisions too.
    sides = (("teacher", load_teacher(teacher), teacher_files), ("student", load_student(student), files))
    for name, model, folder in sides:
        for split in splits:
            rows = read_split(data / f"{split}.jsonl")
            tokens, encoded = tokenize(rows.texts, teacher, recipe.task.max_length), tokenizer.encode(rows.texts)
            reference, gold = torch_logits(model, tokens), np.asarray(rows.labels)
            judge = partial(compare_logits, reference=reference, labels=gold, metric="accuracy", split=split)
            found[f"{name}_torch"].append(judge(reference, file="torch"))
            if name == "teacher" and split == "validation":
                taught = reference.argmax(1)
            for path in sorted(folder.glob("model*")):
                logits = run_file(path, path.suffix.lstrip("."), encoded)
                found[name].append(judge(logits, file=path.name))
                if name == "student" and split == "validation":
                    agreement[path.name] = int((logits.argmax(1) == taught).sum())
    held_out = read_split(data / "validation.jsonl").texts
    broken = _broken(recipe, student, files, tokenizer.encode(held_out[:TEXTS]), found["student"])
    parts = {name: tuple(proofs) for name, proofs in found.items()}
    return Proof(**parts, agreement=agreement, agreement_n=len(held_out), broken=broken)


def _broken(
    recipe: Recipe, student: Path, files: Path, texts: Encoded, proofs: Sequence[FileProof]
) -> tuple[str, ...]:
    """The limits that files broke on the validation text, each with the place where the file goes wrong first."""
    sentences = []
    for proof in proofs:
        found = check_limits([proof], recipe.limits) if proof.split == "validation" else []
        if found:
            model = inference_form(load_student(student), recipe.task.max_length)
            path, lengths = files / proof.file, recipe.export.sequence_lengths
            place = locate_divergence(model, path, path.suffix.lstrip("."), texts, lengths).sentence
            sentences += [f"{sentence}; {place}" for sentence in found]
    return tuple(sentences)


def _from_json(raw: Any) -> Proof:
    proofs = {
        key: tuple(FileProof(**entry) for entry in raw[key])
        for key in ("student", "teacher", "student_torch", "teacher_torch")
    }
    return Proof(**proofs, agreement=raw["agreement"], agreement_n=raw["agreement_n"], broken=tuple(raw["broken"]))
