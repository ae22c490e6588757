"""A tiny BERT teacher, untrained and fine-tuned, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from school import School, make_school
from tiny import write_encoder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained BERT encoder of two layers, as a user might name as teacher."""
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder)
    return folder


@pytest.fixture(scope="session")
def school(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> School:
    """The encoder fine-tuned, and what it says of its training texts."""
    return make_school(tiny_encoder, tmp_path_factory.mktemp("school"))
