"""`penjing augment`: new rows out of a table's own, for a teacher to label. Left out: the work (`augmented.py`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..runtime.errors import DataError, OutputError
from .extras import require
from .terminal import print_facts, quiet_libraries

if TYPE_CHECKING:
    from .augmentation_section import Augmentation


def augment(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table (TSV, CSV, JSON Lines, Parquet), or plain text (.txt).")
    ],
    target: Annotated[Path, typer.Option("--to", metavar="OUT.tsv", help="The table to write.")],
    method: Annotated[
        Literal["tinybert", "words", "bilstm"],
        typer.Option(
            help="tinybert: words of a masked language model and neighbours in word vectors; words: neighbours alone;"
            " bilstm: masks, words of the same part of speech, n-grams."
        ),
    ] = "tinybert",
    copies: Annotated[int, typer.Option(help="New rows of each row at most; equal ones are left out.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same rows.")] = 1,
    column: Annotated[str, typer.Option(help="The column that holds the text.")] = "text",
    second: Annotated[str | None, typer.Option(help="Of pairs, the column of the second text.")] = None,
    label: Annotated[
        str | None, typer.Option(help="A column to copy from the old row; a new text may deserve another label.")
    ] = None,
    rows: Annotated[int | None, typer.Option(help="Augment so many rows, drawn by the seed; else all.")] = None,
    vectors: Annotated[Path | None, typer.Option(help="Word vectors; bilstm needs them for clusters alone.")] = None,
    tags: Annotated[
        Literal["english", "clusters"],
        typer.Option(help="bilstm's parts of speech: TextBlob's, for English, or clusters of the word vectors."),
    ] = "english",
    model: Annotated[str, typer.Option(help="The BERT that tinybert asks.")] = "all-MiniLM-L6-v2",
    text: Annotated[
        Path | None,
        typer.Option(help="Plain text, a sentence a line, to train a missing masked-LM head on; else FILE's texts."),
    ] = None,
    head_steps: Annotated[int, typer.Option(help="Steps of 64 texts that a missing head is trained for.")] = 1000,
) -> None:
    """Writes a table of the rows as they are and of new ones made of them, for a teacher to label.

    A model without a masked-LM head gets one, which is kept in the cache. Copies of a row follow it; columns: text,
    then second and label if they are asked for, named as in FILE. A run that was stopped continues.

    \b
    Examples:
      penjing augment train.tsv --to more.tsv --vectors vectors.txt --copies 10
      penjing augment train.tsv --to more.tsv --method bilstm --label label
      penjing augment pairs.csv --to more.tsv --method words --column question --second answer --vectors vectors.txt
    """
    require("compress")
    quiet_libraries()
    from ..benchmarks.cache import cache_folder
    from .augmented import ROWS_NAME, augment_rows
    from .text_files import read_rows
    from .workspace import Workspace, is_first_process

    section = _section(
        method=method, copies=copies, rows=rows, tags=tags, model=model, head_steps=head_steps,
        vectors=None if vectors is None else str(vectors),
    )  # fmt: skip
    columns = [column, *([] if second is None else [second])]
    given, labels = _read(source, columns, label)
    plain = [t for row in given for t in row] if text is None else _plain(text)
    space = Workspace(cache_folder() / "augment")
    with space.locked():
        made = read_rows(augment_rows(section, given, plain, space, seed) / ROWS_NAME)
    if is_first_process():
        header = columns if label is None else [*columns, label]
        _write(target, header, [[*row["texts"], *([] if labels is None else [labels[row["row"]]])] for row in made])
        old = {row["row"] for row in made}
        print_facts([("rows", str(len(old))), ("with copies", str(len(made))), ("table", str(target))])


def _section(**values: Any) -> Augmentation:
    """The settings. Raises DataError with the first that does not fit."""
    from pydantic import ValidationError

    from .augmentation_section import Augmentation

    try:
        return Augmentation(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])).replace("_", "-")
        message = first["msg"].removeprefix("Value error, ")
        raise DataError(f"--{place} {first['input']}: {message}" if place else message) from None


def _read(source: Path, columns: Sequence[str], label: str | None) -> tuple[list[tuple[str, ...]], list[str] | None]:
    """The texts of each row, and its label. Raises DataError that names the row of an empty text."""
    from ..compress.tables import file_kind, read_lines, read_table

    if file_kind(source) == ".txt":
        if len(columns) > 1 or label is not None:
            raise DataError(f"{source} is plain text, which has no columns: leave out --second and --label")
        return [(line,) for line in read_lines(source)], None
    wanted = tuple(dict.fromkeys([*columns, *([] if label is None else [label])]))
    found = read_table(source, wanted)
    for number, row in enumerate(found, start=1):
        for column in columns:
            if not isinstance(row[column], str) or not row[column].strip():
                raise DataError(
                    f"{source} has an empty text, or none, in row {number}, column {column!r}: fill it in or remove it"
                )
    labels = None if label is None else [str(row[label]) for row in found]
    return [tuple(row[column].strip() for column in columns) for row in found], labels


def _plain(path: Path) -> list[str]:
    from ..compress.tables import file_kind, read_lines

    if file_kind(path) != ".txt":
        raise DataError(f"--text {path} is a table: give plain text (.txt), a sentence a line")
    return read_lines(path)


def _write(target: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """TSV, whole or not at all; a tab or newline in a cell becomes a space."""
    lines = ["\t".join(" ".join(cell.split()) for cell in row) for row in [header, *rows]]
    temporary = target.with_name(target.name + ".part")
    try:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"cannot write {target} ({error.strerror}): choose another place") from None
