"""The native runner from Python: building it, the files of feeds it reads, its command line, and what it answers.

`native/runner.c` times ONNX models with ONNX Runtime's C API where there is no Python: on a phone, on a small board, in
an emulator that counts instructions. Nothing that it prints is believed unchecked. Left out: getting it to a device
(`targets/`), and LiteRT, which has no such runner.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import OutputError, TargetError
from .cache import cache_folder
from .plain import from_plain

Feed = Mapping[str, NDArray[Any]]

SOURCES = Path(__file__).parent / "native"
HEADER = "onnxruntime_c_api.h"
HEADER_ENV = "PENJING_ONNXRUNTIME_HEADER"
MAGIC = b"PJF1"
TYPES = {"float32": 1, "int32": 6, "int64": 7}
"""Of feeds: numpy's names and ONNX's numbers."""
PACKAGES = {"gcc": "gcc libc6-dev", "cc": "gcc libc6-dev", "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu"}
"""What to install for a compiler."""
ILLEGAL = (132, -4)
"""How a shell and how Python tell that an instruction was not there (SIGILL)."""
BAD_INPUT = 2


@dataclass(frozen=True)
class RunnerJob:
    """What the runner is to do; its options of the same names say how. `rounds` 0 and no `seconds`: answers alone."""

    threads: int = 1
    rounds: int = 0
    repeats: int = 1
    seed: int = 1
    period_ms: int | None = None
    seconds: int | None = None
    cores: tuple[int, ...] | None = None
    sys: str | None = None
    count: int | None = None

    def arguments(self, models: Sequence[tuple[str, str]]) -> list[str]:
        """The command line after the program's name, for pairs of a file of feeds and a model, as they lie there."""
        cores = None if self.cores is None else ",".join(map(str, self.cores))
        chosen = {**vars(self), "cores": cores}
        words = [word for name, value in chosen.items() if value is not None for word in (_option(name), str(value))]
        return words + [word for feeds, model in models for word in ("--feeds", feeds, model)]


@dataclass(frozen=True)
class NativeReading:
    """Milliseconds since the program's start, the hottest zone in Celsius, the slowest core in MHz; None: not shown."""

    at_ms: float
    temperature_c: float | None
    clock_mhz: float | None


@dataclass(frozen=True)
class NativeModel:
    """`samples_ms` [rounds][repeats], `starts_ms` [rounds] since the program's start, `outputs` [feeds][values]: all
    outputs of a feed one after the other, NaN for what is no number. `warm_up` counts calls."""

    model: str
    load_ms: float
    first_ms: float
    settled: bool
    warm_up: int
    starts_ms: tuple[float, ...]
    samples_ms: tuple[tuple[float, ...], ...]
    output_names: tuple[str, ...]
    outputs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class NativeAnswer:
    """`engine` is ONNX Runtime's version, `began` seconds since 1970, `engine_ms` the load of the library, `clock_ns`
    what the clock itself adds to a sample, `memory` kB by stage and by the kernel's name for it."""

    engine: str
    began: float
    engine_ms: float
    threads: int
    count: int
    clock_ns: float
    models: tuple[NativeModel, ...]
    memory: Mapping[str, Mapping[str, int]]
    sensors: tuple[NativeReading, ...]


def find_header() -> Path:
    """`onnxruntime_c_api.h`: $PENJING_ONNXRUNTIME_HEADER, where Debian puts it, here or in the arm64 userland.

    Raises TargetError when it is in none of them.
    """
    chosen = os.environ.get(HEADER_ENV)
    roots = (Path("/usr"), Path("/usr/local"), cache_folder() / "arm64" / "userland" / "usr")
    for path in [Path(chosen)] if chosen else [root / "include" / "onnxruntime" / HEADER for root in roots]:
        if path.is_file():
            return path
    raise TargetError(
        f"no {HEADER}, which the native runner is built with: run `penjing target setup qemu`, apt install"
        f" libonnxruntime-dev, or set {HEADER_ENV} to it"
    )


def build_runner(compiler: str, header: Path, out: Path) -> Path:
    """Builds the runner for the compiler's machine; gives `out`, which is there in full or not at all.

    Raises TargetError when the compiler is missing or fails, OutputError when `out` cannot be written.
    """
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    words = ["-std=gnu11", "-O2", "-Wall", "-I", str(header.parent), str(SOURCES / "runner.c"), "-o", str(part)]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([compiler, *words, "-ldl", "-lm"], capture_output=True, text=True, check=False)
        if done.returncode:
            line = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
            raise TargetError(f"{Path(compiler).name} cannot build the native runner: {line.strip()}")
        os.replace(part, out)
    except FileNotFoundError:
        package = PACKAGES.get(compiler, "gcc, or unpack the Android NDK that it belongs to")
        raise TargetError(f"no compiler {compiler} for the native runner: apt install {package}") from None
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror}): choose another folder") from None
    finally:
        part.unlink(missing_ok=True)
    return out


def cached_runner(compiler: str, header: Path) -> Path:
    """The runner for the compiler's machine, built once for each state of its source. Raises as `build_runner`."""
    digest = hashlib.sha256(compiler.encode())
    for path in (*sorted(SOURCES.glob("*.[ch]")), header):
        digest.update(path.read_bytes())
    out = cache_folder() / "native" / digest.hexdigest()[:16] / "penjing_runner"
    return out if out.is_file() else build_runner(compiler, header, out)


def write_feeds(path: Path, feeds: Sequence[Feed]) -> None:
    """Writes feeds of named arrays as `native/feeds.h` describes. Raises TargetError for a type that it cannot hold."""
    parts = [MAGIC, struct.pack("<I", len(feeds))]
    for feed in feeds:
        parts.append(struct.pack("<I", len(feed)))
        for name, array in feed.items():
            parts += _tensor(name, np.asarray(array))
    path.write_bytes(b"".join(parts))


def _tensor(name: str, array: NDArray[Any]) -> list[bytes]:
    if array.dtype.name not in TYPES:
        raise TargetError(f"the native runner takes no {array.dtype} ({name}): {', '.join(TYPES)}")
    values = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    title, kind, rank = name.encode(), TYPES[array.dtype.name], array.ndim
    head = struct.pack(f"<I{len(title)}sII{rank}qQ", len(title), title, kind, rank, *array.shape, len(values))
    return [head, values]


def run_runner(
    runner: Path, job: RunnerJob, models: Sequence[tuple[str, str]], library: Path, prefix: Sequence[str] = ()
) -> NativeAnswer:
    """Runs it on this machine, after the words of `prefix` (an emulator). Raises TargetError as `refusal` says."""
    command = [*prefix, str(runner), *job.arguments(models)]
    environment = {**os.environ, "PENJING_ONNXRUNTIME": str(library)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, errors="replace")
    if done.returncode:
        raise TargetError(refusal(done.returncode, done.stderr))
    return parse_answer(done.stdout)


def refusal(code: int, stderr: str) -> str:
    """One line on why the runner ended with this code: its own line, or what a signal means."""
    if code in ILLEGAL:
        return (
            "the core has not the instructions that the model or its engine needs (SIGILL): use an engine built for it"
        )
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    own = [line for line in lines if line.startswith("penjing_runner: ")]
    if code == BAD_INPUT and own:
        return own[-1].removeprefix("penjing_runner: ")
    return f"the native runner stopped with code {code}: {lines[-1] if lines else 'it said nothing'}"


def parse_answer(text: str) -> NativeAnswer:
    """What the runner printed; lines around it are left out. Raises TargetError that says what is wrong with it."""
    lines = [line for line in text.splitlines() if line.startswith('{"engine":')]
    try:
        raw = json.loads(lines[-1])
        memory = {stage.pop("stage"): stage for stage in raw.pop("memory")}
        answer = from_plain(NativeAnswer, {**raw, "memory": memory})
        for model in answer.models:
            _check_model(model)
        _check_order([reading.at_ms for reading in answer.sensors], "sensors")
    except IndexError:
        shown = next((line for line in text.splitlines() if line.strip()), "")[:60]
        raise TargetError(f"the native runner printed no answer but {shown!r}: run again") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise TargetError(f"the native runner's answer makes no sense ({reason}): run again") from None
    return answer


def _check_model(model: NativeModel) -> None:
    """Raises ValueError for samples that are no times, or that go back in time."""
    if len(model.samples_ms) != len(model.starts_ms) or len({len(block) for block in model.samples_ms}) > 1:
        raise ValueError(f"{model.model}: {len(model.starts_ms)} rounds, but not as many equal blocks of samples")
    if not all(math.isfinite(sample) and sample > 0 for block in model.samples_ms for sample in block):
        raise ValueError(f"{model.model}: a sample is not a time above zero")
    _check_order(model.starts_ms, model.model)


def _check_order(times: Sequence[float], what: str) -> None:
    ordered = all(a <= b for a, b in pairwise(times))
    if not ordered or not all(math.isfinite(time) and time >= 0 for time in times):
        raise ValueError(f"{what}: a sample that goes back in time")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
