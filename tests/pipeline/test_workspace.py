"""Stages: done once, named by what went into them, whole or not there, one run at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from penjing.pipeline.workspace import CHECKPOINTS, Workspace
from penjing.runtime.errors import OutputError


def write(text: str) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        (folder / "x").write_text(text)

    return work


def test_a_stage_is_computed_once(tmp_path: Path) -> None:
    calls = []

    def work(folder: Path) -> None:
        calls.append(folder)
        (folder / "value").write_text("7")

    first = Workspace(tmp_path).stage("teacher", work, settings={"epochs": 3})
    again = Workspace(tmp_path).stage("teacher", work, settings={"epochs": 3})
    assert first == again
    assert (first / "value").read_text() == "7"
    assert len(calls) == 1


def test_another_setting_or_input_is_another_folder(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    names = {
        space.stage("a", lambda _: None, settings={"epochs": 3}).name,
        space.stage("a", lambda _: None, settings={"epochs": 4}).name,
        space.stage("a", lambda _: None, settings={"epochs": 4}, inputs=[tmp_path / "b-123"]).name,
    }
    assert len(names) == 3


def test_a_stage_that_fails_leaves_no_folder_of_its_name_and_keeps_its_checkpoints(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        (folder / CHECKPOINTS / "step").write_text("5")
        raise RuntimeError("broken")

    def continues(folder: Path) -> None:
        (folder / "steps").write_text((folder / CHECKPOINTS / "step").read_text())

    space = Workspace(tmp_path)
    with pytest.raises(RuntimeError):
        space.stage("student", fails)
    assert not list(tmp_path.glob("student-*"))
    folder = space.stage("student", continues)
    assert (folder / "steps").read_text() == "5"
    assert not (folder / CHECKPOINTS).exists()


def test_a_process_killed_in_a_stage_leaves_the_finished_ones(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from penjing.pipeline.workspace import Workspace
        space = Workspace(Path(sys.argv[1]))
        with space.locked():
            a = space.stage("a", lambda f: (f / "x").write_text("1"))
            b = space.stage("b", lambda f: ((f / "x").write_text("half"), print("in b", flush=True), time.sleep(60)))
        """)
    )
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, str(script), str(out)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "in b"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    space = Workspace(out)
    with space.locked():  # the dead process's lock is gone with it
        assert (space.stage("a", lambda _: pytest.fail("computed twice")) / "x").read_text() == "1"
        assert (space.stage("b", write("2")) / "x").read_text() == "2"


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from penjing.pipeline.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).locked(): print('locked', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "locked"
    try:
        with pytest.raises(OutputError, match="another run works in"), Workspace(tmp_path).locked():
            pass
    finally:
        process.kill()
        process.wait()


def test_a_file_in_the_place_of_the_output_folder_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--out"), Workspace(tmp_path / "file" / "runs").locked():
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_is_one_clear_error_and_keeps_finished_stages(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    done = space.stage("a", write("1"))

    def fills(folder: Path) -> None:
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(b"x")

    with pytest.raises(OutputError, match="No space left on device"):
        space.stage("b", fills)
    assert (done / "x").read_text() == "1"
    assert not list(tmp_path.glob("b-*"))


def test_a_library_in_rust_that_cannot_write_is_one_clear_error_too(tmp_path: Path) -> None:
    def saves_over_a_folder(folder: Path) -> None:
        (folder / "weights").mkdir()
        save_file({"weight": torch.zeros(2)}, folder / "weights")

    with pytest.raises(OutputError, match="Is a directory"):
        Workspace(tmp_path).stage("a", saves_over_a_folder)


def test_another_error_of_such_a_library_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(SafetensorError):
        Workspace(tmp_path).stage("a", lambda folder: save_file({"w": torch.zeros(2)}, folder / "none" / "weights"))
