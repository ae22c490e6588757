"""A connection to the server that a module of tests started as its `server`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback_sshd import LoopbackSshd

from penjing.benchmarks.remote.address import parse_address
from penjing.benchmarks.remote.connection import CONFIG, Connection, connect


@pytest.fixture
def connection(server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv(CONFIG, str(server.client_config))
    with connect(parse_address(server.address)) as connection:
        yield connection
