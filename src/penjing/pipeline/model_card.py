"""The bundle's README: what the model is, what it was made from and what was proven."""

from __future__ import annotations

from ..export.verify import FileProof
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
        f"| {p.file} | {_split(p, torch)} | {p.n} | {p.value:.4f} ({p.low:.4f} to {p.high:.4f})"
        f" | {p.flips} | {p.logit_difference:.3g} |"
        for p in proof.student
    ]
    return "\n".join(
        [
            f"# {recipe.name}",
            "",
            f"{_what(recipe)}: {_origin(recipe)}, {parameters[0]:,}"
            f" parameters ({parameters[1]:,} outside embedding tables).",
            f"Validation {torch.metric} {torch.value:.4f} (its teacher {teacher.value:.4f}), n = {torch.n}.",
            "",
            *(() if sparsity is None else (sparsity.sentence, "")),
            f"Flips are decisions that differ from the torch student's{_flips(recipe)}; intervals are 95%"
            f"{' Wilson' if torch.metric == 'accuracy' else ''} intervals.",
            "",
            *_scope(proof),
            f"| file | split | n | {torch.metric} | flips | largest logit difference |",
            "|---|---|---:|---|---:|---:|",
            *rows,
            "",
            *([] if before is None else [_trained_for_int8(before, proof), ""]),
            "```python",
            "from penjing.runtime import load",
            "",
            f'print(load("this folder").predict({_question(recipe)}))',
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
        f"{p.file} went from {p.flips} flips and {p.metric} {p.value:.4f} to {now[p.file].flips} and"
        f" {now[p.file].value:.4f}"
        for p in before.student
        if p.split == "validation" and ".int8." in p.file
    )
    return f"Plain int8 broke the limits, so the student was trained with its values rounded as in int8: {gains}."


def _what(recipe: Recipe) -> str:
    names, pairs = ", ".join(recipe.task.labels), "" if recipe.data.text_pair is None else ", of two texts together"
    return {
        "text-classification": f"A text classifier for {names}{pairs}",
        "multi-label-classification": f"Any number of the labels {names} for a text{pairs}",
        "regression": f"A number for a text{pairs}",
        "token-classification": f"Finds spans of words in a text: {names}",
    }[recipe.task.kind]


def _flips(recipe: Recipe) -> str:
    return {
        "regression": ", here by more than 2% of the range of the training labels",
        "token-classification": ", here texts with other spans",
    }.get(recipe.task.kind, "")


def _question(recipe: Recipe) -> str:
    return '"your text"' if recipe.data.text_pair is None else '"one text", "the other"'


def _scope(proof: Proof) -> list[str]:
    told = proof.after.calibration
    if not told:
        return []
    return [
        f"A text is out of scope where the best label's probability is below {proof.after.threshold:.4f}: chosen on"
        f" {told['n']:.0f} validation texts for {told['false_rejections']:.1%} false rejections (95% interval"
        f" {told['low']:.1%} to {told['high']:.1%}).",
        "",
    ]


def _split(proof: FileProof, usual: FileProof) -> str:
    return proof.split if proof.metric == usual.metric else f"{proof.split} ({proof.metric})"


def _origin(recipe: Recipe) -> str:
    teacher = recipe.teacher.model
    if recipe.untrained:
        return f"a BERT cut out of {teacher}"
    shape = {
        "mobilebert": "MobileBERT-style student" + (" of two towers" if recipe.two_towers else ""),
        "bert": f"BERT of {recipe.student.layers} layers",
        "bilstm": "BiLSTM of whole words",
    }[recipe.student.architecture]
    pruned = ", then pruned" if recipe.prune is not None else ""
    return f"a {shape} distilled from {teacher} (method {recipe.distill.method}){pruned}"
