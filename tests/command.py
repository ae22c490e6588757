"""The command line as tests call it: in this process, by what it prints and its exit code."""

from __future__ import annotations

import pytest

from penjing.pipeline.cli import main


def penjing_command(*arguments: str) -> int:
    """Runs the command in this process; the exit code."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert isinstance(stop.value.code, int)
    return stop.value.code


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that must fail."""
    assert penjing_command(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("penjing: ") and printed.err.count("\n") == 1, printed.err
    return printed.err
