"""What a smaller vocabulary alone changes: the SST-2 teacher without most rows of its word table, nothing trained.

    python -m penjing.pipeline.experiments.vocabulary --out runs/sst2 --to docs/results/vocabulary.json

The rows are chosen by the task's text: those that validation text uses stay, as `prune.vocabulary_text` keeps them,
then the most frequent of the recipe's own text (`sst2-cut`: training text and review sentences). Counted are decisions
that change on it, and on SST-2's test text and on reviews of products, which no row was chosen by; and those on
validation text by rows that it had no part in. Left out: the recovery that follows a cut in a recipe, other tasks.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ...compress.data import Split
from ...compress.models.bert import bert_from_teacher
from ...compress.prune.apply import apply_plan
from ...compress.prune.plan import PruningPlan, fingerprint_of
from ...compress.prune.tokenizer_cut import write_cut_tokenizer
from ...compress.prune.units import Encoder, full_masks
from ...compress.prune.vocabulary import VocabularyCut, choose_vocabulary, unchanged
from ...compress.tables import read_table
from ...compress.teacher import load_teacher
from ...compress.tokens import TokenizedTexts, sorted_batches, tokenize
from ...export.verify import wilson_interval
from ..claims import against, make_claim
from ..fit import all_texts, train_teacher
from ..reading import read_corpora, read_data
from ..recipe import load_text_recipe, resolve_path
from ..text_files import read_split, write_json
from ..workspace import Workspace

RECIPE, ROWS, BATCH = "sst2-cut", 12_208, 64
"""40% of BERT's 30,522 rows."""
DOMAINS = ("books", "dvd", "electronics", "kitchen")
REVIEWS = "../shared/data/text/amazon_multidomain/{}.dev.tsv.gz"
WHY = {
    "flips": "a text that keeps its tokens is decided otherwise: the table's rows are not those of its tokens",
    "reviews.loss": "the reviews use words that the film reviews do not",
}


@dataclass(frozen=True)
class Judged:
    """One set of texts by both models: right answers of the whole vocabulary and of the cut one, decisions that
    differ, texts whose tokens changed, and tokens before and after."""

    n: int
    right_whole: int
    right_cut: int
    flips: int
    changed: int
    tokens_whole: int
    tokens_cut: int


def main() -> None:
    """Reads the command line, judges both vocabularies and writes the claims."""
    parser = argparse.ArgumentParser(description="Cut the SST-2 teacher's vocabulary, train nothing, and judge.")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--out", type=Path, default=Path("runs/sst2"))
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    cut, judged = judge(arguments.rows, arguments.out)
    command = (
        f"python -m penjing.pipeline.experiments.vocabulary --rows {arguments.rows}"
        f" --out {arguments.out.as_posix()} --to {arguments.to.as_posix()}"
    )
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    write_json(arguments.to, {
        "claims": [{**claim, "command": command} for claim in claims(cut, judged)],
        "judged": {name: asdict(found) for name, found in judged.items()},
    })  # fmt: skip


def judge(rows: int, out: Path) -> tuple[VocabularyCut, dict[str, Judged]]:
    """The cut, and what it changes on "validation", "test" and "reviews"; "unread" is validation text by a cut that it
    had no part in. Stages of earlier runs in `out` are used."""
    recipe, space = load_text_recipe(RECIPE), Workspace(out)
    with space.locked():
        data = read_data(recipe, space)
        corpus = read_corpora(recipe, space, data)
        teacher = train_teacher(recipe, space, data)
    validation, test = (read_split(data / f"{name}.jsonl") for name in ("validation", "test"))
    texts = all_texts(data, corpus)
    cut = choose_vocabulary(teacher, texts, words=rows, unchanged_texts=validation.texts)
    blind = choose_vocabulary(teacher, texts, words=rows)
    found = compare(
        teacher, cut, recipe.task.max_length, {"validation": validation, "test": test, "reviews": reviews()}
    )
    return cut, {**found, **compare(teacher, blind, recipe.task.max_length, {"unread": validation})}


def compare(teacher: Path, cut: VocabularyCut, length: int, splits: Mapping[str, Split]) -> dict[str, Judged]:
    """Every split by the teacher and by the same without the rows that `cut` takes."""
    whole = bert_from_teacher(load_teacher(teacher))
    layers = tuple(range(len(whole.config.layers)))
    plan = PruningPlan(fingerprint_of(whole), "none", layers, full_masks(whole.config), vocabulary=cut)
    small, found = apply_plan(whole, plan), {}
    with tempfile.TemporaryDirectory() as own:
        write_cut_tokenizer(teacher, Path(own), cut)
        for name, split in splits.items():
            before, after = tokenize(split.texts, teacher, length), tokenize(split.texts, Path(own), length)
            gold = np.asarray(split.labels)
            found[name] = judged_by(cut, decisions(whole, before), decisions(small, after), gold, before, after)
    return found


def judged_by(
    cut: VocabularyCut, whole: NDArray[np.int64], small: NDArray[np.int64], gold: NDArray[np.int64],
    before: TokenizedTexts, after: TokenizedTexts,
) -> Judged:  # fmt: skip
    """Counts over the decisions [texts] of both models."""
    return Judged(
        n=len(gold), right_whole=int((whole == gold).sum()), right_cut=int((small == gold).sum()),
        flips=int((whole != small).sum()), changed=int((~unchanged(cut, before, after)).sum()),
        tokens_whole=len(before.ids), tokens_cut=len(after.ids),
    )  # fmt: skip


def reviews() -> Split:
    """Product reviews of four domains; label 1 is praise."""
    rows = [row for domain in DOMAINS for row in read_table(resolve_path(REVIEWS.format(domain)), ("text", "label"))]
    return Split(tuple(row["text"] for row in rows), tuple(int(row["label"]) for row in rows))


@torch.no_grad()
def decisions(model: Encoder, texts: TokenizedTexts) -> NDArray[np.int64]:
    """The class of each text, [texts]."""
    found = np.zeros(len(texts), dtype=np.int64)
    for indices in tqdm(sorted_batches(texts.lengths, BATCH), desc="decisions", unit="batch", disable=None):
        batch = texts.batch(indices)
        logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
        found[indices] = logits.argmax(-1).numpy()
    return found


def claims(cut: VocabularyCut, judged: dict[str, Judged]) -> Iterator[dict[str, Any]]:
    """Rows gone, decisions changed, and what is lost on reviews, each with the target of its issue."""
    other = judged["reviews"]
    gone = 1 - len(cut.kept) / cut.old_size
    yield _targeted("rows_gone", gone, None, 1, ">= 0.6")
    yield against(_flips("flips", judged["validation"]), "<= 0", WHY["flips"])
    loss = (other.right_whole - other.right_cut) / other.n
    yield _targeted("reviews.loss", loss, None, other.n, "<= 0.015")
    for name, found in judged.items():
        yield _flips(f"{name}.flips", found)
        for side, right in (("whole", found.right_whole), ("cut", found.right_cut)):
            interval = wilson_interval(right, found.n)
            yield make_claim(f"vocabulary.{name}.{side}", right / found.n, "accuracy", interval, found.n)
        longer = found.tokens_cut / found.tokens_whole - 1
        yield make_claim(f"vocabulary.{name}.longer", longer, "share", None, found.n)


def _flips(name: str, found: Judged) -> dict[str, Any]:
    span = wilson_interval(found.flips, found.n)
    return make_claim(f"vocabulary.{name}", found.flips / found.n, "share", span, found.n)


def _targeted(name: str, value: float, interval: tuple[float, float] | None, n: int, target: str) -> dict[str, Any]:
    claim = make_claim(f"vocabulary.{name}", value, "share", interval, n)
    return against(claim, target, WHY.get(name, "fewer rows were asked for"))


if __name__ == "__main__":
    main()
