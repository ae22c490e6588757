"""Every error that Penjing raises on purpose.

One base class and one name for each part of the pipeline that can refuse. A message names the value,
what is allowed, and the next step; the command line prints it on one line and exits with code 2.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # at run time it would be most of what `import penjing.runtime` costs
    from collections.abc import Iterator
    from pathlib import Path

UNWRITABLE = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EDQUOT)
"""Numbers of the OSErrors that free space, rights or another folder would cure: the user's, not a fault of Penjing."""


class PenjingError(Exception):
    """Base of all errors whose message is meant for the user."""


class RecipeError(PenjingError):
    """A recipe has an unknown key or a value out of range."""


class DataError(PenjingError):
    """A data file is missing, broken, or does not hold what the recipe says."""


class PruningError(PenjingError):
    """A model cannot be cut as asked: an impossible budget, a plan that does not fit, bad importances."""


class TrainingError(PenjingError):
    """A teacher cannot be loaded or a training run went wrong."""


class ExportError(PenjingError):
    """A model cannot be exported, or an exported file is beyond its limits."""


class BundleError(PenjingError):
    """A bundle is incomplete, changed, or of an unknown version."""


class EngineError(PenjingError):
    """An engine is missing or refuses a file."""


class EngineMissingError(EngineError):
    """An engine is not installed."""


class TargetError(PenjingError):
    """A target is unknown, cannot be reached, lacks a tool, or answers what nobody can read."""


class OutputError(PenjingError):
    """An output folder cannot be written."""


@contextmanager
def writing(place: Path, instead: str) -> Iterator[None]:
    """Raises OutputError where `place` cannot be written and free space, or what `instead` says, would cure it."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise OutputError(f"{place} cannot be written ({error.strerror}): free space, or {instead}") from None
