"""Which Debian archive is used, by a hand-made /etc/apt, and apt with a state of its own, without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from penjing.benchmarks.arm64.debian import KEYRING, OFFICIAL, Mirror, find_mirror, open_apt
from penjing.runtime.errors import TargetError

needs_apt = pytest.mark.skipif(
    not shutil.which("apt-get") or not KEYRING.exists(), reason="no apt-get, or no keyring of Debian's archive"
)
DEB822 = """\
# A comment
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /keys/debian.gpg

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
"""


def sources(folder: Path, **files: str) -> Path:
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        place = "sources.list" if name == "list" else f"sources.list.d/{name.replace('_', '.')}"
        (folder / place).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "mirror"),
    [
        ({}, Mirror(OFFICIAL, KEYRING)),
        ({"debian_sources": DEB822}, Mirror("http://mirror.example/debian", Path("/keys/debian.gpg"))),
        ({"a_sources": DEB822.replace("Types", "Enabled: no\nTypes")}, Mirror(OFFICIAL, KEYRING)),
        ({"a_sources": "Types: deb-src\nURIs: http://mirror.example/debian\n"}, Mirror(OFFICIAL, KEYRING)),
        ({"list": "deb http://old.example/debian bookworm main\n"}, Mirror("http://old.example/debian", KEYRING)),
        ({"list": "# deb http://old.example/debian bookworm main\n"}, Mirror(OFFICIAL, KEYRING)),
        (
            {"x_list": "deb [arch=amd64 signed-by=/k.gpg] https://m.example/debian sid main\n"},
            Mirror("https://m.example/debian", Path("/k.gpg")),
        ),
        ({"list": "deb http://archive.example/ubuntu noble main\n"}, Mirror(OFFICIAL, KEYRING)),
        ({"a_save": "deb http://old.example/debian bookworm main\n", "b_list": "\xff\n"}, Mirror(OFFICIAL, KEYRING)),
        ({"a_sources": DEB822.replace("/keys/debian.gpg", "")}, Mirror("http://mirror.example/debian", KEYRING)),
    ],
)
def test_the_archive_is_the_one_that_apt_uses_here(tmp_path: Path, files: dict[str, str], mirror: Mirror) -> None:
    assert find_mirror(sources(tmp_path, **files)) == mirror


@needs_apt
def test_apt_keeps_its_state_in_our_folder(tmp_path: Path) -> None:
    apt = open_apt(tmp_path / "apt", ("bookworm", "trixie"))
    stanza = (tmp_path / "apt/sources/debian.sources").read_text()
    assert "Suites: bookworm trixie\n" in stanza
    assert "Signed-By: /" in stanza
    words = " ".join(apt.options)
    assert f"Dir::State={tmp_path / 'apt'}" in words
    assert "APT::Architecture=arm64" in words
    with pytest.raises(FileExistsError):
        open_apt(tmp_path / "apt", ("bookworm",))


@needs_apt
def test_an_archive_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    apt = open_apt(tmp_path / "apt", ("bookworm",))
    place = tmp_path / "apt/sources/debian.sources"
    lines = [
        f"URIs: file:{tmp_path}/none" if line.startswith("URIs") else line for line in place.read_text().split("\n")
    ]
    place.write_text("\n".join(lines))
    for do in (apt.update, lambda: apt.sizes(["libc6"]), lambda: apt.unpack(["libc6"], tmp_path / "root")):
        with pytest.raises(TargetError, match=r"apt-get \w+ failed .*: check the network") as error:
            do()
        assert "\n" not in str(error.value)
    assert not (tmp_path / "root").exists()
