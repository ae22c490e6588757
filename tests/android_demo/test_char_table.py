"""The app's table of characters is what its script makes of the installed `tokenizers`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import tokenizers

SCRIPT = Path(__file__).parents[2] / "android_demo/check/make_char_table.py"


def load_script() -> Any:
    spec = importlib.util.spec_from_file_location("make_char_table", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_table_is_what_the_script_makes_today() -> None:
    script = load_script()
    committed = script.TABLE.read_text(encoding="ascii")
    if f"tokenizers {tokenizers.__version__}:" not in committed.partition("\n")[0]:
        pytest.skip(f"the table was not made from the installed tokenizers {tokenizers.__version__}")
    assert script.make_table() == committed


def test_numbers_are_written_to_base_36() -> None:
    script = load_script()
    assert [script.base36(number) for number in (0, 9, 10, 35, 36)] == ["0", "9", "a", "z", "10"]
    assert int(script.base36(0x10FFFF), 36) == 0x10FFFF


def test_neighbours_of_one_value_are_a_run() -> None:
    script = load_script()
    assert list(script.runs({0: 1, 1: 1, 2: 3, 0x10FFFF: 8})) == [(0, 2, 1), (0, 1, 3), (0x10FFFC, 1, 8)]
