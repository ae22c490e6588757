"""A phone for tests: an adb daemon in this process that the real `adb connect/devices/push/shell/pull` talks to.

Commands run in a folder of their own, directly on this machine: /data, /sdcard, /sys and /system in them are the
folder's, and `getprop`, `dumpsys` and `df` are small scripts in its `bin`. Or they run on a board of another processor
(`arm64_board.py`), after the words of `enter`. What a bad phone does is a `Behaviour`. The protocol is adb's own over
TCP, as far as these four commands need it. Left out: encryption, compression, file lists.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from arm64_board import arm64_board

from penjing.benchmarks.native_runner import build_runner, find_header
from penjing.runtime.errors import TargetError

HERE = importlib.util.find_spec("onnxruntime").submodule_search_locations or ()  # type: ignore[union-attr]
LIBRARIES = [path for folder in HERE for path in Path(folder).glob("capi/libonnxruntime.so*")]
CNXN, OPEN, OKAY, CLSE, WRTE, AUTH = (
    struct.unpack("<I", word)[0] for word in (b"CNXN", b"OPEN", b"OKAY", b"CLSE", b"WRTE", b"AUTH")
)
VERSION, MOST_BYTES = 0x01000000, 256 * 1024
TOKEN = 1
BANNER = b"device::ro.product.name=stand_in;ro.product.model=Stand-in;ro.product.device=stand_in;features=shell_v2,cmd"
STDOUT, STDERR, EXIT = 1, 2, 3
EMULATOR_PORTS = range(5555, 5586)
"""adb lists what listens there a second time, as an emulator."""
PROPERTIES = {
    "ro.soc.manufacturer": "Penjing",
    "ro.soc.model": "PJ1",
    "ro.product.model": "Stand-in 1",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
}
BATTERY = "Current Battery Service state:\n  AC powered: false\n  level: 81\n  temperature: 294"
GETPROP = '#!/bin/sh\ngrep "^$1=" "$(dirname "$0")/properties" | cut -d= -f2-\n'
BOARD_BIN = "/phone"
DUMPSYS = '#!/bin/sh\ncat "$(dirname "$0")/dumpsys.$1"\n'


@dataclass
class Behaviour:
    """`refuses` every key, is `full` for files, ends the connection in the middle of a
    command that holds `drops_at` (the n-th such) or after `drops_after` bytes of files, and answers garbage to one that
    holds `babbles_at`; `dies_at` ends a command with `dies_with` instead of running it."""

    refuses: bool = False
    full: bool = False
    drops_at: str | None = None
    drops_nth: int = 1
    drops_after: int | None = None
    babbles_at: str | None = None
    dies_at: str | None = None
    dies_with: int = 132


@dataclass
class Phone:
    """The folder that is its storage, what it says of itself, and how it misbehaves; `enter` leads to a board."""

    root: Path
    abis: str = "x86_64"
    enter: Sequence[str] = ()
    behaviour: Behaviour = field(default_factory=Behaviour)
    commands: list[str] = field(default_factory=list)
    pushed: list[str] = field(default_factory=list)

    def furnish(self) -> None:
        """Makes the folders and the scripts."""
        for folder in ("bin", "data/local/tmp", "sys/class/thermal/thermal_zone0"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        for name, text in (("getprop", GETPROP), ("dumpsys", DUMPSYS)):
            self.script(name, text)
        lines = {**PROPERTIES, "ro.product.cpu.abilist": self.abis}
        self.write("bin/properties", "".join(f"{name}={value}\n" for name, value in lines.items()))
        self.write("bin/dumpsys.battery", BATTERY)
        self.write("bin/dumpsys.thermalservice", "IsStatusOverride: false\nThermal Status: 0")
        self.write("bin/dumpsys.power", "  mWakefulness=Awake")
        self.write("sys/class/thermal/thermal_zone0/temp", "41500")

    def write(self, name: str, text: str) -> None:
        """A file under the root."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text + "\n")

    def script(self, name: str, text: str) -> None:
        """A program that the shell finds first."""
        self.write(f"bin/{name}", text)
        (self.root / "bin" / name).chmod(0o755)

    def path(self, name: str) -> Path:
        """Where the phone's absolute path is on this machine; never outside the root."""
        return self.root / os.path.normpath("/" + name).lstrip("/")

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Runs a command line of the phone's shell."""
        if self.enter:
            return _pipes([*self.enter, "/bin/sh", "-c", f"PATH={BOARD_BIN}:$PATH; {command}"], self.root, {})
        here = re.sub(r"(?<![\w/.-])/(data|sdcard|sys|system)\b", rf"{shlex.quote(str(self.root))}/\1", command)
        if (self.root / "proc/cpuinfo").is_file():
            here = here.replace("/proc/cpuinfo", shlex.quote(str(self.root / "proc/cpuinfo")))
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        return _pipes(["/bin/sh", "-c", here], self.root, {"PATH": path, "HOME": str(self.root)})


def _pipes(words: Sequence[str], where: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words, cwd=where, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


@contextmanager
def phone_on_board(root: Path) -> Iterator[Phone]:
    """A phone whose programs really are aarch64, until the end of the block."""
    with arm64_board(root, {"/data": root / "data", BOARD_BIN: root / "bin"}) as board:
        yield Phone(root, abis="arm64-v8a", enter=board.enter)


@contextmanager
def own_adb_server(home: Path, **variables: str) -> Iterator[None]:
    """An adb server of the tests' own, with its keys in `home`; `variables` go to the environment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"ANDROID_ADB_SERVER_PORT": str(port), "HOME": str(home), **variables}.items():
            patch.setenv(name, value)
        patch.delenv("ANDROID_SERIAL", raising=False)
        yield
        subprocess.run(["adb", "kill-server"], check=False, capture_output=True)


class AdbStandIn:
    """Listens on a free port of this machine for `adb connect`; a context manager."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        phone.furnish()
        self._listener = _listen()
        self.serial = f"127.0.0.1:{self._listener.getsockname()[1]}"
        """What `adb connect` wants."""
        self._connections: list[_Connection] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> AdbStandIn:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Nothing answers any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # a close alone would leave the accept that waits
        self._listener.close()
        for connection in self._connections:
            connection.drop()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                connected, _ = self._listener.accept()
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections.append(_Connection(connected, self.phone))
                threading.Thread(target=self._connections[-1].serve, daemon=True).start()


def _listen() -> socket.socket:
    """A free port that adb does not take for an emulator's."""
    while True:
        listener = socket.create_server(("127.0.0.1", 0))
        if listener.getsockname()[1] not in EMULATOR_PORTS:
            return listener
        listener.close()


class _Connection:
    """Packets to and from one adb server, and the streams that they belong to."""

    def __init__(self, connected: socket.socket, phone: Phone) -> None:
        self.phone = phone
        self._socket = connected
        self._sending = threading.Lock()
        self._streams: dict[int, _Stream] = {}
        self._times_dropped = 0

    def serve(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                command, first, second, length, _, _ = struct.unpack("<6I", self._receive(24))
                self._handle(command, first, second, self._receive(length))

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        head = struct.pack("<6I", command, first, second, len(data), sum(data) & 0xFFFFFFFF, command ^ 0xFFFFFFFF)
        with self._sending:
            self._socket.sendall(head + data)

    def drop(self) -> None:
        """As if the cable had been pulled."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for stream in list(self._streams.values()):
            stream.put(None)

    def drops_now(self, command: str) -> bool:
        """Whether this command is the one in which the connection is lost."""
        wanted = self.phone.behaviour
        if wanted.drops_at is None or wanted.drops_at not in command:
            return False
        wanted.drops_nth -= 1
        return wanted.drops_nth == 0

    def _handle(self, command: int, first: int, second: int, data: bytes) -> None:
        if (command == CNXN and self.phone.behaviour.refuses) or command == AUTH:
            self.send(AUTH, TOKEN, 0, os.urandom(20))
        elif command == CNXN:
            self.send(CNXN, VERSION, MOST_BYTES, BANNER)
        elif command == OPEN:
            stream = _Stream(self, len(self._streams) + 1, first)
            self._streams[stream.own] = stream
            self.send(OKAY, stream.own, first)
            service = data.rstrip(b"\0").decode()
            threading.Thread(target=stream.serve, args=(service,), daemon=True).start()
        elif command == WRTE and second in self._streams:
            self._streams[second].put(data)
            self.send(OKAY, second, first)
        elif command == OKAY and second in self._streams:
            self._streams[second].taken.release()
        elif command == CLSE and second in self._streams:
            self._streams[second].put(None)

    def _receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self._socket.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data


class _Stream:
    """One service that adb opened: a shell command, or the copying of files."""

    def __init__(self, connection: _Connection, own: int, peer: int) -> None:
        self.own = own
        self.taken = threading.Semaphore(0)
        self._connection, self._peer = connection, peer
        self._phone = connection.phone
        self._data, self._ended, self._more = bytearray(), False, threading.Condition()

    def put(self, data: bytes | None) -> None:
        """What adb sent; None: no more."""
        with self._more:
            if data is None:
                self._ended = True
                self.taken.release()
            else:
                self._data += data
            self._more.notify()

    def serve(self, service: str) -> None:
        with suppress(EOFError, OSError):
            if service.startswith("sync:"):
                self._sync()
            elif service.startswith("shell"):
                kind, _, command = service.partition(":")
                self._shell(command, ",v2" in kind)
            self._connection.send(CLSE, self.own, self._peer)

    def _shell(self, command: str, framed: bool) -> None:
        self._phone.commands.append(command)
        out, err, code = self._run(command)
        if not framed:
            self._write(out + err)
            return
        for kind, data in ((STDOUT, out), (STDERR, err)):
            if data:
                self._write(struct.pack("<BI", kind, len(data)) + data)
        self._write(struct.pack("<BIB", EXIT, 1, code & 255))

    def _run(self, command: str) -> tuple[bytes, bytes, int]:
        behaviour = self._phone.behaviour
        if behaviour.dies_at is not None and behaviour.dies_at in command:
            command = f"sh -c 'exit {behaviour.dies_with}'; {command.rpartition('); ')[2]}"
        process = self._phone.start(command)
        if self._connection.drops_now(command):
            process.kill()
            process.communicate()
            self._connection.drop()
            raise EOFError
        out, err = process.communicate()
        if behaviour.babbles_at is not None and behaviour.babbles_at in command:
            out = bytes(range(33, 250)) + b"\n" + out.rpartition(b"\n\n")[2].join([b"\n", b""])
        return out, err, process.returncode

    def _sync(self) -> None:
        while True:
            kind, length = struct.unpack("<4sI", self._read(8))
            name = self._read(length).decode() if kind != b"QUIT" else ""
            if kind == b"QUIT":
                return
            {b"STAT": self._stat, b"SEND": self._send, b"RECV": self._receive}[kind](name)

    def _stat(self, name: str) -> None:
        try:
            told = self._phone.path(name).stat()
            self._write(struct.pack("<4sIII", b"STAT", told.st_mode, told.st_size, int(told.st_mtime)))
        except OSError:
            self._write(struct.pack("<4sIII", b"STAT", 0, 0, 0))

    def _send(self, name_and_mode: str) -> None:
        """adb push: the file's blocks, then its time."""
        name, _, mode = name_and_mode.rpartition(",")
        behaviour, blocks = self._phone.behaviour, bytearray()
        while True:
            kind, length = struct.unpack("<4sI", self._read(8))
            if kind == b"DONE":
                break
            blocks += self._read(length)
            if behaviour.drops_after is not None and len(blocks) > behaviour.drops_after:
                self._connection.drop()
                raise EOFError
        if behaviour.full:
            self._fail("write failed: No space left on device")
            return
        path = self._phone.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blocks)
        path.chmod(int(mode) & 0o777)
        self._phone.pushed.append(name)
        self._write(struct.pack("<4sI", b"OKAY", 0))

    def _receive(self, name: str) -> None:
        """adb pull."""
        try:
            content = self._phone.path(name).read_bytes()
        except OSError as error:
            self._fail(str(error.strerror))
            return
        for start in range(0, len(content), 1 << 16):
            block = content[start : start + (1 << 16)]
            self._write(struct.pack("<4sI", b"DATA", len(block)) + block)
        self._write(struct.pack("<4sI", b"DONE", 0))

    def _fail(self, reason: str) -> None:
        self._write(struct.pack("<4sI", b"FAIL", len(reason)) + reason.encode())

    def _read(self, length: int) -> bytes:
        with self._more:
            while len(self._data) < length:
                if self._ended:
                    raise EOFError
                self._more.wait()
            data = bytes(self._data[:length])
            del self._data[:length]
        return data

    def _write(self, data: bytes) -> None:
        """Each packet waits until the one before it has been taken."""
        for start in range(0, len(data), 1 << 16):
            self._connection.send(WRTE, self.own, self._peer, data[start : start + (1 << 16)])
            self.taken.acquire()
            if self._ended:
                raise EOFError


def why_no_phone() -> str | None:
    """What a phone for tests needs and this machine lacks; None when nothing."""
    if absent := [name for name in ("adb", "gcc") if not shutil.which(name)]:
        return f"no {absent[0]}"
    try:
        find_header()
    except TargetError as error:
        return str(error)
    return None if LIBRARIES else "no libonnxruntime.so in the wheel"


def write_engine(folder: Path) -> Path:
    """An engine and a runner for phones of this machine's kind in `folder`, as an unpacked AAR has them."""
    place = folder / "jni" / "x86_64"
    place.mkdir(parents=True)
    (place / "libonnxruntime.so").symlink_to(LIBRARIES[0])
    build_runner("gcc", find_header(), place / "penjing_runner")
    return folder
