"""The stages that prove: every exported file against its torch model on all held-out text, and on each domain's part.

The teacher's files are proven once for all students; its decisions are kept, so that each student's can be counted
against them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compress.data import Split
from ..compress.models.checkpoint import load_student
from ..compress.models.folded import inference_form
from ..compress.tasks.out_of_scope import with_rejection
from ..compress.tasks.task import text_logits
from ..compress.teacher import load_teacher
from ..compress.tokens import Batch, TokenizedTexts
from ..export.diverge import TEXTS, locate_divergence
from ..export.verify import FileProof, Judge, Rows, check_limits, compare_logits, run_file
from ..runtime.answers import SOFTMAX, Postprocess, differ
from ..runtime.metrics import RECALL
from .goals import encoded, goal_of, judge_of, tokenized
from .prune import Pruned
from .reading import OUT_OF_SCOPE
from .sections import Recipe
from .text_files import frozen, read_json, read_split, write_json
from .workspace import Workspace

SPLITS = ("validation", "test")
POSTPROCESS = "postprocess.json"
"""What the device does after the logits; with a threshold, that of this model."""
TORCH = "torch"
"""Stands where a file's name does in what is said of the torch model itself."""


@dataclass(frozen=True)
class Proof:
    """What was proven. `student` and `teacher` have one entry a file and split, the torch models' own lie beside them.

    `agreement` counts, of `agreement_n` validation texts, those that a student file decides like the torch teacher;
    `after` is what the student's bundle does after the logits, `teacher_after` the teacher's: each has its threshold.
    `broken` are the sentences of the limits that a file broke, each with the place where it goes wrong first.
    """

    student: tuple[FileProof, ...]
    teacher: tuple[FileProof, ...]
    student_torch: tuple[FileProof, ...]
    teacher_torch: tuple[FileProof, ...]
    agreement: Mapping[str, int]
    agreement_n: int
    broken: tuple[str, ...]
    after: Postprocess = SOFTMAX
    teacher_after: Postprocess = SOFTMAX


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
    """`proof.json` of the teacher, and `decisions.json`: what it decides on each validation text."""

    def work(folder: Path) -> None:
        judged = _judge(recipe, data, teacher, load_teacher(teacher), teacher_files)
        write_json(folder / "proof.json", [asdict(proof) for proof in judged.proofs])
        write_json(folder / "decisions.json", judged.decisions[TORCH])
        write_json(folder / POSTPROCESS, judged.judge.after.to_plain())

    settings = _settings(recipe)
    return space.stage("teacher-proof", work, inputs=[data, teacher, teacher_files], settings=settings)


def prove_student(
    recipe: Recipe, space: Workspace, data: Path, student: Path, files: Path, teacher_proof: Path
) -> Proof:
    """Judges the student's files, counts how often they agree with the teacher, and joins the teacher's proof to it."""

    def work(folder: Path) -> None:
        judged = _judge(recipe, data, student, load_student(student), files)
        taught = frozen(read_json(teacher_proof / "decisions.json"))
        agreement = {
            name: sum(not differ(judged.judge.after, *both) for both in zip(chosen, taught, strict=True))
            for name, chosen in judged.decisions.items()
            if name != TORCH
        }
        broken = _broken(recipe, data, student, files, judged.proofs)
        write_json(folder / "proof.json", [asdict(proof) for proof in judged.proofs])
        write_json(folder / POSTPROCESS, judged.judge.after.to_plain())
        write_json(folder / "verdict.json", {"agreement": agreement, "agreement_n": len(taught), "broken": broken})

    inputs = [data, student, files, teacher_proof]
    settings = {"limits": recipe.limits.model_dump(), **_settings(recipe)}
    folder = space.stage("student-proof", work, inputs=inputs, settings=settings)
    verdict = read_json(folder / "verdict.json")
    (own, own_torch), (taught, taught_torch) = _read(folder), _read(teacher_proof)
    return Proof(
        student=own, teacher=taught, student_torch=own_torch, teacher_torch=taught_torch,
        agreement=verdict["agreement"], agreement_n=verdict["agreement_n"], broken=tuple(verdict["broken"]),
        after=_after(folder), teacher_after=_after(teacher_proof),
    )  # fmt: skip


def torch_logits(model: Any, texts: TokenizedTexts) -> NDArray[np.float64]:
    """[texts, labels] in fp32, of a student or a transformers classifier of whole texts."""
    return np.stack(torch_rows(model, texts))


def torch_rows(model: Any, texts: TokenizedTexts) -> list[NDArray[np.float64]]:
    """One row a text, [labels], or [words, labels] where words are decided."""

    def logits_of(batch: Batch) -> Any:
        answer = model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, token_type_ids=batch.token_type_ids
        )
        return getattr(answer, "logits", answer)

    return [row.astype(np.float64) for row in text_logits(logits_of, texts)]


@dataclass(frozen=True)
class _Judged:
    """The proofs of the torch model and its files on every split, what each decides on the validation text, and how."""

    proofs: tuple[FileProof, ...]
    decisions: Mapping[str, list[Any]]
    judge: Judge


def _judge(recipe: Recipe, data: Path, tokenizer_folder: Path, model: Any, files: Path) -> _Judged:
    """The files see one text at a time, as on a device."""
    goal = goal_of(recipe, data)
    proofs: list[FileProof] = []
    decisions: dict[str, list[Any]] = {}
    for split in _splits(data):
        rows = read_split(data / f"{split}.jsonl")
        texts = encoded(recipe, rows, tokenizer_folder)
        logits: dict[str, Rows] = {TORCH: torch_rows(model, tokenized(recipe, rows, tokenizer_folder))}
        logits |= {path.name: run_file(path, path.suffix.lstrip("."), texts) for path in sorted(files.glob("model*"))}
        if split == SPLITS[0] and recipe.task.out_of_scope is not None:
            goal = with_rejection(goal, list(logits[TORCH]), recipe.task.out_of_scope.false_rejections)
        judge = judge_of(replace(goal, metric=RECALL) if split.startswith(OUT_OF_SCOPE) else goal)
        proofs += [
            compare_logits(
                [found[i] for i in chosen], [logits[TORCH][i] for i in chosen], [rows.labels[i] for i in chosen],
                file=name, split=part, judge=judge, words=[texts.words[i] for i in chosen] if texts.words else (),
            )
            for part, chosen in _parts(split, rows, data)
            for name, found in logits.items()
        ]  # fmt: skip
        if split == SPLITS[0]:
            decisions = {name: judge.decisions(found, texts.words) for name, found in logits.items()}
    return _Judged(tuple(proofs), decisions, judge_of(goal))


def _parts(split: str, rows: Split, data: Path) -> Iterator[tuple[str, Sequence[int]]]:
    """The whole split under its name; where texts have domains, then each domain's rows, as "test/books"."""
    yield split, range(len(rows.texts))
    names = read_json(data / "data.json")["domains"] if rows.domains else ()
    for number, name in enumerate(names):
        chosen = [row for row, domain in enumerate(rows.domains) if domain == number]
        if chosen:
            yield f"{split}/{name}", chosen


def _splits(data: Path) -> list[str]:
    """The validation text first, which a threshold is chosen on."""
    named = [*SPLITS, *(OUT_OF_SCOPE + split for split in SPLITS)]
    return [split for split in named if (data / f"{split}.jsonl").exists()]


def _settings(recipe: Recipe) -> dict[str, Any]:
    """For the names of stages: what only the proof goes by."""
    scope = recipe.task.out_of_scope
    metric = {} if recipe.task.metric is None else {"metric": recipe.task.metric}
    return {**metric, **({} if scope is None else {"false_rejections": scope.false_rejections})}


def _after(folder: Path) -> Postprocess:
    """What a proof's folder says; folders of before said nothing, and meant a softmax."""
    path = folder / POSTPROCESS
    return Postprocess.from_plain(read_json(path)) if path.is_file() else SOFTMAX


def _broken(recipe: Recipe, data: Path, student: Path, files: Path, proofs: Sequence[FileProof]) -> list[str]:
    """The limits that files broke on the validation text, each with the place where the file goes wrong first."""
    sentences = []
    for proof in proofs:
        found = check_limits([proof], recipe.limits) if proof.split == "validation" and proof.file != TORCH else []
        if found:
            texts = encoded(recipe, read_split(data / "validation.jsonl").first(TEXTS), student)
            model = inference_form(load_student(student), recipe.task.max_length)
            path, lengths = files / proof.file, recipe.export.sequence_lengths
            place = locate_divergence(model, path, path.suffix.lstrip("."), texts, lengths).sentence
            sentences += [f"{sentence}; {place}" for sentence in found]
    return sentences


def _read(folder: Path) -> tuple[tuple[FileProof, ...], tuple[FileProof, ...]]:
    """What a stage proved of the files, and of the torch model."""
    proofs = [FileProof(**entry) for entry in read_json(folder / "proof.json")]
    return tuple(p for p in proofs if p.file != TORCH), tuple(p for p in proofs if p.file == TORCH)
