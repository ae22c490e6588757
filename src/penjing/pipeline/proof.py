"""The stages that prove: every exported file against its torch model on all held-out text.

The teacher's files are proven once for all students; its decisions are kept, so that each student's can be counted
against them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..compress.models.checkpoint import load_student
from ..compress.models.folded import inference_form
from ..compress.teacher import load_teacher
from ..compress.tokens import TokenizedTexts, sorted_batches, tokenize
from ..export.diverge import TEXTS, locate_divergence
from ..export.verify import FileProof, check_limits, compare_logits, run_file
from ..runtime.tokenizer import TextTokenizer
from .prune import Pruned
from .sections import Recipe
from .text_files import read_json, read_split, write_json
from .workspace import Workspace

SPLITS = ("validation", "test")
TORCH = "torch"
"""Stands where a file's name does in what is said of the torch model itself."""


@dataclass(frozen=True)
class Proof:
    """What was proven. `student` and `teacher` have one entry a file and split, the torch models' own lie beside them.

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


@dataclass(frozen=True)
class Made:
    """The folders of the stages up to the proof, and what was proven.

    `before` is the same of the student before it was trained for int8, where it came to that (`retrain.py`).
    """

    data: Path
    teacher: Path
    pruned: Pruned
    files: Path
    teacher_files: Path
    teacher_proof: Path
    proof: Proof
    before: Made | None = None

    @property
    def student(self) -> Path:
        """The student that is shipped: cut, if the recipe cuts it, and trained for int8, if it had to be."""
        return self.pruned.student

    @property
    def broken(self) -> tuple[str, ...]:
        """The sentences of the limits that a file broke."""
        return self.proof.broken


def prove_teacher(recipe: Recipe, space: Workspace, data: Path, teacher: Path, teacher_files: Path) -> Path:
    """`proof.json` of the teacher, and `decisions.json`: the class that it gives each validation text."""

    def work(folder: Path) -> None:
        proofs, decisions = _judge(recipe, data, teacher, load_teacher(teacher), teacher_files)
        write_json(folder / "proof.json", [asdict(proof) for proof in proofs])
        write_json(folder / "decisions.json", decisions[TORCH].tolist())

    return space.stage("teacher-proof", work, inputs=[data, teacher, teacher_files])


def prove_student(
    recipe: Recipe, space: Workspace, data: Path, student: Path, files: Path, teacher_proof: Path
) -> Proof:
    """Judges the student's files, counts how often they agree with the teacher, and joins the teacher's proof to it."""

    def work(folder: Path) -> None:
        proofs, decisions = _judge(recipe, data, student, load_student(student), files)
        taught = np.asarray(read_json(teacher_proof / "decisions.json"))
        agreement = {name: int((chosen == taught).sum()) for name, chosen in decisions.items() if name != TORCH}
        broken = _broken(recipe, data, student, files, proofs)
        write_json(folder / "proof.json", [asdict(proof) for proof in proofs])
        write_json(folder / "verdict.json", {"agreement": agreement, "agreement_n": len(taught), "broken": broken})

    inputs = [data, student, files, teacher_proof]
    folder = space.stage("student-proof", work, inputs=inputs, settings={"limits": recipe.limits.model_dump()})
    verdict = read_json(folder / "verdict.json")
    (own, own_torch), (taught, taught_torch) = _read(folder), _read(teacher_proof)
    return Proof(
        student=own, teacher=taught, student_torch=own_torch, teacher_torch=taught_torch,
        agreement=verdict["agreement"], agreement_n=verdict["agreement_n"], broken=tuple(verdict["broken"]),
    )  # fmt: skip


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


def _judge(
    recipe: Recipe, data: Path, tokenizer_folder: Path, model: Any, files: Path
) -> tuple[list[FileProof], dict[str, NDArray[np.int64]]]:
    """Proofs of the torch model and its files on every split, and what each decides on the validation text.

    The files see one text at a time, as on a device.
    """
    tokenizer = TextTokenizer(tokenizer_folder, recipe.task.max_length)
    proofs: list[FileProof] = []
    decisions: dict[str, NDArray[np.int64]] = {}
    for split in (split for split in SPLITS if (data / f"{split}.jsonl").exists()):
        rows = read_split(data / f"{split}.jsonl")
        reference = torch_logits(model, tokenize(rows.texts, tokenizer_folder, recipe.task.max_length))
        encoded, gold = tokenizer.encode(rows.texts), np.asarray(rows.labels)
        logits = {TORCH: reference}
        for path in sorted(files.glob("model*")):
            logits[path.name] = run_file(path, path.suffix.lstrip("."), encoded)
        proofs += [compare_logits(found, reference, gold, file=name, split=split) for name, found in logits.items()]
        if split == "validation":
            decisions = {name: found.argmax(1) for name, found in logits.items()}
    return proofs, decisions


def _broken(recipe: Recipe, data: Path, student: Path, files: Path, proofs: Sequence[FileProof]) -> list[str]:
    """The limits that files broke on the validation text, each with the place where the file goes wrong first."""
    sentences = []
    for proof in proofs:
        found = check_limits([proof], recipe.limits) if proof.split == "validation" and proof.file != TORCH else []
        if found:
            held_out = read_split(data / "validation.jsonl").texts[:TEXTS]
            texts = TextTokenizer(student, recipe.task.max_length).encode(held_out)
            model = inference_form(load_student(student), recipe.task.max_length)
            path, lengths = files / proof.file, recipe.export.sequence_lengths
            place = locate_divergence(model, path, path.suffix.lstrip("."), texts, lengths).sentence
            sentences += [f"{sentence}; {place}" for sentence in found]
    return sentences


def _read(folder: Path) -> tuple[tuple[FileProof, ...], tuple[FileProof, ...]]:
    """What a stage proved of the files, and of the torch model."""
    proofs = [FileProof(**entry) for entry in read_json(folder / "proof.json")]
    return tuple(p for p in proofs if p.file != TORCH), tuple(p for p in proofs if p.file == TORCH)
