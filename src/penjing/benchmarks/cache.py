"""Where this user's caches are: userlands, and what an interrupted measurement has found so far."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$PENJING_CACHE`, else `penjing` in the user's cache folder. Not made here."""
    if chosen := os.environ.get("PENJING_CACHE"):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penjing"
