"""The proof: every exported file decides real texts as the torch student does, within limits.

A file is judged by its decisions (flips, with an interval) and its metric, and the largest logit difference is told
beside them. What a decision is and what the metric, the task says (`runtime/answers.py`, `runtime/metrics.py`). Where a
file goes wrong is `diverge.py`'s question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..runtime.answers import SOFTMAX, Decision, Postprocess, decide, differ
from ..runtime.engine import open_engine
from ..runtime.errors import ExportError
from ..runtime.manifest import Quality
from ..runtime.metrics import measure, share_interval
from ..runtime.spans import Word
from ..runtime.tokenizer import Encoded
from .signature import TEXT

LARGEST_BATCH = 32
Rows = Sequence[NDArray[Any]] | NDArray[Any]
"""Each text's logits: [labels], or [words, labels] where there is a decision a word."""


class Limits(Protocol):
    """The recipe's `limits`: largest share of flips, loss of the metric, and logit difference (None: not limited)."""

    @property
    def flips(self) -> float: ...
    @property
    def metric_drop(self) -> float: ...
    @property
    def logit_difference(self) -> float | None: ...


@dataclass(frozen=True, kw_only=True)
class FileProof(Quality):
    """What one exported file did on `n` labelled texts, and what its limits need beside it.

    `reference_value` is the metric of the torch model. `not_numbers` texts got logits that are not finite: each is a
    flip and a wrong answer, and `logit_difference` is that of the other texts.
    """

    reference_value: float
    not_numbers: int = 0

    @property
    def quality(self) -> Quality:
        """The part that goes into the manifest."""
        return Quality(**{field.name: getattr(self, field.name) for field in fields(Quality)})


@dataclass(frozen=True)
class Judge:
    """How answers are judged: what the device does after the logits, the names of the outputs in their order, and the
    metric's name."""

    after: Postprocess = SOFTMAX
    labels: tuple[str, ...] = ()
    metric: str = "accuracy"

    def decisions(self, logits: Rows, words: Sequence[Sequence[Word]] = ()) -> list[Decision]:
        """What the device decides on each text; `words` are each text's, where there are decisions by word."""
        each = words or [()] * len(logits)
        return [decide(self.after, self.labels, row, own) for row, own in zip(logits, each, strict=True)]


BY_ACCURACY = Judge()
"""One label a text."""


def compare_logits(
    logits: Rows,
    reference: Rows,
    gold: Sequence[Any] | NDArray[Any],
    *,
    file: str,
    split: str,
    judge: Judge = BY_ACCURACY,
    words: Sequence[Sequence[Word]] = (),
) -> FileProof:
    """The proof from the logits of the file and of its torch model, one row a text, and the n right decisions.

    Raises ExportError when these do not fit together or there are none.
    """
    n, sizes, expected = len(gold), [np.shape(row) for row in logits], [np.shape(row) for row in reference]
    if n == 0 or sizes != expected or len(reference) != n:
        shapes = f"logits {_shape(sizes)}, those of torch {_shape(expected)}, {n} labels"
        raise ExportError(f"cannot prove {file} by {shapes}: give one row of each for at least one text")
    finite = [bool(np.isfinite(row).all()) for row in logits]
    decisions, wanted = judge.decisions(logits, words), judge.decisions(reference, words)
    flips = sum(differ(judge.after, one, other) for one, other in zip(decisions, wanted, strict=True))
    answers = list(gold.tolist() if isinstance(gold, np.ndarray) else gold)
    found = measure(judge.metric, decisions, answers)
    flip_low, flip_high = wilson_interval(flips, n)
    differences = (
        float(np.abs(row - other).max(initial=0.0))
        for row, other, whole in zip(logits, reference, finite, strict=True)
        if whole
    )
    return FileProof(
        file=file,
        metric=judge.metric,
        split=split,
        n=n,
        value=found.value,
        low=found.low,
        high=found.high,
        flips=flips,
        flip_low=flip_low,
        flip_high=flip_high,
        logit_difference=max(differences, default=0.0),
        reference_value=measure(judge.metric, wanted, answers).value,
        not_numbers=n - sum(finite),
    )


def run_file(path: Path, file_format: str, texts: Encoded, *, threads: int = 1, batch_size: int = 1) -> Rows:
    """The file's logits, one row a text in the order of `texts`: [n, labels], or a list of [words, labels] where the
    texts have words.

    One text at a time unless told otherwise, as on a device: dynamic int8 takes one activation scale for a whole batch,
    so a text's neighbours and padding would change its logits. Larger batches (at most 32) are of texts of like length,
    padded to the longest. Raises EngineError when the engine is missing or refuses the file.
    """
    engine = open_engine(path, file_format, threads)
    lengths = token_counts(texts)
    order = np.argsort(lengths, kind="stable")
    step = max(1, min(batch_size, LARGEST_BATCH))
    rows: dict[int, NDArray[np.float64]] = {}
    with tqdm(total=len(order), desc=f"prove {path.name}", unit="text", disable=None) as bar:
        for start in range(0, len(order), step):
            chosen = order[start : start + step]
            width = int(lengths[chosen].max())
            answer = engine.run({name: array[chosen, :width] for name, array in texts.inputs.items()})
            rows.update(zip(chosen.tolist(), answer[TEXT.output].astype(np.float64), strict=True))
            bar.update(len(chosen))
    if not texts.words:
        return np.stack([rows[i] for i in range(len(rows))])
    return [rows[i][[token for token, _, _ in words]] for i, words in enumerate(texts.words)]


def token_counts(texts: Encoded) -> NDArray[np.int64]:
    """Tokens of each text up to the last that is not padding, at least 1; [n]."""
    places = np.arange(1, texts.attention_mask.shape[1] + 1)
    counts: NDArray[np.int64] = (texts.attention_mask * places).max(axis=1, initial=1)
    return counts


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """95% score interval of a share; raises ExportError where there is none."""
    if not 0 <= count <= n or n == 0:
        raise ExportError(f"{count} of {n} is no share: count at least one text")
    return share_interval(count, n)


def check_limits(proofs: Sequence[FileProof], limits: Limits) -> list[str]:
    """One sentence for every limit that a file breaks: the file, what was measured, the limit, by how much."""
    return [sentence for proof in proofs for sentence in _broken(proof, limits)]


def _broken(proof: FileProof, limits: Limits) -> list[str]:
    found = []
    if proof.not_numbers:
        found.append(f"{proof.file}: {proof.not_numbers} of {proof.n} texts get logits that are not numbers")
    share = proof.flips / proof.n
    if _beyond(share, limits.flips):
        interval = f"95% interval {proof.flip_low:.2%} to {proof.flip_high:.2%}"
        found.append(
            f"{proof.file}: flips {share:.2%} of {proof.n} ({interval}) exceed limits.flips {limits.flips:.2%}"
            f" by {100 * (share - limits.flips):.2f} points"
        )
    drop = proof.reference_value - proof.value
    if _beyond(drop, limits.metric_drop):
        found.append(
            f"{proof.file}: {proof.metric} {proof.value:.2%} is {100 * drop:.2f} points below the torch student's"
            f" {proof.reference_value:.2%}, which exceeds limits.metric_drop {limits.metric_drop:.2%}"
            f" by {100 * (drop - limits.metric_drop):.2f} points"
        )
    allowed = limits.logit_difference
    if allowed is not None and _beyond(proof.logit_difference, allowed):
        found.append(
            f"{proof.file}: logit difference {proof.logit_difference:.4g} exceeds limits.logit_difference"
            f" {allowed:.4g} by {proof.logit_difference - allowed:.4g}"
        )
    return found


def _beyond(measured: float, allowed: float) -> bool:
    """Whether a limit is broken; 0.890 - 0.885 is not more than 0.005, whatever floating point says."""
    return measured > allowed + 1e-9


def _shape(sizes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Of all texts together, in the message."""
    return (len(sizes), *(sizes[0] if sizes else ()))
