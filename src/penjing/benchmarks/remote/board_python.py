"""A Python on the board that can measure: one that is there, or a virtual environment that we make.

Packages come from the board's own index, or from wheels that the user copied to ~/.cache/penjing/wheels there. Left
out: installing Python itself, and any package outside that environment.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from ...runtime.errors import TargetError
from ..last_line import last_line
from ..machine import ENGINE_PACKAGES
from ..plan import SubjectFacts
from .connection import Answer, Connection
from .look import Board, BoardPython
from .porter import disk_full

OLDEST = (3, 10)
ALWAYS = ("numpy", "tokenizers", "psutil", "tqdm")
ABIS = ("x86_64", "aarch64", "arm64", "AMD64")
"""For these the engines are published as wheels."""
NO_NETWORK = re.compile(
    "Failed to establish a new connection|Temporary failure in name resolution|Network is unreachable"
    "|Connection refused|No route to host|timed out|ConnectionError|NewConnectionError"
)


def packages_for(facts: Sequence[SubjectFacts]) -> tuple[str, ...]:
    """What a Python needs to measure these subjects, as PyPI names it."""
    return (*ALWAYS, *sorted({ENGINE_PACKAGES[subject.engine] for subject in facts}))


def ensure_python(connection: Connection, board: Board, needed: Sequence[str]) -> str:
    """The path of a Python there that has all `needed` packages. Installs them if no Python has them.

    Raises TargetError when there is no Python, no way to make an environment, no network, no wheel or no room.
    """
    host = connection.address.host
    fitting = [python for python in board.pythons if python.version >= OLDEST]
    if not fitting:
        raise _too_old(host, board)
    for python in fitting:
        if not _lacking(python, needed):
            return python.path
    own = next((python for python in fitting if python.path == board.own_python), None)
    base = own or fitting[0]
    _check_abi(host, base, _lacking(base, needed))
    if own is None:
        _make_environment(connection, board, base)
    _install(connection, board, base, _lacking(base, needed))
    return board.own_python


def _lacking(python: BoardPython, needed: Sequence[str]) -> list[str]:
    return [name for name in needed if name not in python.packages]


def _check_abi(host: str, python: BoardPython, lacking: Sequence[str]) -> None:
    engines = [name for name in lacking if name in ENGINE_PACKAGES.values()]
    if engines and python.architecture not in ABIS:
        raise TargetError(
            f"{host} runs {python.architecture} programs, and {' and '.join(engines)} {_is(engines)} published for"
            f" {', '.join(ABIS[:2])}: install a 64-bit system there, or build the engine for that Python yourself"
        )


def _make_environment(connection: Connection, board: Board, base: BoardPython) -> None:
    folder = f"{board.work}/venv"
    answer = connection.run(shlex.join([base.path, "-m", "venv", "--system-site-packages", folder]))
    if answer.code:
        raise _no_environment(connection.address.host, base, answer)


def _install(connection: Connection, board: Board, base: BoardPython, lacking: Sequence[str]) -> None:
    links = [] if board.wheels is None else ["--find-links", board.wheels]
    options = ["--no-input", "--disable-pip-version-check", "--retries", "1", "--prefer-binary", "--only-binary=:all:"]
    answer = connection.run(shlex.join([board.own_python, "-m", "pip", "install", *options, *links, *lacking]))
    if answer.code:
        raise _not_installed(connection, board, base, lacking, answer)


def _too_old(host: str, board: Board) -> TargetError:
    there = ", ".join(".".join(map(str, python.version)) for python in board.pythons) or "none"
    wanted = ".".join(map(str, OLDEST))
    return TargetError(
        f"{host} has no Python {wanted} or later (found: {there}): `sudo apt install python3 python3-venv` there, or"
        f" link another environment's folder as {board.work}/venv"
    )


def _no_environment(host: str, base: BoardPython, answer: Answer) -> TargetError:
    words = answer.out + answer.err
    if "No space left" in words:
        return disk_full(host)
    if "ensurepip" in words:
        return TargetError(f"{base.path} on {host} cannot make an environment: `sudo apt install python3-venv` there")
    return TargetError(f"{base.path} on {host} cannot make an environment ({last_line(words)}): try `-m venv` there")


def _not_installed(
    connection: Connection, board: Board, base: BoardPython, lacking: Sequence[str], answer: Answer
) -> TargetError:
    host, words, wanted = connection.address.host, answer.out + answer.err, ", ".join(lacking)
    if "No space left" in words:
        return disk_full(host)
    copy = _copy_wheels(connection, board, base, lacking)
    if NO_NETWORK.search(words):
        return TargetError(f"{host} lacks {wanted} and cannot download them: {copy}")
    if match := re.search(r"No matching distribution found for (\S+)", words):
        version = ".".join(map(str, base.version[:2]))
        return TargetError(
            f"{host} lacks {match[1]}, and its index has none for Python {version} on {base.platform}: install another"
            f" Python there, or {copy}"
        )
    return TargetError(f"{host} could not install {wanted} ({last_line(answer.err)}): {copy}")


def _copy_wheels(connection: Connection, board: Board, base: BoardPython, lacking: Sequence[str]) -> str:
    """The two commands that bring wheels to a board without network."""
    platforms = "".join(f" --platform manylinux_{glibc}_{base.architecture}" for glibc in ("2_28", "2_27", "2_17"))
    version = ".".join(map(str, base.version[:2]))
    by_hand = connection.address.by_hand
    login, port = by_hand.rpartition(" ")[2], connection.address.port
    copy = f"scp -r{f' -P {port}' if port else ''} wheels {login}:{board.work}/"
    return (
        f"on this machine `pip download --only-binary=:all:{platforms} --python-version {version} -d wheels"
        f" {' '.join(lacking)}`, then `{copy}`, and run again"
    )


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
