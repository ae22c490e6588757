"""Splits and small values between stages: JSON Lines and JSON, equal values giving equal bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..compress.data import Split


def write_split(split: Split, path: Path) -> None:
    """One `{"text", "label"}` a line; `label` is the right decision, such as the number of the class. With domains,
    `domain` is the number of the text's; of pairs, `pair` is the second text."""
    rows: Iterable[dict[str, Any]] = ({"text": t, "label": y} for t, y in zip(split.texts, split.labels, strict=True))
    if split.domains:
        rows = ({**row, "domain": k} for row, k in zip(rows, split.domains, strict=True))
    if split.pairs is not None:
        rows = ({**row, "pair": pair} for row, pair in zip(rows, split.pairs, strict=True))
    write_rows(path, rows)


def read_split(path: Path) -> Split:
    """What `write_split` wrote."""
    rows = read_rows(path)
    domains = tuple(row["domain"] for row in rows if "domain" in row)
    pairs = tuple(row["pair"] for row in rows) if rows and "pair" in rows[0] else None
    labels = tuple(frozen(row["label"]) for row in rows)
    return Split(tuple(row["text"] for row in rows), labels, domains, pairs)


def frozen(value: Any) -> Any:
    """Decisions as they were before JSON made lists of their tuples."""
    return tuple(frozen(part) for part in value) if isinstance(value, list) else value


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
