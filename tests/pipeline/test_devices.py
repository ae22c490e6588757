"""Targets by address and by name of a targets.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from penjing.pipeline.devices import chosen_targets, read_devices
from penjing.runtime.errors import DataError, TargetError

DEVICES = "pi4: ssh://pi@192.168.1.7\nphone: adb://R58M\na72: qemu:cortex-a72\n"


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    path = tmp_path / "targets.yaml"
    path.write_text(DEVICES, encoding="utf-8")
    return path


def test_without_any_target_this_machine_is_measured() -> None:
    assert chosen_targets([], None) == {"local": "local"}


def test_a_file_alone_means_all_of_its_devices(devices: Path) -> None:
    assert chosen_targets([], devices) == read_devices(devices)


def test_names_and_addresses_may_be_mixed(devices: Path) -> None:
    chosen = chosen_targets(["local", "phone", "qemu:cortex-a53"], devices)
    assert chosen == {"local": "local", "phone": "adb://R58M", "qemu:cortex-a53": "qemu:cortex-a53"}


def test_names_come_from_the_targets_yaml_of_the_folder(devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(devices.parent)
    assert chosen_targets(["pi4"], None) == {"pi4": "ssh://pi@192.168.1.7"}


def test_an_unknown_name_is_said_with_those_that_there_are(devices: Path) -> None:
    with pytest.raises(TargetError, match=r"no target 'pi5': give one of local, .*has pi4, phone, a72"):
        chosen_targets(["pi5"], devices)


@pytest.mark.parametrize("text", ["", "- pi4", "pi4: 3", "pi 4/5: local", "a: b: c", "\x00"])
def test_a_broken_file_is_one_line_with_an_example(text: str, tmp_path: Path) -> None:
    path = tmp_path / "targets.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"targets\.yaml.*: give one `name: address` a line, such as") as caught:
        read_devices(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        chosen_targets([], tmp_path / "none.yaml")
