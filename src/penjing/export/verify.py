"""The proof: every exported file decides real texts as the torch student does, within limits.

A file is judged by its decisions (flips, with an interval) and its metric, and the largest logit difference is told
beside them. Where a file goes wrong is `diverge.py`'s question. Left out: metrics other than accuracy, whose interval
would need another method than Wilson's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..runtime.engine import open_engine
from ..runtime.errors import ExportError
from ..runtime.manifest import Quality
from ..runtime.tokenizer import Encoded
from .signature import TEXT

LARGEST_BATCH = 32
Z_95 = 1.959963984540054
"""Two-sided 95% point of the normal distribution."""


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


def compare_logits(
    logits: NDArray[Any], reference: NDArray[Any], labels: NDArray[Any], *, file: str, split: str
) -> FileProof:
    """The proof from logits [n, labels] of the file and of its torch model, and the n right answers as numbers.

    Raises ExportError when these do not fit together or there are none.
    """
    n = len(labels)
    if n == 0 or logits.shape != reference.shape or len(reference) != n:
        shapes = f"logits {logits.shape}, those of torch {reference.shape}, {n} labels"
        raise ExportError(f"cannot prove {file} by {shapes}: give one row of each for at least one text")
    finite = np.isfinite(logits).all(axis=1)
    decisions = np.where(finite, np.nan_to_num(logits).argmax(axis=1), -1)
    flips, right = int((decisions != reference.argmax(axis=1)).sum()), int((decisions == labels).sum())
    low, high = wilson_interval(right, n)
    flip_low, flip_high = wilson_interval(flips, n)
    return FileProof(
        file=file,
        metric="accuracy",
        split=split,
        n=n,
        value=right / n,
        low=low,
        high=high,
        flips=flips,
        flip_low=flip_low,
        flip_high=flip_high,
        logit_difference=float(np.abs(logits[finite] - reference[finite]).max(initial=0.0)),
        reference_value=float((reference.argmax(axis=1) == labels).mean()),
        not_numbers=int((~finite).sum()),
    )


def run_file(
    path: Path, file_format: str, texts: Encoded, *, threads: int = 1, batch_size: int = 1
) -> NDArray[np.float64]:
    """Logits [n, labels] of the file, in the order of `texts`.

    One text at a time unless told otherwise, as on a device: dynamic int8 takes one activation scale for a whole batch,
    so a text's neighbours and padding would change its logits. Larger batches (at most 32) are of texts of like length,
    padded to the longest. Raises EngineError when the engine is missing or refuses the file.
    """
    engine = open_engine(path, file_format, threads)
    lengths = token_counts(texts)
    order = np.argsort(lengths, kind="stable")
    step = max(1, min(batch_size, LARGEST_BATCH))
    rows: list[tuple[int, NDArray[np.float64]]] = []
    with tqdm(total=len(order), desc=f"prove {path.name}", unit="text", disable=None) as bar:
        for start in range(0, len(order), step):
            chosen = order[start : start + step]
            width = int(lengths[chosen].max())
            answer = engine.run({name: array[chosen, :width] for name, array in texts.inputs.items()})
            rows.extend(zip(chosen.tolist(), answer[TEXT.output].astype(np.float64), strict=True))
            bar.update(len(chosen))
    return np.stack([logits for _, logits in sorted(rows, key=lambda row: row[0])])


def token_counts(texts: Encoded) -> NDArray[np.int64]:
    """Tokens of each text up to the last that is not padding, at least 1; [n]."""
    places = np.arange(1, texts.attention_mask.shape[1] + 1)
    counts: NDArray[np.int64] = (texts.attention_mask * places).max(axis=1, initial=1)
    return counts


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """95% score interval of a share (Wilson 1927; Newcombe 1998, method 3), within [0, 1] even for 0 of n."""
    if not 0 <= count <= n or n == 0:
        raise ExportError(f"{count} of {n} is no share: count at least one text")
    share, square = count / n, Z_95**2
    middle = share + square / (2 * n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    # The ends of 0 of n and n of n are exact by the formula, but not in floating point.
    low = 0.0 if count == 0 else (middle - half) / (1 + square / n)
    high = 1.0 if count == n else (middle + half) / (1 + square / n)
    return low, high


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
