"""A suite on a real Ray cluster of two workers on this machine: cells, lost workers, addresses that do not answer."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from command import refusal
from tiny_suite import detector_suite

from penjing.pipeline.suite.cells import Job, make_job
from penjing.pipeline.suite.file import load_suite
from penjing.pipeline.suite.on_ray import connect, on_ray
from penjing.pipeline.suite.run import run_suite
from penjing.runtime.errors import TargetError

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'penjing[ray]'")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a head without cores, and two nodes with one each. All that it starts ends with it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    small: dict[str, Any] = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    try:
        for _ in range(2):
            started.add_node(num_cpus=1, object_store_memory=80 * 2**20)
        yield started.address
    finally:
        started.shutdown()


@contextmanager
def killer(kills: int) -> Iterator[set[int]]:
    """Kills the first workers of the cluster that run a cell; gives their ids."""
    stop, killed = threading.Event(), set[int]()

    def kill() -> None:
        while len(killed) < kills and not stop.wait(0.02):
            for process in psutil.Process().children(recursive=True):
                if len(killed) < kills and process.pid not in killed and process.name().startswith("ray::run_cell"):
                    killed.add(process.pid)
                    process.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


@pytest.mark.timeout(900)  # three clusters' worth of processes on whatever cores the tests share
@needs_ray
def test_a_suite_runs_on_two_workers_and_a_lost_one_is_replaced(cluster: str, tmp_path: Path) -> None:
    suite = load_suite(detector_suite(tmp_path))
    with killer(1) as killed:
        found = run_suite(suite, tmp_path / "out", partial(on_ray, address=cluster))
    assert len(killed) == 1
    assert not found.failures
    assert [(row.cell, row.seeds, row.verdict) for row in found.rows] == [
        ("plain", (1, 2), "baseline"), ("maha", (1, 2), "better"),
    ]  # fmt: skip
    assert len(list(tmp_path.glob("out/cells/*/*/bundle/manifest.json"))) == 4


@needs_ray
def test_a_cell_whose_worker_is_lost_again_is_reported(cluster: str, tmp_path: Path) -> None:
    with killer(2) as killed:
        (result,) = on_ray([first_job(tmp_path)], cluster)
    assert len(killed) == 2
    assert "its worker was lost 2 times" in result.error


@needs_ray
def test_an_address_that_does_not_answer_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # no one listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refusal(capsys, "suite", str(detector_suite(tmp_path)), "--ray", address, "--out", str(tmp_path / "out"))
    assert f"--ray {address}: nothing answers there" in said and "ray start --head" in said
    assert not (tmp_path / "out" / "suite.json").exists()


@needs_ray
@pytest.mark.parametrize("address", ["nowhere", "head:port", ":6379"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(TargetError, match="HOST:PORT"):
        connect(address)


def first_job(folder: Path) -> Job:
    (folder / "out" / "stages").mkdir(parents=True, exist_ok=True)
    cell, seed, recipe = next(load_suite(detector_suite(folder)).jobs())
    return make_job(cell, seed, recipe, folder / "out")
