"""The commands on a finished bundle: predict, verify, inspect. They need the base install alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from tqdm import tqdm

from ..runtime.answers import Answer
from ..runtime.bundle import Bundle, open_bundle
from ..runtime.calibration import Threshold
from ..runtime.detector import Detector, policy_of, thresholds_of
from ..runtime.embedder import Embedder
from ..runtime.errors import BundleError, DataError, EngineError, EngineMissingError
from ..runtime.goldens import GoldenReport, golden_problems, replay
from ..runtime.manifest import DETECTOR_TASK, EMBEDDING_TASK, Manifest, Quality, use_instead
from ..runtime.metrics import RECALL
from ..runtime.predictor import Predictor, load, split_pair
from ..runtime.sample_goldens import SampleReport, replay_samples, sample_problems
from ..runtime.samples import TEXTS_KIND, SampleFormat
from ..runtime.vector_goldens import VectorReport, replay_vectors, vector_problems
from .answer_lines import Question, print_answers, write_logits
from .terminal import note, print_facts, print_table
from .text_alarms import print_text_answers

TEXTS_AT_ONCE = 256
"""Large enough to sort by length, small enough that the progress moves."""
SKIPPED = "skipped"

BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's folder.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the engine.")]


def predict(
    bundle: BundleFolder,
    text: Annotated[str | None, typer.Argument(help="One text; without it and --file, lines of stdin.")] = None,
    pair: Annotated[str | None, typer.Argument(help="The second text, where two are answered together.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A UTF-8 file with one text a line, or two with a tab between (.gz, .xz too).")
    ] = None,
    engine: Annotated[Literal["onnx", "tflite"] | None, typer.Option(help="If not given: onnx, then tflite.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32 or int8; if not given: int8, then fp32.")] = None,
    threads: Threads = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    logits: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Also write the logits: what teacher.answers reads.")
    ] = None,
) -> None:
    """Answers texts: what was decided and the text, one row each; of a detector of texts, score, threshold and alarm.

    \b
    Examples:
      penjing predict runs/assistant/bundle "wake me at six"
      penjing predict runs/assistant/bundle --file texts.txt --json
      cat texts.txt | penjing predict runs/assistant/bundle --engine tflite
      penjing predict runs/paraphrases/bundle "it is late" "the hour is late"
      penjing predict runs/large/bundle --file train.txt --logits answers.jsonl > /dev/null
    """
    texts = _texts(text, pair, file)
    predictor = load(bundle, engine, precision, threads)
    if isinstance(predictor, Embedder):
        raise BundleError(f"{bundle} is a sentence encoder, which gives vectors: use {use_instead(EMBEDDING_TASK)}")
    if isinstance(predictor, Detector):
        print_text_answers(predictor, texts, as_json)
        return
    questions = [split_pair(text) if predictor.takes_pairs else _one(predictor, text, pair) for text in texts]
    answers = list(_answers(predictor, questions))
    if logits is not None:
        write_logits(logits, questions, answers, predictor.bundle.manifest)
    print_answers(questions, answers, as_json)
    if as_json:
        return
    if cut := sum(answer.truncated for answer in answers):
        limit = predictor.bundle.manifest.max_length
        note(f"{cut} of {len(answers)} texts are longer than {limit} tokens and were cut")


def verify(bundle: BundleFolder, threads: Threads = 1) -> None:
    """Checks every hash and replays the goldens through every model file.

    A model file whose engine is not installed is skipped, and said to be. Exits with 2 when anything differs.

    \b
    Example:
      penjing verify runs/assistant/bundle
    """
    opened = open_bundle(bundle)
    for name in opened.manifest.files:
        opened.verified(name)
    rows, problems = list[tuple[str, str, str]](), list[str]()
    for name in opened.model_files:
        state, difference, found = _replay_one(opened, name, threads)
        rows.append((name, state, difference))
        problems += found
    print_table(("file", "goldens", "largest difference"), rows)
    if problems:
        raise BundleError("; ".join(problems))
    replayed = sum(not state.startswith(SKIPPED) for _, state, _ in rows)
    if not replayed:
        raise EngineError("no model file could be replayed: install an engine, see `penjing doctor`")
    print_facts([("verified", f"{len(opened.manifest.files)} hashes, {replayed} of {len(rows)} model files")])


def inspect(bundle: BundleFolder) -> None:
    """Shows what a bundle holds: its task, its files with sizes and checked hashes, their quality, where it is from.

    \b
    Example:
      penjing inspect runs/assistant/bundle
    """
    opened = open_bundle(bundle)
    manifest = opened.manifest
    print_facts([
        ("name", manifest.name),
        ("task", manifest.task),
        *([("labels", ", ".join(manifest.labels))] if manifest.labels else []),
        *_task_facts(manifest),
        *((name, _fact(value)) for name, value in sorted(manifest.provenance.items())),
    ])  # fmt: skip
    print()
    quality = {entry.file: entry for entry in manifest.quality if entry.metric != RECALL}
    rows = []
    for name, entry in manifest.files.items():
        opened.verified(name)
        measured = _quality(quality[name]) if name in quality else ("", "")
        rows.append((name, entry.format, entry.precision or "", str(entry.bytes), "ok", *measured))
    print_table(("file", "format", "precision", "bytes", "hash", "quality", "flips"), rows)


def _one(predictor: Predictor, text: str, pair: str | None) -> tuple[str]:
    if pair is not None:
        raise DataError(f"{predictor.bundle.manifest.name} answers one text: leave the second one out")
    return (text,)


def _texts(text: str | None, pair: str | None, file: Path | None) -> list[str]:
    if text is not None and file is not None:
        raise DataError("both a text and --file are given: give one of them")
    if text is not None:
        return [text if pair is None else "\t".join(part.replace("\t", " ") for part in (text, pair))]
    if file is not None:
        from ..compress.tables import file_kind, read_lines

        file_kind(file)
        lines = read_lines(file)
    elif sys.stdin.isatty():
        raise DataError("nothing to predict: give a text in quotes, --file FILE, or lines on stdin")
    else:
        lines = [line for line in (line.strip() for line in _stdin().split("\n")) if line]
    if not lines:
        raise DataError(f"{file or 'stdin'} holds no text: give one text a line")
    return lines


def _stdin() -> str:
    raw = sys.stdin.buffer.read()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"stdin is not UTF-8 in line {line}: convert it, or remove that line") from None


def _answers(predictor: Predictor, questions: Sequence[Question]) -> Iterator[Answer]:
    starts = range(0, len(questions), TEXTS_AT_ONCE)
    # One batch takes no two seconds, so one text gets no bar.
    for start in tqdm(starts, "predict", disable=True if len(starts) == 1 else None, unit_scale=TEXTS_AT_ONCE):
        part = questions[start : start + TEXTS_AT_ONCE]
        pairs = [question[1] for question in part] if predictor.takes_pairs else None
        yield from predictor.predict_many([question[0] for question in part], pairs=pairs)


def _replay_one(bundle: Bundle, name: str, threads: int) -> tuple[str, str, tuple[str, ...]]:
    """State, largest difference and problems of one model file."""
    precision = bundle.manifest.files[name].precision
    report: GoldenReport | SampleReport | VectorReport
    try:
        if bundle.manifest.task == DETECTOR_TASK:
            report = replay_samples(bundle, name, threads)
            problems = sample_problems(report, precision)
        elif bundle.manifest.task == EMBEDDING_TASK:
            report = replay_vectors(bundle, name, threads)
            problems = vector_problems(report, precision)
        else:
            report = replay(bundle, name, threads)
            problems = golden_problems(report, precision)
    except EngineMissingError as error:
        return f"{SKIPPED}: {error}", "", ()
    same = f"{report.n - report.flips} of {report.n} decided alike"
    return same, f"{report.largest_difference:.1e}", problems


def _task_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """What only bundles of this task have."""
    if manifest.task == EMBEDDING_TASK:
        sizes = ", ".join(map(str, (*manifest.postprocess["cuts"], manifest.postprocess["size"])))
        return [("numbers of a vector", sizes), ("max length", f"{manifest.max_length} tokens")]
    if manifest.task != DETECTOR_TASK:
        return [("max length", f"{manifest.max_length} tokens")]
    form, policy = SampleFormat.from_plain(manifest.preprocess), policy_of(manifest)
    return [
        ("features", ", ".join(form.features)),
        ("window", f"{manifest.max_length} {'tokens' if form.kind == TEXTS_KIND else 'samples'}"),
        ("missing values", form.missing),
        ("alarm", f"{policy.count} of {policy.of} samples above the threshold, at least {policy.gap} apart"),
        *((f"threshold of {file}", _threshold(threshold)) for file, threshold in thresholds_of(manifest).items()),
    ]


def _threshold(threshold: Threshold) -> str:
    asked = "" if threshold.false_alarms is None else f" for {threshold.false_alarms:g} false alarms"
    interval = f"[{threshold.low:.2g}, {threshold.high:.2g}]"
    return f"{threshold.threshold:.6g} ({threshold.method}{asked}, {interval} on {threshold.n} normal rows)"


def _quality(entry: Quality) -> tuple[str, str]:
    interval = f"{entry.value:.4f} [{entry.low:.4f}, {entry.high:.4f}]"
    return f"{entry.metric} {interval} on {entry.n} of {entry.split}", f"{entry.flips} of {entry.n}"


def _fact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
