"""One login on a board through the system's `ssh`, shared by all commands.

ssh reads the user's ~/.ssh/config and known_hosts as ever, and checks the host's key as the user set it; it may not
ask anything (BatchMode). The first process of ssh logs in and holds the connection, later ones go through its socket in
a private folder, which takes milliseconds instead of a login each. The environment variable PENJING_SSH_CONFIG names a
file to be read in place of ~/.ssh/config. Left out: Windows, whose ssh cannot share a connection.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ...runtime.errors import TargetError
from .address import SshAddress
from .ssh_errors import INSTALL, explain, lost

CONFIG = "PENJING_SSH_CONFIG"
CONNECT_SECONDS = 10
LOGIN_SECONDS = 60
"""For a board that accepts the connection and then says nothing."""
OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",  # or a user's QUIET would hide why a login fails
    "ClearAllForwardings": "yes",
    "ControlPersist": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
}
FAILED = 255
"""ssh's own exit code; ours on the far side never is."""
LONGEST_SOCKET = 90
"""Characters of a socket's path that systems allow, less what ssh adds while it makes one."""


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    out: str
    err: str
    code: int


@dataclass(frozen=True)
class Connection:
    """A login that is there; made by `connect`. `folder` is private and holds the socket."""

    address: SshAddress
    folder: Path

    def run(self, command: str, chunks: Iterable[bytes] = ()) -> Answer:
        """Runs a command with `chunks` on its stdin. Raises ConnectionLostError when ssh itself fails.

        The login shell reads `command`, and shells differ: quote with `shlex`, use no variables.
        """
        with self.start(command) as process:
            assert process.stdin is not None and process.stdout is not None
            with suppress(BrokenPipeError):  # its answer says why it reads no more
                for chunk in chunks:
                    process.stdin.write(chunk)
                process.stdin.close()
            return self.finish(process, process.stdout.read().decode(errors="replace"))

    @contextmanager
    def start(self, command: str) -> Iterator[subprocess.Popen[bytes]]:
        """The running command with pipes to its stdin and stdout; ended on leaving. Its stderr is in a file."""
        with self._errors.open("wb") as err:
            process = subprocess.Popen(
                [*ssh_command(), "-S", str(self._socket), *self.address.options, command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, env=environment(),
            )  # fmt: skip
        with ended(process):
            yield process

    def finish(self, process: subprocess.Popen[bytes], out: str = "") -> Answer:
        """Waits for a command of `start`. Raises ConnectionLostError when ssh failed."""
        code = process.wait()
        err = _read(self._errors)
        if code == FAILED or code < 0:
            raise lost(err or _read(self._words), self.address)
        return Answer(out, err, code)

    @property
    def _socket(self) -> Path:
        return self.folder / "s"

    @property
    def _errors(self) -> Path:
        return self.folder / "stderr"

    @property
    def _words(self) -> Path:
        return self.folder / "login"


@contextmanager
def connect(address: SshAddress) -> Iterator[Connection]:
    """A login at the address until the end of the block. Raises TargetError that says why there is none."""
    if shutil.which("ssh") is None:
        raise TargetError(f"{address.host} cannot be reached: this machine has no `ssh`: {INSTALL}")
    with _private_folder() as folder:
        connection = Connection(address, folder)
        with connection._words.open("wb") as err:
            # `cat` keeps the login until its stdin closes, which it does even if this process is killed.
            master = subprocess.Popen(
                [*ssh_command(), "-M", "-S", str(connection._socket), *address.options, "cat"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=err, env=environment(),
            )  # fmt: skip
        with ended(master):
            if reason := _wait_for_login(master, connection._socket):
                raise explain(_read(connection._words) or reason, address)
            yield connection


def ssh_command() -> list[str]:
    """`ssh` with everything but where to and what."""
    config = os.environ.get(CONFIG)
    options = [part for name, value in OPTIONS.items() for part in ("-o", f"{name}={value}")]
    return ["ssh", *(["-F", config] if config else []), "-T", *options]


def environment() -> dict[str, str]:
    """Ours, with ssh's messages in English for `ssh_errors.py`."""
    return {**os.environ, "LC_ALL": "C"}


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Sees that the process and its pipes are gone after the block."""
    try:
        yield
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Readable by this user alone. In /tmp where the user's own temporary folder has too long a path for a socket."""
    place = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(prefix="pj", dir="/tmp" if len(place) > LONGEST_SOCKET - 30 else None) as folder:
        yield Path(folder)


def _wait_for_login(master: subprocess.Popen[bytes], socket: Path) -> str | None:
    """None once the socket is there; a reason when the process ended or takes too long."""
    until = time.monotonic() + LOGIN_SECONDS
    while not socket.exists():
        if master.poll() is not None:
            return f"exit code {master.returncode}"
        if time.monotonic() > until:
            return f"timed out: no login in {LOGIN_SECONDS} s"
        time.sleep(0.01)
    return None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
