"""A real OpenSSH server on a free port of the loopback, for tests of the SSH target.

It runs as the user who runs the tests, with keys, known_hosts and a home folder of its own; `client_config` is what
`ssh -F` reads. `cut` ends the sessions as a lost network would. Left out: passwords that work, other users.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SEPARATION = Path("/run/sshd")
"""Where OpenSSH's server, started by root, keeps its unprivileged part; packages make it when they start the server."""
SYSTEM_PATH = "/usr/bin:/bin"


@dataclass(frozen=True)
class LoopbackSshd:
    """A running server. `home` is the logins' $HOME."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"ssh://127.0.0.1:{self.port}"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def client_config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def sessions(self) -> list[psutil.Process]:
        """The server's processes of each login."""
        return psutil.Process(self.process.pid).children()

    def cut(self) -> None:
        """Ends all sessions at once, without a word to the clients."""
        for session in self.sessions():
            with suppress(psutil.NoSuchProcess):  # it ends by itself
                for process in (*session.children(), session):
                    if process.name().startswith("sshd"):
                        process.kill()


def why_not() -> str | None:
    """Why there can be no server here; None when there can."""
    if SSHD is None or shutil.which("ssh") is None:
        return "no OpenSSH client and server"
    if os.geteuid() == 0 and not SEPARATION.is_dir():
        try:
            SEPARATION.mkdir(mode=0o755, parents=True)
        except OSError as error:
            return f"{SEPARATION} cannot be made ({error.strerror})"
    return None


@contextmanager
def loopback_sshd(
    folder: Path, path: str = SYSTEM_PATH, variables: Mapping[str, str] | None = None, lines: Sequence[str] = (),
    wrapped: Sequence[str] = (),
) -> Iterator[LoopbackSshd]:  # fmt: skip
    """A server until the end of the block. Its logins have `path` as PATH and these environment variables; `lines` go
    to its configuration, `wrapped` is a command that starts it (such as `unshare`)."""
    (folder / "home").mkdir(exist_ok=True)
    port = _free_port()
    _make_keys(folder, port)
    _write_configurations(folder, port, {"HOME": str(folder / "home"), "PATH": path, **(variables or {})}, lines)
    with (folder / "log").open("wb") as log:
        command = [*wrapped, str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]  # the path must be absolute
        process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
    server = LoopbackSshd(folder, port, process)
    try:
        _wait_until_it_listens(server)
        yield server
    finally:
        if process.poll() is None:
            server.cut()
        process.terminate()
        process.wait()


def _make_keys(folder: Path, port: int) -> None:
    for name in ("host_key", "client_key"):
        if not (folder / name).exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized_keys").write_text((folder / "client_key.pub").read_text())
    kind, key = (folder / "host_key.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")


def _write_configurations(folder: Path, port: int, variables: Mapping[str, str], lines: Sequence[str]) -> None:
    environment = " ".join(f'"{name}={value}"' for name, value in variables.items())
    (folder / "sshd_config").write_text(
        "\n".join(
            (
                f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {folder / 'host_key'}", "PidFile none",
                f"AuthorizedKeysFile {folder / 'authorized_keys'}", "PasswordAuthentication yes", "UsePAM no",
                "KbdInteractiveAuthentication no", "StrictModes no", "PermitRootLogin yes", f"SetEnv {environment}",
                *lines, "",
            )
        )
    )  # fmt: skip
    (folder / "ssh_config").write_text(
        f"Host *\n User {getpass.getuser()}\n IdentityFile {folder / 'client_key'}\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {folder / 'known_hosts'}\n GlobalKnownHostsFile /dev/null\n"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_listens(server: LoopbackSshd) -> None:
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                return
        if server.process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"sshd does not listen: {server.log}")


def python_path() -> str:
    """A PATH on which python3 is the one that runs the tests."""
    return f"{Path(sys.executable).parent}:{SYSTEM_PATH}"
