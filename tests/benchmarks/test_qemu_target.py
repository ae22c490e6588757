"""`qemu:CORE`: a text bundle and a detector on emulated cores, and what cannot run there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import TEXTS
from tiny_detector_bundle import shared_detector_bundle

from penjing.benchmarks.arm64 import boards
from penjing.benchmarks.arm64.host_tools import can_model_cycles
from penjing.benchmarks.plan import Plan, Subject
from penjing.benchmarks.results import Run
from penjing.benchmarks.targets import measure_on
from penjing.runtime.errors import BundleError, TargetError

FILES = (("onnx", "int8"), ("tflite", "fp32"))
"""All four are run in `arm64/test_count_file.py`."""
PLAN = Plan(texts=TEXTS, lengths=(8, 16), cores=(0,))


def subjects(folder: Path, files: tuple[tuple[str, str], ...] = FILES) -> list[Subject]:
    return [Subject(f"{engine} {precision}", folder, engine, precision) for engine, precision in files]


@pytest.fixture(scope="session")
def run(userland: Path, tiny_bundle: Path) -> Run:
    return measure_on("qemu:cortex-a72", subjects(tiny_bundle), PLAN)


def test_every_file_answers_as_here(run: Run) -> None:
    assert [parity.subject for parity in run.parities] == [f"{engine} {precision}" for engine, precision in FILES]
    for parity in run.parities:
        assert (parity.n, parity.flips, parity.passed, parity.reason) == (len(TEXTS), 0, True, "")
        assert parity.largest_difference < 1e-4
    assert run.partial is None


def test_every_file_is_counted_at_every_length_in_fresh_processes(run: Run) -> None:
    assert [(c.subject, c.sequence_length) for c in run.counts] == [
        (f"{engine} {precision}", length) for engine, precision in FILES for length in (8, 16)
    ]
    for count in run.counts:
        assert len(count.instructions) == 3
        assert count.spread <= 1e-3
        assert count.kernels == "neither"
        assert count.median > count.loads > count.stores > 0
        assert (count.cycles is not None) == can_model_cycles() == (count.cycle_model == "cortex-a72")
        if count.cycles is not None:
            assert 0.3 < count.cycles / count.median < 3


def test_nothing_is_timed(run: Run) -> None:
    assert (run.measurements, run.noise_floors, run.memory, run.profiles) == ((), (), (), ())
    assert run.machine.cpu == "emulated Cortex-A72"
    assert (run.settings.threads, run.settings.cores) == ((1,), None)
    assert run.target == "qemu:cortex-a72"


def test_it_goes_to_json_and_back(run: Run) -> None:
    assert Run.from_json(run.to_json()) == run


def test_a_detector_is_counted_at_its_window(userland: Path) -> None:
    plan = Plan(samples=np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32))
    run = measure_on("qemu:armv8-i8mm", subjects(shared_detector_bundle(), (("tflite", "int8"),)), plan)
    assert [(p.n, p.flips, p.passed) for p in run.parities] == [(8, 0, True)]
    assert [c.sequence_length for c in run.counts] == [4]
    assert all(count.spread <= 1e-3 for count in run.counts)


def test_a_file_that_the_core_cannot_run_leaves_the_others(
    userland: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board that claims more than its core has: the int8 kernels of one file are not there."""
    (tmp_path / "arm64").mkdir()
    (tmp_path / "arm64/userland").symlink_to(userland)
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path))
    liar = replace(boards.find_board("cortex-a76"), core="liar", qemu_cpu="cortex-a72")
    monkeypatch.setitem(boards.BOARDS, "liar", liar)
    files = (("onnx", "fp32"), ("onnx", "int8"))
    run = measure_on("qemu:liar", subjects(tiny_bundle, files), replace(PLAN, lengths=(8,)))
    good, bad = run.parities
    assert good.passed
    assert (bad.n, bad.passed) == (0, False)
    assert "the core lacks an instruction" in bad.reason
    assert [count.subject for count in run.counts] == ["onnx fp32"]
    assert run.partial is not None
    assert run.partial.startswith("model.int8.onnx: ")
    with pytest.raises(TargetError, match=r"model\.int8\.onnx: .*the core lacks an instruction"):
        measure_on("qemu:liar", subjects(tiny_bundle, files[1:]), PLAN)


def test_what_is_asked_wrongly_is_said_before_anything_runs(userland: Path, tiny_bundle: Path) -> None:
    for target, plan, error in (
        ("qemu:pentium", PLAN, "no emulated core 'pentium': choose one of cortex-a53, cortex-a72"),
        ("qemu:", PLAN, "no emulated core ''"),
        ("qemu:cortex-a72", replace(PLAN, lengths=(8, 400)), "takes at most 16 tokens, not 400"),
    ):
        with pytest.raises((TargetError, BundleError), match=error):
            measure_on(target, subjects(tiny_bundle), plan)
    with pytest.raises(BundleError, match="name at least one"):
        measure_on("qemu:cortex-a72", [], PLAN)


def test_without_a_userland_the_set_up_is_named(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "qemu-aarch64").write_text("#!/bin/sh\n")
    (tmp_path / "qemu-aarch64").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PENJING_CACHE", str(tmp_path))
    with pytest.raises(TargetError, match="no arm64 userland yet: run `penjing target setup qemu`"):
        measure_on("qemu:cortex-a72", subjects(tiny_bundle), PLAN)
