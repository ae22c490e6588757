"""A tiny BERT teacher, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import write_encoder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained BERT encoder of two layers, as a user might name as teacher."""
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder)
    return folder
