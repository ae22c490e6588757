"""The bundle's README: what the encoder is, what it was made from, what was proven, and how to use it."""

from __future__ import annotations

from .proof import Made, Proof
from .sections import EmbeddingRecipe


def embedding_card(recipe: EmbeddingRecipe, parameters: tuple[int, int], size: int, made: Made) -> str:
    """Markdown. `parameters` are the total and those outside embedding tables."""
    own, taught = made.proof, made.teacher_proof
    rows = [
        f"| {p.file} | {p.split} | {p.n} | {p.value:.4f} ({p.low:.4f} to {p.high:.4f}) | {p.flips} | {p.cosine:.4f} |"
        for p in own.files
    ]
    cuts = f", or {', '.join(map(str, recipe.task.cuts))} of them" if recipe.task.cuts else ""
    return "\n".join(
        [
            f"# {recipe.name}",
            "",
            f"A sentence encoder: text to a vector of {size} numbers{cuts}. A MobileBERT-style student distilled from"
            f" {_teacher(recipe)}, {parameters[0]:,} parameters ({parameters[1]:,} outside embedding tables).",
            "",
            *(_ranks(split, own, taught) for split in (proof.split for proof in own.torch)),
            "",
            _spread("Student", own),
            _spread("Teacher", taught),
            "",
            "Spearman's rank correlation of cosines and people's scores, 95% bootstrap intervals over pairs. A flip is"
            " a pair's first text whose nearest other text is not that of the torch student's vectors.",
            "",
            "| file | split | pairs | rank correlation | flips | least cosine with torch |",
            "|---|---|---:|---|---:|---:|",
            *rows,
            "",
            "```python",
            "from penjing.runtime import load",
            "",
            'encoder = load("this folder")',
            'print(encoder.embed("a text") @ encoder.embed("another text"))  # the cosine',
            "```",
            "",
            "`penjing embed` makes an index of a file's lines, `penjing search` finds in it, `penjing verify` replays"
            " `goldens.jsonl` on your machine. `recipe.yaml` is what it was made from. Texts longer than"
            f" {recipe.task.max_length} tokens are cut.",
            "",
        ]
    )


def _teacher(recipe: EmbeddingRecipe) -> str:
    simcse = recipe.teacher.simcse
    trained = "" if simcse is None else f" ({'un' if simcse.pairs is None else ''}supervised SimCSE)"
    return f"{recipe.teacher.model}{trained}"


def _ranks(split: str, own: Proof, taught: Proof) -> str:
    student, teacher = own.on(split), taught.on(split)
    return f"{split.capitalize()}: {student.value:.4f} (its teacher {teacher.value:.4f}), n = {student.n}."


def _spread(who: str, proof: Proof) -> str:
    aligned = "not known" if proof.spread.alignment is None else f"{proof.spread.alignment:.3f}"
    return f"{who}: alignment {aligned}, uniformity {proof.spread.uniformity:.3f} on the validation pairs."
