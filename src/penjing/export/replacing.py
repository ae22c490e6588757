"""A bundle's folder that appears whole or not at all, in the place of an older one. Left out: what goes into it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..runtime.errors import OutputError
from ..runtime.manifest import MANIFEST_NAME


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new folder beside `target` that takes its place when the block ends well, and vanishes when it does not.

    The names are fixed, so that what a killed run left behind goes with the next one.
    """
    folder = target.resolve()
    part, old = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    try:
        _tidy(part, old, folder)
        _check_free(folder)
        part.mkdir(parents=True)
        yield part
        if folder.exists():
            os.replace(folder, old)
        os.replace(part, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"cannot write {target} ({reason}): free space or choose another folder, then run again"
        ) from None
    finally:
        _tidy(part, old, folder)


def _tidy(part: Path, old: Path, folder: Path) -> None:
    """Removes the unfinished folder, and the old bundle unless nothing has taken its place."""
    with suppress(OSError):
        if old.exists() and not folder.exists():
            os.replace(old, folder)
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)


def _check_free(folder: Path) -> None:
    """Raises OutputError when `folder` is a file or holds anything but a bundle: replacing it would lose that."""
    is_bundle = (folder / MANIFEST_NAME).is_file()
    if folder.exists() and not is_bundle and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(f"{folder} holds something that is no bundle and would be lost: choose another folder")
