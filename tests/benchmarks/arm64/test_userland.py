"""Setting the userland up asks first, says what is missing, and leaves nothing behind; a built one is whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penjing.benchmarks.arm64.build import MARK, PLUGIN, RUNNER, refresh_programs
from penjing.benchmarks.arm64.core import check_engines, open_core
from penjing.benchmarks.arm64.host_tools import SETUP_TOOLS
from penjing.benchmarks.arm64.userland import find_userland, folder_mb, set_up_userland
from penjing.benchmarks.arm64.wheels import wanted_wheels, wheels_mb
from penjing.runtime.errors import OutputError, TargetError


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with all tools of the set-up, which do nothing."""
    for name in SETUP_TOOLS:
        (tmp_path / "bin" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def refuse(question: str) -> bool:
    raise AssertionError(f"asked {question!r}")


def test_nothing_is_downloaded_without_a_yes(tools: Path, tmp_path: Path) -> None:
    asked = list[str]()
    with pytest.raises(TargetError, match="nothing was downloaded"):
        set_up_userland(tmp_path / "arm64", ask=lambda question: bool(asked.append(question)))
    assert not (tmp_path / "arm64").exists()
    (question,) = asked
    assert re.search(r"about \d+ MB from the network", question)
    assert re.search(r"about \d+ MB in .*arm64/userland", question)
    assert all(name in question for name in ("python3.11-minimal", "onnxruntime==", "numpy"))


@pytest.mark.parametrize(
    ("gone", "package"), [(k, v) for k, v in SETUP_TOOLS.items() if k not in ("apt-get", "dpkg-deb")]
)
def test_a_missing_tool_is_named_before_anything_is_asked(tools: Path, tmp_path: Path, gone: str, package: str) -> None:
    (tools / gone).unlink()
    with pytest.raises(TargetError, match=rf"lacks {gone}: run `sudo apt-get install {package}`"):
        set_up_userland(tmp_path / "arm64", ask=refuse)


@pytest.mark.parametrize("gone", ["apt-get", "dpkg-deb"])
def test_a_machine_without_apt_is_told_the_other_way(tools: Path, tmp_path: Path, gone: str) -> None:
    (tools / gone).unlink()
    with pytest.raises(TargetError, match="use Debian or Ubuntu, or measure on a board with ssh://"):
        set_up_userland(tmp_path / "arm64", ask=refuse)


def test_a_folder_that_cannot_be_written_is_one_line(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be written .*PENJING_CACHE"):
        set_up_userland(tmp_path / "file" / "arm64", ask=lambda question: True)


def test_a_failed_set_up_leaves_nothing(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetError):
        set_up_userland(tmp_path / "arm64", ask=lambda question: True, say=lambda line: None)
    assert not list((tmp_path / "arm64").iterdir())


def test_no_userland_says_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "userland" / "usr").mkdir(parents=True)
    with pytest.raises(TargetError, match="run `penjing target setup qemu`"):
        find_userland(tmp_path)


def test_the_engines_are_this_machine_s() -> None:
    from onnxruntime import __version__

    wheels = wanted_wheels()
    assert f"onnxruntime=={__version__}" in wheels
    assert 40 < wheels_mb(wheels) < 80


def test_one_that_is_there_is_not_asked_for_again(userland: Path) -> None:
    said = list[str]()
    assert set_up_userland(ask=refuse, say=said.append) == userland
    assert "is there" in said[0]


def test_it_is_small_and_has_what_runs_need(userland: Path) -> None:
    assert folder_mb(userland) < 250
    for name in (PLUGIN, MARK, RUNNER, "usr/bin/python3.11", "bin/sh"):
        assert (userland / name).is_file(), name


def test_programs_of_other_sources_are_built_again(userland: Path) -> None:
    refresh_programs(userland)
    made = (userland / RUNNER).stat().st_mtime_ns
    refresh_programs(userland)
    assert (userland / RUNNER).stat().st_mtime_ns == made
    (userland / "opt/penjing/sources.sha256").write_text("old")
    refresh_programs(userland)
    assert (userland / RUNNER).stat().st_mtime_ns > made


def test_an_engine_of_another_version_is_refused(userland: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = open_core("cortex-a53")
    check_engines(core, {"onnx", "tflite"})
    monkeypatch.setitem(vars(core), "packages", {"onnxruntime": "1.0"})
    with pytest.raises(TargetError, match=r"has onnxruntime \S+, the arm64 userland 1\.0: run `penjing target setup"):
        check_engines(core, {"onnx"})


def test_without_an_emulator_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match="lacks qemu-aarch64: run `sudo apt-get install qemu-user`"):
        open_core("cortex-a72")
