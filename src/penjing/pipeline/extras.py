"""Which installed packages the extras of setup.cfg need, and how to get those that are missing.

Read from the metadata of the installed package, so that setup.cfg stays the only list. Left out: whether a version is
recent enough; pip sees to that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from ..runtime.errors import PenjingError

BASE = "base"
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)[^;]*(?:;.*extra\s*==\s*['\"](?P<extra>\w+)['\"])?")
MODULES_OF_OTHER_NAMES = {"yaml": "pyyaml"}


@dataclass(frozen=True)
class Requirement:
    """A package that `extra` ("base": the plain install) needs; `installed` is its version, None when missing."""

    package: str
    extra: str
    installed: str | None


def requirements() -> tuple[Requirement, ...]:
    """All of them, base first, in the order of setup.cfg. Raises PenjingError when Penjing itself is not installed."""
    try:
        lines = requires("penjing") or []
    except PackageNotFoundError:
        raise PenjingError("penjing is not installed, only on the path: pip install -e . in its repository") from None
    matches = [match for line in lines if (match := REQUIREMENT.match(line))]
    return tuple(Requirement(m["name"], m["extra"] or BASE, installed_version(m["name"])) for m in matches)


def require(*extras: str) -> None:
    """Raises PenjingError that says what to install unless every package of `extras` is there."""
    missing = [r for r in requirements() if r.extra in extras and r.installed is None]
    if missing:
        needed = [extra for extra in extras if any(r.extra == extra for r in missing)]
        names = ", ".join(dict.fromkeys(r.package for r in missing))
        raise PenjingError(f"this command needs {names}: {install_line(*needed)}")


def extra_of_module(module: str) -> str | None:
    """The extra that brings the module of an ImportError, None when none does."""
    root = module.partition(".")[0]
    package = MODULES_OF_OTHER_NAMES.get(root, root.replace("_", "-")).lower()
    found = (r.extra for r in requirements() if r.package.lower() == package)
    return next(found, None)


def install_line(*extras: str) -> str:
    """The command that installs these extras."""
    wanted = ",".join(extra for extra in extras if extra != BASE)
    return f"pip install 'penjing[{wanted}]'" if wanted else "pip install penjing"


def installed_version(package: str) -> str | None:
    """The version of an installed package, None when it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
