"""Where the cells of a suite run: one after the other in this process, or several at a time in processes of their own.

A runner takes jobs and gives their results as they come. A process that is lost in the middle is started again, and its
cell reported as failed when that happens twice. Left out: a Ray cluster (`on_ray.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event

from .cells import CELL_NAME, CellResult, Job, failure, read_result, run_job, write_result

Runner = Callable[[Sequence[Job]], Iterator[CellResult]]
ATTEMPTS = 2
LOG_NAME = "log.txt"


def one_by_one(jobs: Sequence[Job]) -> Iterator[CellResult]:
    """In this process."""
    yield from map(run_job, jobs)


def on_processes(jobs: Sequence[Job], workers: int) -> Iterator[CellResult]:
    """In at most `workers` processes, which share the cores. What a cell prints goes to `log.txt` in its folder."""
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    children = _Children({**os.environ, "OMP_NUM_THREADS": threads})
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(children.run, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:  # after an interrupt nobody wants the rest
            children.stop()
            pool.shutdown(cancel_futures=True)


def lost(job: Job, why: str) -> CellResult:
    """The result of a job whose worker was lost each time."""
    return write_result(job, failure(job, f"its worker was lost {ATTEMPTS} times, last: {why}; run the suite again"))


@dataclass
class _Children:
    """The processes that run, so that all can be ended together."""

    environment: Mapping[str, str]
    running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    stopped: Event = field(default_factory=Event)

    def run(self, job: Job) -> CellResult:
        """Starts a process for the job, again if it is lost."""
        folder, code = Path(job.folder), 0
        (folder / CELL_NAME).unlink(missing_ok=True)
        for _ in range(ATTEMPTS):
            if self.stopped.is_set():
                return failure(job, "stopped")
            code = self._wait(job, folder / LOG_NAME)
            result = read_result(job)
            if result is not None:
                return result
        return failure(job, "stopped") if self.stopped.is_set() else lost(job, f"its process ended with {code}")

    def _wait(self, job: Job, log: Path) -> int:
        command = [sys.executable, "-m", "penjing.pipeline.suite.child", json.dumps(asdict(job))]
        with log.open("ab") as file:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT, env=dict(self.environment)
            )
        self.running.add(child)
        try:
            return child.wait()
        finally:
            self.running.discard(child)
            if child.stdin is not None:
                child.stdin.close()

    def stop(self) -> None:
        """Ends those that still run."""
        self.stopped.set()
        for child in tuple(self.running):
            child.terminate()
