"""The description of the machine under the test."""

from __future__ import annotations

import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from penjing.benchmarks.machine import MachineDescription, describe_machine
from penjing.benchmarks.plain import from_plain, to_plain


@pytest.fixture(scope="module")
def machine() -> MachineDescription:
    return describe_machine()


def test_it_names_cpu_memory_and_versions(machine: MachineDescription) -> None:
    assert machine.cpu
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert machine.memory_mb > 100
    assert machine.architecture == platform.machine()
    assert machine.packages["numpy"] == version("numpy")
    assert 0 <= machine.busy_share <= 1


def test_it_names_no_host_and_no_user(machine: MachineDescription) -> None:
    text = json.dumps(to_plain(machine))
    assert platform.node() not in text or len(platform.node()) < 4
    assert str(Path.home()) not in text


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="reads /proc")
def test_the_instruction_sets_are_the_kernel_s(machine: MachineDescription) -> None:
    words = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text()))
    assert set(machine.isa) <= words
    assert machine.isa


def test_it_survives_json(machine: MachineDescription) -> None:
    assert from_plain(MachineDescription, json.loads(json.dumps(to_plain(machine)))) == machine
