"""The counting plugin's words for qemu, and one counted process.

Left out: building it (`build.py`), and what its counts mean (`blocks.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .blocks import Section, read_sections
from .boards import Board
from .build import PLUGIN
from .emulator import Emulator


def plugin_words(root: Path, board: Board, out: Path, memory: bool) -> str:
    """For qemu's -plugin: counts into `out`, with the board's caches if `memory`, which takes a third longer."""
    sizes = {"l1k": board.level1.kb, "l1w": board.level1.ways, "l2k": board.level2.kb, "l2w": board.level2.ways}
    options = {"out": out, "mem": int(memory), **sizes}
    return ",".join([str(root / PLUGIN), *(f"{name}={value}" for name, value in options.items())])


def run_counted(
    emulator: Emulator, board: Board, words: Sequence[str], environment: Mapping[str, str], memory: bool
) -> tuple[Section, ...]:
    """Runs the program once; gives a section for each pair of markers. Raises TargetError as `Emulator.run` does."""
    with tempfile.TemporaryDirectory(prefix="penjing-count-") as folder:
        out = Path(folder) / "counts"
        counting = replace(emulator, plugin=plugin_words(emulator.root, board, out, memory))
        counting.run(words, environment)
        return read_sections(out)
