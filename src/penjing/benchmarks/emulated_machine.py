"""A whole arm64 machine, emulated, whose clock counts instructions: the native runner on a bundle's ONNX files.

    python -m penjing.benchmarks.emulated_machine --bundle runs/assistant/bundle --to machine.json

One instruction is one nanosecond of the machine's clock (`machine_boot.py`), so what the runner takes for milliseconds
is a count, and is called so. Beside it stands the count of the plugin, which sees the same program in user mode without
a kernel, and with what surrounds an inference: two looks at the clock, the release of the outputs. Needs the arm64
userland (`penjing target setup qemu`) and Debian's qemu-system-arm; the kernel is downloaded once. Run by hand or
nightly. Left out: TFLite files, for which there is no native runner.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.bundle import Bundle, open_bundle
from ..runtime.errors import BundleError, OutputError, PenjingError
from ..runtime.goldens import GOLDENS_NAME, read_goldens
from ..runtime.manifest import DETECTOR_TASK
from ..runtime.sample_goldens import read_sample_goldens
from .arm64.boards import BOARDS, Board, board_root, find_board
from .arm64.build import RUNNER
from .arm64.emulator import Emulator
from .arm64.plugin import run_counted
from .arm64.userland import arm64_folder, find_userland
from .intervals import median_interval
from .machine_boot import MACHINE, boot, fetch_kernel, find_engine
from .native_runner import Feed, NativeAnswer, RunnerJob, write_feeds

ROUNDS, REPEATS, COUNTED = 5, 10, 10
NS_PER_MS = 1_000_000
Answers = Mapping[str, NDArray[np.float64]]
"""File -> what the golden says of it."""


@dataclass(frozen=True)
class FileCount:
    """Instructions of an inference of one file: `samples` [rounds][calls] of the machine's clock, the plugin's mean.

    `largest_difference` is that of any output from what the golden says.
    """

    file: str
    samples: tuple[tuple[int, ...], ...]
    plugin: float
    largest_difference: float

    @property
    def median(self) -> float:
        """Of all calls."""
        return statistics.median(sample for block in self.samples for sample in block)

    @property
    def spread(self) -> float:
        """How far apart the rounds' medians are, as a share of the median."""
        medians = [statistics.median(block) for block in self.samples]
        return (max(medians) - min(medians)) / self.median

    @property
    def off_plugin(self) -> float:
        """How much more the machine's clock counts than the plugin, as a share of the plugin's count."""
        return self.median / self.plugin - 1


def main(words: Sequence[str] | None = None) -> int:
    """Measures, prints a line a file and writes the JSON; one line on stderr and exit code 1 for what it cannot do."""
    parser = argparse.ArgumentParser(description="Instructions of a bundle's ONNX files on a whole emulated machine.")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=Path("machine.json"))
    parser.add_argument("--core", default="cortex-a72", help=f"one of {', '.join(BOARDS)}")
    arguments = parser.parse_args(words)
    try:
        if not arguments.to.absolute().parent.is_dir():
            raise OutputError(
                f"{arguments.to} cannot be written, its folder is not there: make it, or choose another --to"
            )
        report = measure(open_bundle(arguments.bundle), find_board(arguments.core))
        command = f"python -m penjing.benchmarks.emulated_machine --bundle {arguments.bundle} --core {arguments.core}"
        claims = [{**claim, "command": f"{command} --to {arguments.to}"} for claim in report["claims"]]
        _write(arguments.to, {**report, "claims": claims})
    except PenjingError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def measure(bundle: Bundle, board: Board) -> dict[str, Any]:
    """Counts of all ONNX files of the bundle, as plain values. Raises TargetError, BundleError."""
    files = [name for name in bundle.model_files if bundle.manifest.files[name].format == "onnx"]
    if not files:
        raise BundleError(f"{bundle.folder} has no ONNX file, and the native runner takes no others")
    userland, kernel = find_userland(), fetch_kernel(arm64_folder() / "machine")
    feed, answers = golden_feed(bundle, files)
    with tempfile.TemporaryDirectory(prefix="penjing-machine-") as folder:
        feeds = Path(folder) / "feeds"
        write_feeds(feeds, [feed])
        models = {name: bundle.verified(name) for name in files}
        answer = boot(kernel, board, userland, feeds, models, RunnerJob(rounds=ROUNDS, repeats=REPEATS))
        plugins = {name: plugin_count(board, userland, feeds, model) for name, model in models.items()}
    counts = []
    for name, model in zip(files, answer.models, strict=True):
        samples = tuple(tuple(round(ms * NS_PER_MS) for ms in block) for block in model.samples_ms)
        different = float(np.max(np.abs(np.array(model.outputs[0]) - answers[name])))
        counts.append(FileCount(name, samples, plugins[name], different))
        print(_line(counts[-1]))
    return _report(bundle, board, kernel, answer, counts)


def golden_feed(bundle: Bundle, files: Sequence[str]) -> tuple[Feed, Answers]:
    """The longest golden as the files' inputs, and what each file answers to it. Raises BundleError without goldens."""
    folder = bundle.verified(GOLDENS_NAME).parent
    inputs = bundle.manifest.inputs
    if bundle.manifest.task == DETECTOR_TASK:
        sample = read_sample_goldens(folder)[0]
        scores = {name: np.atleast_1d(sample.scores[name]) for name in files}
        return {inputs[0].name: np.array([sample.samples], np.float32)}, scores
    golden = max(read_goldens(folder), key=lambda golden: len(golden.input_ids))
    ids = np.array([golden.input_ids], np.int64)
    known = {"input_ids": ids, "attention_mask": np.array([golden.attention_mask], np.int64)}
    feed = {spec.name: known.get(spec.name, np.zeros_like(ids)) for spec in inputs}
    return feed, {name: np.array(golden.logits[name]) for name in files}


def plugin_count(board: Board, userland: Path, feeds: Path, model: Path) -> float:
    """Instructions of an inference as the counting plugin sees them in user mode. Raises TargetError."""
    root = board_root(board, userland)
    words = [RUNNER, *RunnerJob(count=COUNTED).arguments([(str(feeds), str(model))])]
    environment = {"PENJING_ONNXRUNTIME": str(find_engine(root))}
    (section,) = run_counted(Emulator(root, board.qemu_cpu), board, words, environment, memory=False)
    return section.instructions / COUNTED


def _line(count: FileCount) -> str:
    return (
        f"{count.file}: {count.median:,.0f} instructions on the machine (rounds within {count.spread:.3%}),"
        f" {count.plugin:,.0f} by the plugin ({count.off_plugin:+.2%});"
        f" off its golden by {count.largest_difference:.2g}"
    )


def _report(
    bundle: Bundle, board: Board, kernel: Path, answer: NativeAnswer, counts: Sequence[FileCount]
) -> dict[str, Any]:
    said = subprocess.run([MACHINE, "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "bundle": bundle.manifest.name, "core": board.core, "kernel": kernel.name.removeprefix("vmlinuz-"),
        "emulator": said.partition("\n")[0], "engine": f"onnxruntime {answer.engine}",
        "unit": "instructions of one inference, which are no time", "clock_instructions": round(answer.clock_ns),
        "claims": [claim for count in counts for claim in _claims(count)],
        "files": [
            {
                "file": count.file, "sha256": bundle.manifest.files[count.file].sha256, "median": count.median,
                "spread": count.spread, "plugin": count.plugin, "off_plugin": count.off_plugin,
                "largest_difference": count.largest_difference, "samples": count.samples,
            }
            for count in counts
        ],
    }  # fmt: skip


def _claims(count: FileCount) -> list[dict[str, Any]]:
    """As DESIGN.md wants them of a published file; there is no target to miss."""
    blocks, calls = np.array(count.samples, np.float64), sum(map(len, count.samples))
    values = (
        ("instructions", count.median, "instructions", list(median_interval(blocks)), calls),
        ("off_plugin", count.off_plugin, "share of the plugin's count", None, COUNTED),
    )
    return [
        {
            "id": f"machine.{count.file}.{name}", "value": value, "unit": unit, "interval": interval, "n": n,
            "target": None, "met": True,
        }
        for name, value, unit, interval, n in values
    ]  # fmt: skip


def _write(path: Path, report: Mapping[str, Any]) -> None:
    """In full or not at all. Raises OutputError."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another place with --to") from None


if __name__ == "__main__":
    sys.exit(main())
