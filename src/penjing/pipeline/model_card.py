"""The bundle's README: what the model is, what it was made from and what was proven."""

from __future__ import annotations

from .proof import Proof
from .sections import Recipe
from .sparsify import Sparsity


def model_card(
    recipe: Recipe, parameters: tuple[int, int], proof: Proof, sparsity: Sparsity | None, before: Proof | None
) -> str:
    """Markdown. `parameters` are the total and those outside embedding tables; `sparsity` is a sparse student's;
    `before` was proven before the student was trained for int8."""
    torch = {p.split: p for p in proof.student_torch}["validation"]
    teacher = {p.split: p for p in proof.teacher_torch}["validation"]
    rows = [
        f"| {p.file} | {p.split} | {p.n} | {p.value:.4f} ({p.low:.4f} to {p.high:.4f})"
        f" | {p.flips} | {p.logit_difference:.3g} |"
        for p in proof.student
    ]
    return "\n".join(
        [
            f"# {recipe.name}",
            "",
            f"A text classifier for {', '.join(recipe.task.labels)}: {_origin(recipe)}, {parameters[0]:,}"
            f" parameters ({parameters[1]:,} outside embedding tables).",
            f"Validation accuracy {torch.value:.4f} (its teacher {teacher.value:.4f}), n = {torch.n}.",
            "",
            *(() if sparsity is None else (sparsity.sentence, "")),
            "Flips are decisions that differ from the torch student's; intervals are 95% Wilson intervals.",
            "",
            "| file | split | n | accuracy | flips | largest logit difference |",
            "|---|---|---:|---|---:|---:|",
            *rows,
            "",
            *([] if before is None else [_trained_for_int8(before, proof), ""]),
            "```python",
            "from penjing.runtime import load",
            "",
            'print(load("this folder").predict("your text"))',
            "```",
            "",
            "`recipe.yaml` is what it was made from, `manifest.json` lists every file with its hash; `penjing verify`",
            "replays `goldens.jsonl` on your machine. Texts longer than"
            f" {recipe.task.max_length} tokens are cut, and the answer says so.",
            "",
        ]
    )


def _trained_for_int8(before: Proof, after: Proof) -> str:
    now = {p.file: p for p in after.student if p.split == "validation"}
    gains = "; ".join(
        f"{p.file} went from {p.flips} flips and accuracy {p.value:.4f} to {now[p.file].flips} and"
        f" {now[p.file].value:.4f}"
        for p in before.student
        if p.split == "validation" and ".int8." in p.file
    )
    return f"Plain int8 broke the limits, so the student was trained with its values rounded as in int8: {gains}."


def _origin(recipe: Recipe) -> str:
    teacher = recipe.teacher.model
    if recipe.student.architecture == "bert":
        return f"a BERT cut out of {teacher}"
    pruned = ", then pruned" if recipe.prune is not None else ""
    return f"a MobileBERT-style student distilled from {teacher}{pruned}"
