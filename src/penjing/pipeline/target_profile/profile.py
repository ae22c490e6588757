"""A profile: what models cost on one device, as coefficients and the measurements behind them, in one JSON file.

Left out: making one (`make.py`) and using it (`predict.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...benchmarks.cache import cache_folder
from ...benchmarks.plain import from_plain, to_plain
from ...runtime.errors import OutputError, TargetError
from .fit import Fit
from .rows import Place

SCHEMA_VERSION = 2
Unit = Literal["ms", "instructions"]


@dataclass(frozen=True)
class Measured:
    """One student at one length: `value` in the profile's unit, the least of the rounds."""

    place: Place
    value: float


@dataclass(frozen=True)
class Profile:
    """`fits` has one model for each of `kinds` measured, such as "onnx int8"; all on one thread, batch 1.

    `device` is the processor's or the emulated core's name, `versions` are those of the engines, `lengths` the shortest
    and the longest text that was measured, in tokens. An emulated core's unit is "instructions", never time.
    """

    target: str
    unit: Unit
    device: str
    versions: Mapping[str, str]
    started: str
    lengths: tuple[int, int]
    fits: Mapping[str, Fit]
    measured: tuple[Measured, ...]
    schema_version: int = SCHEMA_VERSION


def kind_of(engine: str, precision: str) -> str:
    """The key of a profile's fits."""
    return f"{engine} {precision}"


def profile_path(target: str) -> Path:
    """Where `penjing target profile` keeps the profile of a target if it is not told."""
    return profiles_folder() / f"{''.join(c if c.isalnum() or c in '-._@' else '-' for c in target)}.json"


def profiles_folder() -> Path:
    """Of this user. Not made here."""
    return cache_folder() / "profiles"


def write_profile(profile: Profile, path: Path) -> None:
    """Whole or not at all. Raises OutputError when the folder cannot be written."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(to_plain(profile), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): name another place with --out") from None


def read_profile(target_or_path: str) -> Profile:
    """The profile of a target's name, or of a JSON file. Raises TargetError when there is none or it is broken."""
    given = Path(target_or_path)
    path = given if given.suffix == ".json" else profile_path(target_or_path)
    step = f"penjing target profile {'TARGET' if given.suffix == '.json' else target_or_path}"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise TargetError(f"no profile of {target_or_path!r}{_known()}: measure one with `{step}`") from None
    except (ValueError, RecursionError) as error:
        raise TargetError(f"{path} is no profile ({str(error)[:80]}): measure it again with `{step}`") from None
    return _parse(raw, path, step)


def _parse(raw: Any, path: Path, step: str) -> Profile:
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise TargetError(
            f"{path} has schema version {version!r}, this Penjing reads {SCHEMA_VERSION}: measure it with `{step}`"
        )
    try:
        return from_plain(Profile, raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {str(error)[:80]}"
        raise TargetError(f"{path} is a broken profile ({reason}): measure it again with `{step}`") from None


def _known() -> str:
    folder = profiles_folder()
    names = sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []
    return f" (there are {', '.join(names)})" if names else ""
