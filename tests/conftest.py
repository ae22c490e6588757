"""One tiny bundle for all tests of the runtime, and copies of it to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from arm64_userland import need_userland
from tiny_bundle import pack, write_parts


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with four model files; not to be changed."""
    parts = tmp_path_factory.mktemp("parts")
    write_parts(parts)
    return pack(parts, tmp_path_factory.mktemp("bundles") / "tiny").folder


@pytest.fixture
def own_bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))


@pytest.fixture(scope="session")
def userland() -> Path:
    """The arm64 userland; skips where there is none (`arm64_userland.py`)."""
    return need_userland()
