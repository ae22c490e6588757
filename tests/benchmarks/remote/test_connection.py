"""Logins at a real OpenSSH server on the loopback, and every way in which there is none."""

from __future__ import annotations

import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_sshd import LoopbackSshd, loopback_sshd, why_not

from penjing.benchmarks.remote.address import SshAddress, parse_address
from penjing.benchmarks.remote.connection import CONFIG, OPTIONS, connect, ssh_command
from penjing.benchmarks.remote.ssh_errors import ConnectionLostError, explain
from penjing.runtime.errors import TargetError

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSshd]:
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "banner").write_text("Welcome, authorised users only\n")
    with loopback_sshd(folder, lines=[f"Banner {folder / 'banner'}"]) as server:
        yield server


@pytest.fixture(autouse=True)
def config(server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG, str(server.client_config))


def refusal(address: SshAddress) -> str:
    with pytest.raises(TargetError) as caught, connect(address):
        pass
    message = str(caught.value)
    assert "\n" not in message
    assert "StrictHostKeyChecking" not in message
    return message


def with_config(server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch, path: Path, old: str, new: str) -> None:
    text = server.client_config.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    monkeypatch.setenv(CONFIG, str(path))


def test_commands_share_one_login_and_give_output_and_exit_code(server: LoopbackSshd) -> None:
    with connect(parse_address(server.address)) as connection:
        assert connection.run("echo $HOME").out.strip() == str(server.home)
        answer = connection.run("cat; echo no >&2; exit 7", [b"a", b"\0b"])
        assert (answer.out, answer.err, answer.code) == ("a\0b", "no\n", 7)
        assert len(server.sessions()) == 1
        folder = connection.folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    assert server.log.count("Accepted publickey") == 1


def test_a_command_that_reads_nothing_harms_nothing(server: LoopbackSshd) -> None:
    with connect(parse_address(server.address)) as connection:
        assert connection.run("exit 3", (b"x" * 65536 for _ in range(100))).code == 3


def test_the_host_is_always_checked() -> None:
    assert not any("hostkey" in name.lower() or "knownhosts" in name.lower() for name in OPTIONS)
    assert "BatchMode=yes" in ssh_command()


def test_a_lost_connection_is_no_answer(server: LoopbackSshd) -> None:
    with connect(parse_address(server.address)) as connection:
        threading.Timer(0.3, server.cut).start()
        with pytest.raises(ConnectionLostError, match=r"connection to 127\.0\.0\.1 was lost.*run again"):
            connection.run("sleep 20")


def test_an_unknown_host_key_is_to_be_compared(
    server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_config(server, monkeypatch, tmp_path / "config", str(server.known_hosts), str(tmp_path / "none"))
    found = refusal(parse_address(server.address))
    assert f"not in your known_hosts: log in once with `ssh -p {server.port} 127.0.0.1`, and compare" in found


def test_a_changed_host_key_shows_the_fingerprint_and_how_to_check_it(
    server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "known_hosts"
    kind, key = (server.folder / "client_key.pub").read_text().split()[:2]
    other.write_text(f"[127.0.0.1]:{server.port} {kind} {key}\n")
    with_config(server, monkeypatch, tmp_path / "config", str(server.known_hosts), str(other))
    found = refusal(parse_address(server.address))
    shown = subprocess.run(["ssh-keygen", "-lf", server.folder / "host_key.pub"], capture_output=True, text=True)
    assert shown.stdout.split()[1] in found
    assert "may be another machine: compare with `ssh-keygen -lf" in found
    assert f"only if it was set up anew and they agree, `ssh-keygen -R '[127.0.0.1]:{server.port}'`" in found


def test_a_login_that_wants_a_password_says_how_to_give_it_a_key(
    server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_config(server, monkeypatch, tmp_path / "config", "client_key", "no_key")
    found = refusal(parse_address(server.address))
    assert "refused the login (Permission denied (publickey,password))" in found
    assert f"`ssh-copy-id -p {server.port} 127.0.0.1`" in found
    assert "`ssh-add`" in found
    assert "refused the login" in refusal(SshAddress("127.0.0.1", "no-such-user", server.port))


def test_nothing_at_the_port_and_no_such_name_are_told_apart() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert f"nothing answers at port {port} of 127.0.0.1" in refusal(SshAddress("127.0.0.1", port=port))
    assert "no machine is known as 'no-such-board.invalid'" in refusal(SshAddress("no-such-board.invalid"))


def test_a_board_that_accepts_and_says_nothing_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPTIONS, "ConnectTimeout", "1")
    with socket.socket() as asleep:
        asleep.bind(("127.0.0.1", 0))
        asleep.listen()
        found = refusal(SshAddress("127.0.0.1", port=asleep.getsockname()[1]))
    assert "cannot be reached (Connection timed out during banner exchange): see that it is on, awake" in found


def test_another_server_at_the_port_is_no_ssh_server() -> None:
    with socket.socket() as web:
        web.bind(("127.0.0.1", 0))
        web.listen()
        threading.Thread(target=lambda: web.accept()[0].close(), daemon=True).start()
        found = refusal(SshAddress("127.0.0.1", port=web.getsockname()[1]))
    assert "closed the connection before a login" in found
    assert "see that an SSH server is at that port" in found


def test_a_broken_configuration_is_said_in_the_words_of_ssh(
    server: LoopbackSshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_config(server, monkeypatch, tmp_path / "config", "IdentitiesOnly", "IdentitiesSometimes")
    assert "terminating, 1 bad configuration options" in refusal(parse_address(server.address))


def test_a_machine_without_ssh_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no `ssh`: install OpenSSH's client" in refusal(SshAddress("board"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ssh: connect to host b port 22: No route to host", "cannot be reached"),
        ("ssh: connect to host b port 22: Network is unreachable", "cannot be reached"),
        ("Received disconnect from b port 22:2: Too many authentication failures", "refused the login"),
        ("Unable to negotiate with b port 22: no matching host key type found. Their offer: ssh-rsa", "ssh-rsa"),
        ("something new in a later ssh", "something new in a later ssh"),
        ("", "no reason given"),
    ],
)
def test_words_that_no_server_here_says_are_understood(words: str, expected: str) -> None:
    assert expected in str(explain(words, SshAddress("b")))


def test_the_login_ends_with_the_block(server: LoopbackSshd) -> None:
    with connect(parse_address(server.address)):
        pass
    until = time.monotonic() + 5
    while server.sessions() and time.monotonic() < until:
        time.sleep(0.02)
    assert not server.sessions()
