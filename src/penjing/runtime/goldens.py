"""Goldens: texts with their token ids and what every model file answered when the bundle was made.

Replayed on another machine from the bundle alone, they show whether its tokenizer and engines still say the same. Left
out: quality, which needs labelled text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .answers import SOFTMAX, Postprocess, answer, decide, differ, margin
from .bundle import Bundle
from .engine import Engine, open_engine
from .errors import BundleError
from .spans import Word
from .tokenizer import TOKENIZER_NAME, TextTokenizer

GOLDENS_NAME = "goldens.jsonl"
Row = TypeVar("Row")
FP32_TOLERANCE = 1e-3
"""Largest difference of an fp32 logit between machines. An int8 file may round differently: its decision must stay."""
SMALLEST_MARGIN, FEWEST = 0.2, 8
"""How far a logit has to be from another decision for a golden: a near tie would prove nothing. And how many goldens
there are at least, though all were nearer."""


@dataclass(frozen=True)
class Golden:
    """One text: its ids and mask, unpadded; `logits` of each model file; `label`, what the first of them decided.

    Of a pair, `pair` is the second text and `token_type_ids` are those of both. Where words are decided, `words` are
    the text's, and `logits` those of all words one after the other.
    """

    text: str
    input_ids: tuple[int, ...]
    attention_mask: tuple[int, ...]
    logits: Mapping[str, tuple[float, ...]]
    label: str
    pair: str | None = None
    token_type_ids: tuple[int, ...] = ()
    words: tuple[Word, ...] = ()

    @property
    def feed(self) -> dict[str, Any]:
        """What an engine takes, [1, tokens] each."""
        ids, mask = np.array([self.input_ids], np.int64), np.array([self.attention_mask], np.int64)
        types = np.array([self.token_type_ids], np.int64) if self.token_type_ids else np.zeros_like(ids)
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}

    def rows(self, logits: Any) -> Any:
        """Logits as `answers.decide` takes them, from an engine's [1, ...] or from this golden's own flat ones."""
        found = np.asarray(logits, np.float64)
        if not self.words:
            return found.reshape(-1)
        if found.ndim == 1:
            return found.reshape(len(self.words), -1)
        return found[0][[token for token, _, _ in self.words]]


@dataclass(frozen=True)
class GoldenReport:
    """A replay of `n` goldens on `file`.

    `flips` decisions differ or are not numbers, `largest_difference` is that of any logit, `token_differences` texts
    have other token ids.
    """

    file: str
    n: int
    flips: int
    largest_difference: float
    token_differences: int


def make_goldens(
    texts: Sequence[str],
    tokenizer: TextTokenizer,
    engines: Mapping[str, Engine],
    labels: Sequence[str],
    after: Postprocess = SOFTMAX,
    pairs: Sequence[str] | None = None,
) -> tuple[Golden, ...]:
    """Runs every text, with its one of `pairs`, through every engine (file name -> engine), one at a time as a device
    does. Texts without words to decide are left out."""
    goldens = []
    for i, text in enumerate(texts):
        pair = None if pairs is None else pairs[i]
        encoded = tokenizer.encode([text], None if pair is None else [pair], words=after.by_word)
        if after.by_word and not encoded.words[0]:
            continue
        types = () if pair is None else tuple(encoded.token_type_ids[0].tolist())
        ids, mask = tuple(encoded.input_ids[0].tolist()), tuple(encoded.attention_mask[0].tolist())
        asked = Golden(text, ids, mask, {}, "", pair, types, *encoded.words)
        answers = {name: asked.rows(engine.run(encoded.inputs)["logits"]) for name, engine in engines.items()}
        logits = {name: tuple(round(float(logit), 6) for logit in found.flat) for name, found in answers.items()}
        first = answer(after, labels, next(iter(answers.values())), False, text, asked.words)
        goldens.append(replace(asked, logits=logits, label=first.summary))
    return tuple(goldens)


def steady_goldens(goldens: Sequence[Golden], after: Postprocess) -> list[Golden]:
    """Those whose decisions do not hang on how a CPU rounds: in every file SMALLEST_MARGIN away from another one.

    A student whose logits are small has few or none such: then the FEWEST that are furthest away.
    """
    margins = [min(margin(after, golden.rows(logits)) for logits in golden.logits.values()) for golden in goldens]
    return with_margin(goldens, margins, SMALLEST_MARGIN)


def with_margin(goldens: Sequence[Row], margins: Sequence[float], asked: float) -> list[Row]:
    """Those whose margin is as `asked`, or the FEWEST of the largest margins."""
    least = min([asked, *sorted(margins)[-FEWEST:]])
    return [golden for golden, found in zip(goldens, margins, strict=True) if found >= least]


def write_goldens(rows: Sequence[Any], folder: Path) -> None:
    """Writes `goldens.jsonl` into `folder`, one row a line: a Golden, or another frozen value of plain ones.

    What a row leaves empty or unset is not written.
    """
    kept = ({name: value for name, value in asdict(row).items() if value not in (None, ())} for row in rows)
    lines = (json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in kept)
    (folder / GOLDENS_NAME).write_text("".join(lines), encoding="utf-8", newline="\n")


def read_goldens(folder: Path) -> tuple[Golden, ...]:
    """Reads `goldens.jsonl`; raises BundleError that names the line that is broken."""
    return read_golden_lines(folder, _from_json)


def read_golden_lines(folder: Path, from_json: Callable[[Any], Row]) -> tuple[Row, ...]:
    """The lines of `goldens.jsonl`, each made a row by `from_json`; raises BundleError as `read_goldens` does."""
    path, rows = folder / GOLDENS_NAME, list[Row]()
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                rows.append(from_json(json.loads(line)))
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}): copy the bundle again") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__} {error}"
        raise BundleError(f"{path}, line {len(rows) + 1}, is no golden ({reason}): copy the bundle again") from None
    return tuple(rows)


def replay(bundle: Bundle, file: str, threads: int = 1) -> GoldenReport:
    """Tokenizes the goldens' texts and runs their ids through `file`.

    The engine gets the ids of the golden, so that a tokenizer that differs does not hide behind it. Raises BundleError
    when a file is changed or has no goldens, EngineError when the engine is missing or refuses the file.
    """
    goldens = read_goldens(bundle.verified(GOLDENS_NAME).parent)
    if not goldens or any(file not in golden.logits for golden in goldens):
        raise BundleError(
            f"{GOLDENS_NAME} says nothing about {file!r}, so it cannot be replayed: make the bundle again"
        )
    tokenizer = TextTokenizer(bundle.verified(TOKENIZER_NAME).parent, bundle.manifest.max_length)
    engine = open_engine(bundle.verified(file), bundle.manifest.files[file].format, threads)
    after = Postprocess.from_plain(bundle.manifest.postprocess)
    flips, largest, token_differences = 0, 0.0, 0
    for golden in goldens:
        token_differences += _token_ids(tokenizer, golden) != golden.input_ids
        expected, found = golden.rows(golden.logits[file]), golden.rows(engine.run(golden.feed)["logits"])
        decisions = (decide(after, bundle.manifest.labels, logits, golden.words) for logits in (expected, found))
        flips += differ(after, *decisions)
        largest = float(np.maximum(largest, np.abs(expected - found).max()))  # np.maximum keeps a NaN
    return GoldenReport(file, len(goldens), flips, largest, token_differences)


def golden_problems(report: GoldenReport, precision: str | None) -> tuple[str, ...]:
    """What a replay found wrong, a sentence each; empty when the file behaves as it did where it was made."""
    problems = []
    if report.token_differences:
        problems.append(f"{report.token_differences} of {report.n} texts have other token ids: update `tokenizers`")
    if report.flips:
        problems.append(
            f"{report.file} decides {report.flips} of {report.n} texts differently: do not use it on this machine"
        )
    if precision == "fp32" and not report.largest_difference <= FP32_TOLERANCE:
        problems.append(
            f"{report.file} is off by {report.largest_difference:.2g} in a logit, allowed is {FP32_TOLERANCE:g}:"
            " update the engine"
        )
    return tuple(problems)


def _token_ids(tokenizer: TextTokenizer, golden: Golden) -> tuple[int, ...]:
    pairs = None if golden.pair is None else [golden.pair]
    return tuple(tokenizer.encode([golden.text], pairs).input_ids[0].tolist())


def _from_json(raw: dict[str, Any]) -> Golden:
    logits = {str(name): tuple(float(logit) for logit in values) for name, values in raw["logits"].items()}
    return Golden(
        str(raw["text"]), tuple(raw["input_ids"]), tuple(raw["attention_mask"]), logits, str(raw["label"]),
        raw.get("pair"), tuple(raw.get("token_type_ids", ())),
        tuple((int(token), int(start), int(end)) for token, start, end in raw.get("words", ())),
    )  # fmt: skip
