"""The cells of a suite on a Ray cluster, whose machines see the same folders under the same names.

Ray starts a cell again when its worker or its machine is lost. Nothing is reported to anybody: usage statistics are
off. Left out: starting a cluster (`ray start`), and copying data to machines that do not see it.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...runtime.errors import TargetError
from ..extras import require
from .cells import CELL_NAME, CellResult, Job, failure, write_result
from .child import run_cell
from .runners import ATTEMPTS, lost

SECONDS_TO_ANSWER = 3.0
START = "start one with `ray start --head`, or leave --ray out"


def on_ray(jobs: Sequence[Job], address: str) -> Iterator[CellResult]:
    """On the cluster at `address` ("auto": the one that runs on this machine): a core a cell and, where the cluster has
    GPUs, one of them. Raises TargetError when nothing answers there."""
    if not jobs:
        return
    ray = connect(address)
    try:
        gpus = 1 if ray.cluster_resources().get("GPU", 0) >= 1 else 0
        options = {"num_cpus": 1, "num_gpus": gpus, "max_retries": ATTEMPTS - 1}
        make = ray.remote(**options)(run_cell)
        waiting = {}
        for job in jobs:
            Path(job.folder, CELL_NAME).unlink(missing_ok=True)
            waiting[make.remote(asdict(job), os.getcwd())] = job
        while waiting:
            ready = ray.wait(list(waiting), num_returns=1)[0][0]
            job = waiting.pop(ready)
            try:
                yield ray.get(ready)
            except ray.exceptions.RayTaskError as error:  # before the cell began: its machine lacks what it needs
                yield write_result(job, failure(job, f"it could not start on its machine: {error.cause}"))
            except ray.exceptions.RayError as error:
                yield lost(job, str(error).strip().split("\n")[0])
    finally:
        ray.shutdown()  # leaves the cluster, which then ends what still runs for this suite


def connect(address: str) -> Any:
    """The module `ray`, connected. Raises TargetError, in a few seconds, when no cluster answers."""
    require("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    _check_answers(address)
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, SystemExit) as error:  # it exits where no Ray is
        reason = " ".join(str(error).split())
        raise TargetError(f"--ray {address}: no cluster can be used there ({reason:.200}): {START}") from None
    return ray


def _check_answers(address: str) -> None:
    """Ray itself would wait for a minute."""
    if address == "auto":
        return
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not (colon and host and port.isdecimal()):
        raise TargetError(f"--ray {address!r} is no address: give auto, or HOST:PORT of the cluster's head")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER):
            pass
    except (OSError, OverflowError) as error:
        raise TargetError(f"--ray {address}: nothing answers there ({error}): {START}") from None
