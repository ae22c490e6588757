"""The working folder of a run: one sub-folder a stage, named by a hash of all that went into it.

A stage works under a temporary name and is renamed when complete, so a killed run loses at most the stage in hand, and
that stage finds its own checkpoints when it starts again. Under `accelerate launch` only the first process writes; the
others wait. Left out: removing old stages; their folders may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .. import __version__
from ..compress.training import process_state
from ..runtime.errors import UNWRITABLE, OutputError

CHECKPOINTS = "checkpoints"
"""Sub-folder of an unfinished stage that is removed when the stage is complete."""


@dataclass(frozen=True)
class Workspace:
    """`root` holds one folder a stage."""

    root: Path

    def stage(
        self,
        name: str,
        work: Callable[[Path], None],
        *,
        inputs: Sequence[Path] = (),
        settings: Mapping[str, Any] | None = None,
        collective: bool = False,
    ) -> Path:
        """The folder of stage `name`: as it stands if it was completed before, else made by `work(folder)`.

        `inputs` are folders of earlier stages (their names carry their hashes), `settings` everything else that
        decides the result. `collective` work is done by every process together, other work by the first alone.
        """
        called = stage_name(name, inputs, settings)
        folder, unfinished = self.root / called, self.root / f".{called}.part"
        if folder.is_dir():
            return folder
        state = process_state()
        with _readable_output_errors(self.root):
            if state.is_main_process:
                (unfinished / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
            state.wait_for_everyone()
            if collective or state.is_main_process:
                work(unfinished)
            state.wait_for_everyone()
            if state.is_main_process:
                shutil.rmtree(unfinished / CHECKPOINTS, ignore_errors=True)
                os.replace(unfinished, folder)
            state.wait_for_everyone()
        return folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second run out of this folder. Raises OutputError when the folder is in use or cannot be written."""
        with _readable_output_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            if not os.access(self.root, os.W_OK):
                raise OutputError(f"{self.root} cannot be written: choose another folder with --out")
            if not process_state().is_main_process:
                yield
                return
            lock = FileLock(self.root / ".lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise OutputError(
                    f"another run works in {self.root}: wait for it or choose another folder with --out"
                ) from None
            try:
                yield
            finally:
                lock.release()


def stage_name(name: str, inputs: Sequence[Path] = (), settings: Mapping[str, Any] | None = None) -> str:
    """What a stage's folder is called: its name, and a hash of all that decides its result."""
    identity = [__version__, name, [path.name for path in inputs], settings or {}]
    return f"{name}-{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]}"


@contextmanager
def _readable_output_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        number = _error_number(error)
        if number not in UNWRITABLE:
            raise
        raise OutputError(
            f"cannot write to {root} ({os.strerror(number)}): free space or choose another folder with --out,"
            " then run again; finished stages are kept"
        ) from None


def _error_number(error: Exception) -> int:
    """The system's, 0 if it is none of its errors; libraries in Rust (safetensors, tokenizers) give it as text."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0


def file_digest(path: Path) -> str:
    """sha256 of a file, so that a changed data file is a new input."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: Any) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def in_first_process(work: Callable[[], None]) -> None:
    """Does `work` in the one process that writes; the other processes of `accelerate launch` wait for it."""
    if is_first_process():
        work()
    process_state().wait_for_everyone()


def is_first_process() -> bool:
    """True in the one process that writes, under `accelerate launch` and without it."""
    return bool(process_state().is_main_process)
