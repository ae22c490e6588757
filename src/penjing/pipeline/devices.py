"""The user's devices by name: a small `targets.yaml`, one `name: address` a line. Left out: measuring on them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..runtime.errors import DataError, TargetError

DEVICES_FILE = Path("targets.yaml")
"""Looked for in the folder where the command is started."""
NAME = re.compile(r"[\w.-]+")


def read_devices(path: Path) -> dict[str, str]:
    """Name -> address. Raises DataError when the file cannot be read or holds anything else."""
    import yaml

    example = "give one `name: address` a line, such as `pi4: ssh://pi@192.168.1.7`"
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): {example}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no YAML ({str(error).splitlines()[0]}): {example}") from None
    if not isinstance(raw, dict) or not raw:
        raise DataError(f"{path} names no device: {example}")
    for name, address in raw.items():
        if not isinstance(name, str) or not NAME.fullmatch(name) or not isinstance(address, str):
            raise DataError(f"{path}: {name!r}: {address!r} is no device: {example}")
    return raw


def chosen_targets(targets: Sequence[str], devices: Path | None) -> dict[str, str]:
    """Name -> address of what is to be measured, in order: the targets, else all of the file `devices`, else local.

    A target is an address or a name in `devices` (without it, in ./targets.yaml). Raises DataError as `read_devices`,
    TargetError for a name that is nowhere.
    """
    file = devices or (DEVICES_FILE if DEVICES_FILE.is_file() else None)
    if not targets:
        return read_devices(devices) if devices else {"local": "local"}
    unnamed = [target for target in targets if not _is_address(target)]
    known = read_devices(file) if file and unnamed else {}
    return {target: _address(target, known, file) for target in targets}


def _is_address(target: str) -> bool:
    return target == "local" or target.startswith("qemu:") or "://" in target


def _address(target: str, known: Mapping[str, str], file: Path | None) -> str:
    if _is_address(target):
        return target
    if target in known:
        return known[target]
    from ..benchmarks.targets import KNOWN

    where = f"{file} has {', '.join(known)}" if file else f"there is no {DEVICES_FILE} here that names devices"
    raise TargetError(f"no target {target!r}: give one of {KNOWN}, or a device's name; {where}")
