"""Does a model file answer on another machine as it does here? Largest difference, and decisions that flip.

Both sides run the same inputs on the same engine: a bundle's goldens, or where it has none the plan's texts or samples.
Left out: how the answers of the other side are had (`targets/`), and quality.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.answers import Postprocess, decide, differ
from ..runtime.bundle import Bundle
from ..runtime.detector import INPUT, OUTPUT, thresholds_of
from ..runtime.embedder import OUTPUT as EMBEDDING_OUTPUT
from ..runtime.embedder import truncate
from ..runtime.engine import open_engine
from ..runtime.errors import TargetError
from ..runtime.goldens import GOLDENS_NAME, read_goldens
from ..runtime.manifest import DETECTOR_TASK, EMBEDDING_TASK
from ..runtime.sample_goldens import RELATIVE_TOLERANCE, read_sample_goldens
from ..runtime.tokenizer import TOKENIZER_NAME, TextTokenizer
from ..runtime.vector_goldens import golden_feed, neighbour_flips, read_vector_goldens
from .plan import Plan, SubjectFacts

Feed = Mapping[str, NDArray[Any]]
Answers = NDArray[np.float64]
FP32_LIMIT = 1e-4
"""Of a logit, or relative of a score: another core rounds the same sums in another order, no more."""
FLIP_LIMIT = 0.005
OUTPUTS = {DETECTOR_TASK: OUTPUT, EMBEDDING_TASK: EMBEDDING_OUTPUT}
"""By task, where it is not `logits`."""


@dataclass(frozen=True)
class Parity:
    """`file` on `n` inputs there and here; 0 when it did not run there. `largest_difference` is a logit's, or a score's
    relative to it, and NaN when an answer there is no number; `flips` decisions differ; `reason` says why it did not
    pass, '' when it did.
    """

    subject: str
    file: str
    n: int
    flips: int
    largest_difference: float
    passed: bool
    reason: str


def parity_feeds(bundle: Bundle, plan: Plan) -> list[Feed]:
    """The inputs of the comparison, [1, length, ...] each: the goldens', else the plan's texts or samples.

    Raises BundleError when the goldens are broken, TargetError for a bundle with logits for every token.
    """
    if GOLDENS_NAME not in bundle.manifest.files:
        return _plan_feeds(bundle, plan)
    folder = bundle.verified(GOLDENS_NAME).parent
    if bundle.manifest.task == DETECTOR_TASK:
        return [{INPUT: np.array([golden.samples], np.float32)} for golden in read_sample_goldens(folder)]
    if bundle.manifest.task == EMBEDDING_TASK:
        return [golden_feed(golden) for golden in read_vector_goldens(folder)]
    if Postprocess.from_plain(bundle.manifest.postprocess).by_word:
        raise TargetError(
            f"{bundle.manifest.name} has logits for every token, by which no other machine is compared yet: use local"
        )
    return [golden.feed for golden in read_goldens(folder)]


def answers_here(bundle: Bundle, file: str, feeds: Sequence[Feed]) -> Answers:
    """What the file answers on this machine, [feeds, values]. Raises BundleError and EngineError as engines do."""
    engine = open_engine(bundle.verified(file), bundle.manifest.files[file].format, 1)
    return as_answers(bundle, [engine.run(feed) for feed in feeds])


def as_answers(bundle: Bundle, outputs: Sequence[Mapping[str, NDArray[Any]]]) -> Answers:
    """An engine's outputs, one a feed, as [feeds, values]. Raises TargetError when they are not that."""
    name = OUTPUTS.get(bundle.manifest.task, "logits")
    try:
        return np.stack([output[name].reshape(-1) for output in outputs]).astype(np.float64)
    except (KeyError, ValueError) as error:
        raise TargetError(f"answers without the same {name} for every input ({error}): run again") from None


def compare_answers(bundle: Bundle, facts: SubjectFacts, here: Answers, there: Answers) -> Parity:
    """The parity of answers [n, values] of one file. Raises TargetError when there are not as many there as here."""
    if here.shape != there.shape:
        raise TargetError(f"{facts.file} gave answers {list(there.shape)} there, {list(here.shape)} here: run again")
    known = {DETECTOR_TASK: _compare_scores, EMBEDDING_TASK: _compare_vectors}
    compare = known.get(bundle.manifest.task, _compare_logits)
    differences, flipped = compare(bundle, facts.file, here, there)
    n, flips, largest = len(here), int(flipped.sum()), float(differences.max())
    reason = _reason(facts, n, flips, largest)
    return Parity(facts.label, facts.file, n, flips, largest, not reason, reason)


def failed_parity(facts: SubjectFacts, reason: str) -> Parity:
    """Of a file that gave no answers there, and why."""
    return Parity(facts.label, facts.file, 0, 0, math.nan, False, reason)


def _compare_logits(bundle: Bundle, file: str, here: Answers, there: Answers) -> tuple[Answers, NDArray[np.bool_]]:
    after, labels = Postprocess.from_plain(bundle.manifest.postprocess), bundle.manifest.labels
    pairs = zip(here, there, strict=True)
    flipped = [differ(after, *(decide(after, labels, logits) for logits in both)) for both in pairs]
    return np.abs(here - there), np.array(flipped)


def _compare_scores(bundle: Bundle, file: str, here: Answers, there: Answers) -> tuple[Answers, NDArray[np.bool_]]:
    """As `runtime/sample_goldens.py`: relative to the score, or to normal scores' spread where that is larger; two
    scores on the threshold are on the same side. Without a threshold nothing is decided."""
    broken = np.any(~np.isfinite(there), axis=1)
    threshold = thresholds_of(bundle.manifest).get(file)
    if threshold is None:
        return np.abs(here - there) / np.maximum(np.abs(here), np.finfo(np.float32).tiny), broken
    scale, level = threshold.scales(here), threshold.threshold
    at_threshold = np.maximum(np.abs(here - level), np.abs(there - level)) <= RELATIVE_TOLERANCE * scale
    flipped = ((here > level) != (there > level)) & ~at_threshold
    return np.abs(here - there) / scale, flipped.any(axis=1) | broken


def _compare_vectors(bundle: Bundle, file: str, here: Answers, there: Answers) -> tuple[Answers, NDArray[np.bool_]]:
    """As `runtime/vector_goldens.py`: at length 1, by which of the others is nearest."""
    own, other = (truncate(vectors, vectors.shape[1]).astype(np.float64) for vectors in (here, there))
    return np.abs(own - other), neighbour_flips(own, other)


def _reason(facts: SubjectFacts, n: int, flips: int, largest: float) -> str:
    if flips > FLIP_LIMIT * n:
        return f"{flips} of {n} decisions differ from this machine's"
    if facts.precision == "fp32" and not largest <= FP32_LIMIT:
        return f"off by {largest:.2g}, allowed is {FP32_LIMIT:g}"
    return ""


def _plan_feeds(bundle: Bundle, plan: Plan) -> list[Feed]:
    if plan.samples is not None:
        return [{INPUT: np.asarray(sample[None], np.float32)} for sample in plan.samples]
    tokenizer = TextTokenizer(bundle.verified(TOKENIZER_NAME).parent, bundle.manifest.max_length)
    encoded = (tokenizer.encode([text]) for text in plan.texts)
    return [_text_feed(one.input_ids, one.attention_mask) for one in encoded]


def _text_feed(ids: Any, mask: Any) -> Feed:
    input_ids = np.asarray(ids, np.int64)
    return {
        "input_ids": input_ids, "attention_mask": np.asarray(mask, np.int64), "token_type_ids": np.zeros_like(input_ids)
    }  # fmt: skip
