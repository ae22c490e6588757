"""A model file on an emulated core: its answers to feeds, and what an inference of each feed runs.

Every call is one fresh process on one thread. Left out: what answers and sections mean (`parity.py`, `blocks.py`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from ...runtime.errors import TargetError
from ..native_runner import RunnerJob, write_feeds
from .blocks import Section
from .build import MARK, RUNNER
from .core import Core
from .emulator import PYTHON, SITE
from .far_replay import Feed, load_arrays, save_arrays
from .plugin import run_counted

PACKAGE = Path(__file__).parents[2]
MODULE = "penjing.benchmarks.arm64.far_replay"
Format = Literal["onnx", "tflite"]


@dataclass(frozen=True)
class _Command:
    words: list[str]
    environment: dict[str, str]


def answers_there(core: Core, file: Path, format: str, feeds: Sequence[Feed]) -> list[dict[str, NDArray[Any]]]:
    """The file's outputs for each of the feeds, whose arrays are [1, length, ...].

    Raises TargetError in one line that names the file when it does not run there.
    """
    with tempfile.TemporaryDirectory(prefix="penjing-replay-") as folder:
        answers = Path(folder) / "answers.npz"
        command = _python(core, file, format, feeds, Path(folder), {"answers": str(answers)})
        try:
            core.emulator.run(command.words, command.environment)
            return load_arrays(answers)
        except (TargetError, OSError, ValueError) as error:
            raise TargetError(f"{file.name}: {error}") from None


def count_sections(
    core: Core, file: Path, format: str, feeds: Sequence[Feed], inferences: int, memory: bool = False
) -> tuple[Section, ...]:
    """What `inferences` of each feed run, after as many uncounted ones; with loads, stores and misses if `memory`.

    Raises TargetError in one line that names the file.
    """
    with tempfile.TemporaryDirectory(prefix="penjing-count-") as folder:
        if format == "onnx":
            command = _native(core, file, feeds, Path(folder), inferences)
        else:
            mark = str(core.emulator.root / MARK)
            command = _python(core, file, format, feeds, Path(folder), {"count": inferences, "mark": mark})
        try:
            sections = run_counted(core.emulator, core.board, command.words, command.environment, memory)
        except TargetError as error:
            raise TargetError(f"{file.name}: {error}") from None
    if len(sections) != len(feeds):
        raise TargetError(f"{file.name}: counts of {len(sections)} inputs instead of {len(feeds)}: run again")
    return sections


def _native(core: Core, file: Path, feeds: Sequence[Feed], folder: Path, inferences: int) -> _Command:
    path = folder / "feeds.bin"
    write_feeds(path, feeds)
    words = [f"/{RUNNER}", *RunnerJob(count=inferences).arguments([(str(path), str(file.absolute()))])]
    return _Command(words, {"PENJING_ONNXRUNTIME": str(core.engine_library)})


def _python(
    core: Core, file: Path, format: str, feeds: Sequence[Feed], folder: Path, more: Mapping[str, object]
) -> _Command:
    """Our own code is found through a link in `folder`: what lies beside it here is for another processor."""
    (folder / "penjing").symlink_to(PACKAGE)
    save_arrays(folder / "feeds.npz", feeds)
    job = {"path": str(file.absolute()), "format": format, "feeds": str(folder / "feeds.npz"), **more}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    paths = {"PYTHONPATH": f"{core.emulator.root}{SITE}:{folder}"}
    return _Command([PYTHON, "-m", MODULE, str(folder / "job.json")], paths)
