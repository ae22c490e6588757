"""Files to a phone: what is there already, by its hash, is not sent again.

Where nobody says another place, each goes into a folder named by its hash and stays in /data/local/tmp/penjing, which
programs may be started from; `adb shell rm -r` of it frees the space. Left out: removing them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...runtime.bundle import sha256_of
from ...runtime.errors import TargetError
from .adb_client import LONG_SECONDS, Device

BASE = "/data/local/tmp/penjing"
SPARE_BYTES = 8_000_000
"""Left free beside what is sent, for the device's own use."""


@dataclass(frozen=True)
class _Sent:
    file: Path
    sha256: str
    place: str


def send_files(device: Device, files: Sequence[Path]) -> Mapping[Path, str]:
    """Where each file is on the device afterwards. Raises TargetError when they do not fit or arrive changed."""
    hashes = {file: sha256_of(file) for file in files}
    sent = [_Sent(file, sha256, f"{BASE}/{sha256[:16]}/{file.name}") for file, sha256 in hashes.items()]
    _send(device, sent)
    return {one.file: one.place for one in sent}


def send_folder(device: Device, folder: Path, names: Sequence[str], place: str) -> None:
    """The named files of the folder to the same names in `place`, the last one last. Raises as `send_files`."""
    _send(device, [_Sent(folder / name, sha256_of(folder / name), f"{place}/{name}") for name in names])


def _send(device: Device, sent: Sequence[_Sent]) -> None:
    missing = _missing(device, list({one.place: one for one in sent}.values()))
    if not missing:
        return
    _check_space(device, missing)
    folders = list(dict.fromkeys(one.place.rpartition("/")[0] for one in missing))
    made = device.shell(f"mkdir -p {shlex.join(folders)}")
    if made.code:
        raise TargetError(f"{device.serial}: {folders[0]} cannot be made ({made.err.strip()}): free space on it")
    for one in missing:
        device.push(one.file, one.place)
    if changed := _missing(device, missing):
        raise TargetError(f"{device.serial}: {changed[0].file.name} arrived changed: run again, try another cable")


def _missing(device: Device, files: Sequence[_Sent]) -> list[_Sent]:
    """Those that the device has not, or not whole."""
    said = device.shell(f"sha256sum {shlex.join(one.place for one in files)} 2>/dev/null", LONG_SECONDS).out
    there = [line.split(None, 1) for line in said.splitlines()]
    whole = [(words[0], words[1].strip()) for words in there if len(words) == 2]
    return [one for one in files if not any(hash == one.sha256 and at.endswith(one.place) for hash, at in whole)]


def _check_space(device: Device, files: Sequence[_Sent]) -> None:
    needed = sum(one.file.stat().st_size for one in files) + SPARE_BYTES
    found = re.search(r"\s(\d+)\s+\d+%\s", device.shell("df -Pk /data/local/tmp").out)
    if found and int(found[1]) * 1024 < needed:
        free = int(found[1]) * 1024 / 1e6
        raise TargetError(f"{device.serial} has {free:.0f} MB free, {needed / 1e6:.0f} MB are needed: free space on it")
