"""A fresh Python process that does one job of ours and says what it found.

The job goes in as JSON on stdin, the last line of stdout is a JSON object. Where PYTHONDONTWRITEBYTECODE is set, as in
many containers, every start would compile numpy again: Python's bytecode then lies in a folder of the caller's, which
the first start fills. Left out: what the job is (`cold_child.py`, `memory_child.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from ..runtime.errors import EngineError

LONGEST_SECONDS = 300


def run_fresh(module: str, job: Mapping[str, Any], label: str, bytecode: str) -> tuple[float, dict[str, Any]]:
    """When the process was started (`time.perf_counter`, in seconds), and what it said.

    `module` is one of this package's, `bytecode` a folder. Raises EngineError that names `label` when there is no
    answer.
    """
    wanted = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if sys.dont_write_bytecode:
        wanted |= {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    start = time.perf_counter()  # system-wide, so the child's reading can be taken from it
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"{__package__}.{module}"], input=json.dumps(job), capture_output=True, text=True,
            encoding="utf-8", errors="replace", env={**os.environ, **wanted}, timeout=LONGEST_SECONDS, check=True,
        )  # fmt: skip
        said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return start, said
    except subprocess.TimeoutExpired:
        reason = f"none in {LONGEST_SECONDS} s"
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
    except (IndexError, ValueError):
        reason = "what it printed is no JSON"
    raise EngineError(f"a fresh process with {label} gave no answer ({reason}): run `penjing doctor`")
