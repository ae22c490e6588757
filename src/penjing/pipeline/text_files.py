"""Splits and small values between stages: JSON Lines and JSON, equal values giving equal bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..compress.data import Split


def write_split(split: Split, path: Path) -> None:
    """One `{"text", "label"}` a line; `label` is the number of the class."""
    write_rows(path, ({"text": t, "label": y} for t, y in zip(split.texts, split.labels, strict=True)))


def read_split(path: Path) -> Split:
    """What `write_split` wrote."""
    rows = read_rows(path)
    return Split(tuple(row["text"] for row in rows), tuple(row["label"] for row in rows))


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSON Lines."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """What `write_rows` wrote. Split on newlines alone: a text may hold other line separators."""
    with path.open(encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file]


def write_json(path: Path, value: Any) -> None:
    """Indented JSON."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """What `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))
