"""Rows of a table file: TSV, CSV, JSON Lines or Parquet, plain or packed with gzip or xz.

TSV has no quoting and splits on newlines alone, as the published data sets do. Left out: what the columns mean
(`data.py`).
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..runtime.errors import DataError

Row = dict[str, Any]

TABLES = (".tsv", ".csv", ".jsonl", ".json", ".parquet")
WORD_FILES = (".conll", ".bio", ".txt")
"""Files with a word and its tag a line, an empty line between sentences; .txt is one only where words are labelled."""
FORMATS = (*TABLES, *WORD_FILES)


def read_table(path: Path, columns: tuple[str, ...]) -> list[Row]:
    """The named columns of every row. Raises DataError for a missing file or column, broken UTF-8 or an empty file."""
    kind = file_kind(path)
    if kind not in TABLES:
        raise DataError(f"{path} is plain text, which has no columns: name a table ({', '.join(TABLES)})")
    if kind == ".parquet":
        rows = _parquet(path, columns)
    else:
        rows = {".tsv": _tsv, ".csv": _csv, ".jsonl": _json_lines, ".json": _json_lines}[kind](path, columns)
    found = list(rows)
    if not found:
        raise DataError(f"{path} holds no rows: name a file with at least one row below its header")
    return found


def read_lines(path: Path) -> list[str]:
    """The lines of a plain text file, without empty ones."""
    return [line for line in (line.strip() for line in _text(path).split("\n")) if line]


def read_tagged_words(path: Path) -> list[tuple[list[str], list[str]]]:
    """The words and tags of every sentence: the first and the last of a line's columns, between tabs or spaces.

    Raises DataError that names the line without a tag.
    """
    sentences: list[tuple[list[str], list[str]]] = [([], [])]
    for number, line in enumerate(_text(path).split("\n"), start=1):
        cells = line.strip("\r\n\t ").split("\t") if "\t" in line.strip() else line.split()
        if not cells or cells == ["-DOCSTART-"]:
            sentences.append(([], []))
        elif len(cells) == 1:
            raise DataError(f"{path} has a word without a tag in line {number}: give both, with a tab between them")
        else:
            sentences[-1][0].append(cells[0].strip())
            sentences[-1][1].append(cells[-1].strip())
    return [sentence for sentence in sentences if sentence[0]]


def file_kind(path: Path) -> str:
    """The suffix that says the format, below .gz and .xz. Raises DataError for a missing file or unknown suffix."""
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        match = difflib.get_close_matches(path.name, near, n=1)
        hint = f"did you mean {match[0]}?" if match else "check the path in the recipe, or change it with --set"
        raise DataError(f"no file {path}; {hint}")
    suffixes = [s for s in path.suffixes if s not in (".gz", ".xz")]
    kind = suffixes[-1].lower() if suffixes else ""
    if kind not in FORMATS:
        raise DataError(f"{path} has the ending {kind!r}; known are {', '.join(FORMATS)}, each also with .gz or .xz")
    return kind


def _text(path: Path) -> str:
    openers: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
    try:
        with openers.get(path.suffix, open)(path, "rb") as file:
            raw: bytes = file.read()
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}): copy it again") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{path} is not UTF-8 in line {line}: save it as UTF-8, or remove that line") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path} has a NUL character in line {line}: it is no text file")
    if not text.strip():
        raise DataError(f"{path} is empty: name a file with text in it")
    return text


def _tsv(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    lines = [line.removesuffix("\r") for line in _text(path).split("\n")]
    header = lines[0].split("\t")
    _check_columns(path, header, columns)
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        cells = line.split("\t")
        if len(cells) != len(header):
            found = f"{len(cells)} columns in line {number}, its header {len(header)}"
            raise DataError(f"{path} has {found}: mend that line")
        row = dict(zip(header, cells, strict=True))
        yield {column: row[column] for column in columns}


def _csv(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    csv.field_size_limit(2**31 - 1)  # the default refuses texts above 128 KiB
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        _check_columns(path, list(reader.fieldnames or []), columns)
        for row in reader:
            if None in row or None in row.values():
                raise DataError(f"{path} has another number of columns in line {reader.line_num}: mend that line")
            yield {column: row[column] for column in columns}
    except csv.Error as error:
        line = reader.reader.line_num  # DictReader's own counts only rows that came through
        raise DataError(f"{path} is not CSV in line {line} ({error}): mend its quotes") from None


def _json_lines(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path} is not JSON in line {number} ({error.msg}): one object a line") from None
        if not isinstance(row, dict):
            raise DataError(f"{path} has no JSON object in line {number}: one object a line")
        _check_columns(path, list(row), columns, f" in line {number}")
        if any(isinstance(row[column], str) and not _is_unicode(row[column]) for column in columns):
            raise DataError(f"{path} has half a character (a lone surrogate) in line {number}: mend that line")
        yield {column: row[column] for column in columns}


def _parquet(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    from pyarrow import ArrowInvalid, parquet

    try:
        _check_columns(path, parquet.read_schema(path).names, columns)
        yield from parquet.read_table(path, columns=list(columns)).to_pylist()
    except ArrowInvalid as error:
        raise DataError(f"{path} is no Parquet file ({' '.join(str(error).split())}): write it again") from None


def _is_unicode(text: str) -> bool:
    # JSON can spell half of a UTF-16 pair, which no tokenizer and no file takes.
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _check_columns(path: Path, present: list[str], wanted: tuple[str, ...], where: str = "") -> None:
    for column in wanted:
        if column not in present:
            raise DataError(
                f"{path} has no column {column!r}{where}; it has {', '.join(map(repr, present))}:"
                " name its columns, by data.text and data.label in a recipe"
            )
