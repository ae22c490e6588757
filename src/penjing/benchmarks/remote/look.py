"""What is on the board: one command that needs nothing there but `sh`.

It asks for the machine, the folder we may work in and the room there, every Python with the packages that we would use,
and what the processor says of itself. Left out: what changes while we measure (`sensors.py`, on the board).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ...runtime.errors import TargetError
from ..last_line import last_line
from ..processor import ENGINES_NEED
from .connection import Connection
from .porter import disk_full, marked

MARK = "penjing-look "
DISTRIBUTIONS = ("numpy", "tokenizers", "onnxruntime", "ai-edge-litert", "psutil", "tqdm")
"""What a board's Python may need, as PyPI names it."""
# Stands between single quotes of the shell: none inside.
_PROBE = f"""
import json, sys, sysconfig
try:
    from importlib.metadata import version, PackageNotFoundError
except ImportError:
    version = None
found = dict()
for name in "{" ".join(DISTRIBUTIONS)}".split() if version else ():
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps([sys.version_info[:3], sysconfig.get_platform(), found]))
"""
_SCRIPT = f"""
say() {{ printf '\\n{MARK}%s %s\\n' "$1" "$2"; }}
say system "$(uname -s)"
say machine "$(uname -m)"
work="${{XDG_CACHE_HOME:-$HOME/.cache}}/penjing"
say work "$work"
if refusal=$(mkdir -p "$work" 2>&1 && [ -w "$work" ] 2>&1); then :; else say refusal "${{refusal:-not writable}}"; fi
say room "$(df -Pk "$work" 2>/dev/null | tail -n 1)"
[ -d "$work/wheels" ] && say wheels "$work/wheels"
grep -E '^(Features|flags|Model|Hardware|vendor_id)' /proc/cpuinfo 2>/dev/null | sort -u |
  while read -r line; do say cpu "$line"; done
tried=
for python in "$work/venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
  path=$(command -v "$python" 2>/dev/null) || continue
  real=$(readlink -f "$path" 2>/dev/null)
  case "$path" in "$work"/*) ;; *) case " $tried " in *" $real "*) continue ;; esac; tried="$tried $real" ;; esac
  say python "$path $("$path" -c '{_PROBE}' 2>/dev/null </dev/null | tail -n 1)"
done
say end there
"""


@dataclass(frozen=True)
class BoardPython:
    """A Python there: its `path`, version, what pip calls its platform, and `packages` name -> version."""

    path: str
    version: tuple[int, ...]
    platform: str
    packages: dict[str, str]

    @property
    def architecture(self) -> str:
        """`aarch64`, `armv7l`, `x86_64`: a 64-bit kernel may run a 32-bit Python."""
        return self.platform.rpartition("-")[2]


@dataclass(frozen=True)
class Board:
    """`machine` as `uname -m` says it, `work` the folder there that is ours, `free_mb` the room in it (1e6 bytes).

    `pythons` are in the order of preference, our own environment first; `wheels` is a folder of wheels that the user
    put there, None without one; `features` are the processor's as the kernel spells them, `emulated` says how we know
    that the processor is an emulator, None when nothing says so.
    """

    machine: str
    work: str
    free_mb: float | None
    wheels: str | None
    pythons: tuple[BoardPython, ...]
    features: tuple[str, ...]
    emulated: str | None

    @property
    def own_python(self) -> str:
        """Where the environment is that we make."""
        return f"{self.work}/venv/bin/python"


def look(connection: Connection) -> Board:
    """Looks at the board. Raises TargetError when it answers nothing we can read, has no folder for us, or a processor
    that no engine is built for."""
    answer = connection.run("sh -s", [_SCRIPT.encode()])
    pairs = [line.split(" ", 1) for line in marked(answer.out.splitlines(), MARK)]
    said = {key: value.strip() for key, value in pairs if key not in ("cpu", "python")}
    host = connection.address.host
    if "end" not in said:
        shown, step = last_line(answer.err or answer.out), f"see what `{connection.address.by_hand} uname -a` prints"
        raise TargetError(f"{host} gave no answer we can read ({shown}): {step}")
    if "refusal" in said:
        raise _no_folder(host, said)
    processor = [value for key, value in pairs if key == "cpu"]
    board = Board(
        said["machine"], said["work"], _free_mb(said["room"]), said.get("wheels"),
        tuple(python for key, value in pairs if key == "python" for python in _python(value)),
        tuple(sorted({word for line in processor for word in _value(line, "Features", "flags").split()})),
        emulation(said["machine"], processor),
    )  # fmt: skip
    check_features(host, board.machine, processor)
    return board


def check_features(host: str, machine: str, processor: Sequence[str]) -> None:
    """Raises TargetError when the lines of /proc/cpuinfo tell that no engine runs on any file there."""
    told = [set(value.split()) for line in processor if (value := _value(line, "Features"))]
    needed = ENGINES_NEED.get(machine)
    if needed and any(needed not in features for features in told):
        raise TargetError(
            f"the processor of {host} ({machine}) lacks {needed}, which the engines are built for: no file runs on it;"
            " take another board"
        )


def emulation(machine: str, processor: list[str]) -> str | None:
    """How the lines of /proc/cpuinfo give away that `machine` is emulated; None when they do not.

    A userland for an emulator says so in its board file. One without shows the cpuinfo of the machine underneath.
    """
    named = [_value(line, "Model", "Hardware") for line in processor]
    if model := next((name for name in named if name.startswith(("emulated", "fake"))), None):
        return f"its processor calls itself {model!r}"
    if not machine.startswith(("x86", "i386", "i686")) and any(line.startswith("vendor_id") for line in processor):
        return f"it says {machine} and shows an x86 processor"
    return None


def _value(line: str, *names: str) -> str:
    name, _, value = line.partition(":")
    return value.strip() if name.strip() in names else ""


def _free_mb(line: str) -> float | None:
    """Of the last line of `df -Pk`; None when it has another form."""
    fields = line.split()
    return int(fields[3]) * 1024 / 1e6 if len(fields) >= 6 and fields[3].isdigit() else None


def _python(value: str) -> list[BoardPython]:
    """The Python of a line `path JSON`; none when it printed anything else."""
    path, bracket, rest = value.partition(" [")
    try:
        version, platform, packages = json.loads(bracket.strip() + rest)
        return [BoardPython(path, tuple(version), platform, packages)]
    except ValueError:
        return []


def _no_folder(host: str, said: dict[str, str]) -> TargetError:
    if "No space" in said["refusal"]:
        return disk_full(host)
    step = "give the login a home it can write, or set XDG_CACHE_HOME there to a folder it can"
    return TargetError(f"{host} has no folder to work in, {said['work']} ({said['refusal']}): {step}")
