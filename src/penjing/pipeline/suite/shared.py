"""A working folder whose stages are shared by cells that run at the same time, in other processes or on other machines.

A stage is made by whoever takes its lock first; the others wait for it and take it as it is. The system lets go of a
lock when its process ends, however it ends, and the next one continues from the checkpoints. On a network file system
locks must work (`flock`). Left out: an order that would keep workers from waiting for one teacher; each waits once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from ..workspace import Workspace, stage_name


@dataclass(frozen=True)
class SharedWorkspace(Workspace):
    """`root` takes the bundle and the report of one cell, `stages` the stages of all; `used` are those asked for."""

    stages: Path
    used: list[str] = field(default_factory=list)

    def stage(
        self,
        name: str,
        work: Callable[[Path], None],
        *,
        inputs: Sequence[Path] = (),
        settings: Mapping[str, Any] | None = None,
        collective: bool = False,
    ) -> Path:
        """As `Workspace.stage`, made by one process at a time, and timed."""
        called = stage_name(name, inputs, settings)
        if called not in self.used:
            self.used.append(called)

        def timed(folder: Path) -> None:
            began = time.monotonic()
            try:
                work(folder)
            finally:
                with self._times_of(called).open("a", encoding="utf-8") as file:
                    file.write(f"{time.monotonic() - began:.3f}\n")

        if not (self.stages / called).is_dir():
            with FileLock(self.stages / f".{called}.lock"):
                Workspace(self.stages).stage(name, timed, inputs=inputs, settings=settings, collective=collective)
        return self.stages / called

    def seconds(self) -> dict[str, float]:
        """How long each stage that this cell used took, whoever made it; attempts that were killed are not counted."""
        return {called: sum(self._read_times(called)) for called in self.used}

    def _read_times(self, called: str) -> list[float]:
        path = self._times_of(called)
        return [float(line) for line in path.read_text(encoding="utf-8").split()] if path.is_file() else []

    def _times_of(self, called: str) -> Path:
        return self.stages / f".{called}.seconds"
