"""The arm64 userland in this user's cache, for tests that run on an emulated core.

Tests download nothing: without a userland they are skipped, with the reason. PENJING_TEST_USERLAND=1, as in CI, lets
them set it up once.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from penjing.benchmarks.arm64.host_tools import EMULATOR
from penjing.benchmarks.arm64.userland import find_userland, set_up_userland
from penjing.runtime.errors import TargetError

MAY_DOWNLOAD = "PENJING_TEST_USERLAND"
LOCK = Path(tempfile.gettempdir()) / "penjing-test-userland.lock"


def need_userland() -> Path:
    """Its root; skips the test when there is none, or no emulator."""
    if shutil.which(EMULATOR) is None:
        pytest.skip(f"no {EMULATOR}")
    if os.environ.get(MAY_DOWNLOAD) == "1":
        with LOCK.open("w") as lock:  # of several workers one sets it up
            fcntl.flock(lock, fcntl.LOCK_EX)
            return set_up_userland(ask=lambda question: True)
    try:
        return find_userland()
    except TargetError as error:
        pytest.skip(str(error))
