"""Debian packages of another architecture, fetched and unpacked without touching this machine's package database.

apt gets a private state: its own lists, an empty database, this machine's Debian mirror or the official one. Packages
are taken as named, without what they depend on: half of that would be package managers, which an emulated core does not
run. Left out: installing (no maintainer script runs), and hosts without apt.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...runtime.errors import TargetError
from ..last_line import last_line

OFFICIAL = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCES = Path("/etc/apt")
DOWNLOAD_SECONDS = 600
SHOWN = 200


@dataclass(frozen=True)
class Mirror:
    """Where packages come from, and the keyring that signs for it."""

    address: str
    keyring: Path


@dataclass(frozen=True)
class PrivateApt:
    """apt with a state of its own in `folder`; made by `open_apt`."""

    folder: Path
    options: tuple[str, ...]

    def update(self) -> None:
        """Reads the package lists. Raises TargetError when they cannot be had."""
        self._run("update", "-qq")

    def sizes(self, packages: Sequence[str]) -> dict[str, int]:
        """What each package weighs to download, in bytes. Raises TargetError for one that is unknown."""
        lines = self._run("download", "--print-uris", "-qq", *packages).splitlines()
        found = [re.match(r"'[^']*' (\S+) (\d+)", line) for line in lines]
        sizes = {match[1].split("_")[0]: int(match[2]) for match in found if match}
        if missing := [name for name in packages if name.split("/")[0] not in sizes]:
            raise TargetError(
                f"the Debian mirror has no {', '.join(missing)} for this architecture: choose another one"
            )
        return sizes

    def unpack(self, packages: Sequence[str], root: Path) -> None:
        """Downloads the packages, checked against the signed lists, and unpacks them into `root`."""
        here = self.folder / "packages"
        here.mkdir(exist_ok=True)
        self._run("download", "-qq", *packages, where=here)
        for package in sorted(here.glob("*.deb")):
            done = subprocess.run(
                ["dpkg-deb", "-x", str(package), str(root)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise TargetError(
                    f"{package.name} cannot be unpacked ({last_line(done.stderr, SHOWN)}): free some space, try again"
                )
            package.unlink()

    def _run(self, *words: str, where: Path | None = None) -> str:
        command = ["apt-get", *self.options, *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=DOWNLOAD_SECONDS,
                cwd=where or self.folder, env={**os.environ, "LC_ALL": "C"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TargetError(
                f"apt-get {words[0]} took over {DOWNLOAD_SECONDS} s: check the network, try again"
            ) from None
        if done.returncode:
            raise TargetError(
                f"apt-get {words[0]} failed ({last_line(done.stderr, SHOWN)}): check the network, and /etc/apt"
            )
        return done.stdout


def open_apt(folder: Path, suites: Sequence[str], architecture: str = "arm64") -> PrivateApt:
    """A private apt in `folder`, which must be empty. `suites` in the order of preference; the first is the default.

    Raises TargetError where the keyring of Debian's archive is missing.
    """
    mirror = find_mirror()
    if not mirror.keyring.exists():
        raise TargetError(f"no keyring {mirror.keyring}: run `sudo apt-get install debian-archive-keyring`, try again")
    for name in ("lists/partial", "cache/archives/partial", "sources"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    stanza = f"Types: deb\nURIs: {mirror.address}\nSuites: {' '.join(suites)}\nComponents: main\n"
    (folder / "sources" / "debian.sources").write_text(f"{stanza}Signed-By: {mirror.keyring}\n", encoding="utf-8")
    settings = {
        "APT::Architecture": architecture, "APT::Architectures": architecture, "APT::Default-Release": suites[0],
        "APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::Retries": "2",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false", "Debug::NoLocking": "1",
        "Dir::State": str(folder), "Dir::State::lists": str(folder / "lists"),
        "Dir::State::status": str(folder / "status"), "Dir::Cache": str(folder / "cache"),
        "Dir::Etc::SourceList": "/dev/null", "Dir::Etc::SourceParts": str(folder / "sources"),
        "Dir::Etc::PreferencesParts": "/dev/null", "Dir::Etc::Preferences": "/dev/null",
    }  # fmt: skip
    return PrivateApt(folder, tuple(word for item in settings.items() for word in ("-o", "=".join(item))))


def find_mirror(sources: Path = SOURCES) -> Mirror:
    """The Debian archive that this machine's apt uses; the official one where it uses none, as on Ubuntu."""
    for path in [sources / "sources.list", *sorted(sources.glob("sources.list.d/*"))]:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        found = _stanzas(text) if path.suffix == ".sources" else _lines(text) if path.suffix == ".list" else []
        for address, keyring in found:
            if address.rstrip("/").endswith("/debian"):
                return Mirror(address.rstrip("/"), keyring)
    return Mirror(OFFICIAL, KEYRING)


def _stanzas(text: str) -> list[tuple[str, Path]]:
    found = []
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields = dict(re.findall(r"(?m)^([\w-]+):[ \t]*(.*)$", stanza))
        if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes").strip() != "no":
            found += [(address, _keyring(fields.get("Signed-By", ""))) for address in fields.get("URIs", "").split()]
    return found


def _lines(text: str) -> list[tuple[str, Path]]:
    entries = re.findall(r"(?m)^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)", text)
    named = [(address, re.search(r"signed-by=(\S+)", options)) for options, address in entries]
    return [(address, _keyring(match[1] if match else "")) for address, match in named]


def _keyring(named: str) -> Path:
    return Path(named.strip()) if named.strip().startswith("/") else KEYRING
