"""Addresses of boards, and what nobody should be able to smuggle into them."""

from __future__ import annotations

import pytest

from penjing.benchmarks.remote.address import SshAddress, parse_address
from penjing.runtime.errors import TargetError


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("ssh://board", SshAddress("board")),
        ("ssh://pi@board.local:2222", SshAddress("board.local", "pi", 2222)),
        ("ssh://10.0.0.7/", SshAddress("10.0.0.7")),
        ("ssh://root@[fe80::1%eth0]:22", SshAddress("fe80::1%eth0", "root", 22)),
    ],
)
def test_user_host_and_port_are_read(address: str, found: SshAddress) -> None:
    assert parse_address(address) == found


@pytest.mark.parametrize(
    "address",
    [
        "ssh://", "ssh:board", "ssh://-oProxyCommand=x", "ssh://-l@board", "ssh://a b", "ssh://board:0",
        "ssh://board:70000", "ssh://board:ssh", "ssh://pi:word@board", "ssh://board/home", "ssh://board;reboot",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(TargetError, match=r"write ssh://\[user@\]host\[:port\]"):
        parse_address(address)


def test_an_address_is_also_what_a_person_types() -> None:
    assert SshAddress("board", "pi", 2222).by_hand == "ssh -p 2222 pi@board"
    assert SshAddress("board").by_hand == "ssh board"
    assert SshAddress("board", "pi", 2222).options == ("-l", "pi", "-p", "2222", "--", "board")
    assert SshAddress("board", None, 2222).known_as == "[board]:2222"
