"""The far side of a measurement: takes the steps of a job on a board and says each finding as soon as it has it.

`python -m penjing.benchmarks.far_side < job.json`; every line it means begins with `MARK`, so that a login's greeting
or a library's warning on stdout harms nothing. The first line describes the machine, each next one is a finding, the
last one says that all is done or which error stopped it. Left out: getting here (`targets/ssh.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.errors import PenjingError
from .machine import describe_machine
from .plain import from_plain, to_plain
from .plan import Plan, Subject
from .steps import Step, take_steps
from .targets.local import pinned

MARK = "penjing-finding "
NOT_SENT = ("samples", "transformers_folder")


def job_json(subjects: Sequence[Subject], plan: Plan, done: Collection[Step] = ()) -> str:
    """One line that `read_job` understands. The subjects' folders are those of the far side."""
    settings = {field.name: to_plain(getattr(plan, field.name)) for field in fields(plan) if field.name not in NOT_SENT}
    job = {
        "subjects": [[s.label, s.folder.as_posix(), s.engine, s.precision] for s in subjects],
        "plan": settings,
        "samples": None if plan.samples is None else plan.samples.tolist(),
        "done": [to_plain(step) for step in done],
    }
    return json.dumps(job)


def read_job(text: str) -> tuple[tuple[Subject, ...], Plan, tuple[Step, ...]]:
    """Subjects, plan and the steps that are done. `~` in a folder is the home there."""
    job = json.loads(text)
    samples = None if job["samples"] is None else np.array(job["samples"], np.float32)
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in job["plan"].items()}
    subjects = tuple(Subject(label, Path(folder).expanduser(), *rest) for label, folder, *rest in job["subjects"])
    return subjects, Plan(samples=samples, **settings), tuple(from_plain(Step, step) for step in job["done"])


def say(kind: str, value: Any) -> None:
    """One line to the near side."""
    print(MARK + json.dumps({kind: value}, allow_nan=False), flush=True)


def main() -> None:
    """Reads the job from stdin, says what it finds, and ends with `end` or `error`."""
    subjects, plan, done = read_job(sys.stdin.read())
    try:
        with pinned(plan.cores):
            say("machine", to_plain(describe_machine()))
            for finding in take_steps(subjects, plan, done):
                say("finding", finding.to_json())
        say("end", True)
    except PenjingError as error:
        say("error", {"kind": type(error).__name__, "message": str(error)})


if __name__ == "__main__":
    main()
