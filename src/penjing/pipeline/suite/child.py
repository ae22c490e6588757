"""A cell in a process of its own: `python -m penjing.pipeline.suite.child JOB`, the job as JSON; or as a task of Ray.

Loads nothing heavy before it has the job, so that whoever looks at the process sees what it does. Left out: all work.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from ..terminal import quiet_libraries

EXIT_ORPHAN = 3


def main() -> None:
    """Runs the job, and ends when the suite that started it does: nobody would wait for the cell."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run_cell(json.loads(sys.argv[1]), os.getcwd())


def run_cell(job: dict[str, Any], folder: str) -> Any:
    """The CellResult of a Job as plain values. Its recipe names files from `folder`, where the suite was started."""
    os.chdir(folder)
    quiet_libraries()
    from .cells import Job, run_job

    return run_job(Job(**job))


def _end_with_parent() -> None:
    os.read(0, 1)  # the parent holds the other end and never writes
    os._exit(EXIT_ORPHAN)


if __name__ == "__main__":
    main()
