"""Which calls in an APK's dex Android 7 (API 24) lacks: the dex translated back to classes, then the API-24 gate.

D8 and R8 rewrite what they know to be too new, so only the APK itself tells what is left. Left out: calls by
reflection.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE.parent / "app/src/main/java"
GUARD = "@ChecksVersion"
"""Marks classes of the app that ask for the version before they call what is newer."""
LIBRARY = "ai/onnxruntime/"
"""Opens models by path with java.nio.file; the app gives it bytes, and Android never comes to those lines."""
OPTIONAL = "org.tensorflow."
"""Classes of the engine that the app is compiled against and does not bring."""
FOUND = re.compile(r"\[ERROR\] (?P<path>\S+)\.class:.*Undefined reference: (?P<call>.*)")


@dataclass(frozen=True)
class Call:
    """A `call` or type that API 24 lacks, and the class that has it, such as org/penjing/demo/Bars."""

    place: str
    call: str


def newer_calls(apk: Path, work: Path, maven: Sequence[str]) -> list[Call]:
    """All of them; `maven` is the command that runs it. Raises CalledProcessError when a tool fails."""
    classes = work / "classes"
    shutil.rmtree(work, ignore_errors=True)
    classes.mkdir(parents=True)
    # Debian's enjarify is a module of Debian's Python, whichever Python comes first on the path.
    path = {**os.environ, "PATH": f"/usr/bin:{os.environ['PATH']}"}
    translate = ["enjarify", str(apk), "-o", str(work / "dex.jar"), "-f"]
    subprocess.run(translate, env=path, check=True, capture_output=True)
    with zipfile.ZipFile(work / "dex.jar") as jar:
        jar.extractall(classes)
    gate = [*maven, "-f", str(HERE / "dex-pom.xml"), f"-Dclasses={classes}", "animal-sniffer:check"]
    printed = subprocess.run(gate, check=True, capture_output=True, text=True).stdout
    return [Call(_place(match["path"], classes), match["call"].strip()) for match in FOUND.finditer(printed)]


def classes_of(work: Path) -> set[str]:
    """Names of the classes that `newer_calls` found in the dex."""
    folder = work / "classes"
    return {file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.class")}


def guarded_classes() -> set[str]:
    """Classes of the app with GUARD, and so their calls after a check of the version."""
    files = SOURCES.rglob("*.java")
    return {
        file.relative_to(SOURCES).with_suffix("").as_posix()
        for file in files
        if GUARD in file.read_text(encoding="utf-8")
    }


def may_stay(call: Call, guarded: set[str]) -> bool:
    """Whether a call in a debug APK, whose classes have their names, is one that API 24 never comes to."""
    owner = call.place.partition("$")[0]
    return owner in guarded or call.place.startswith(LIBRARY) or OPTIONAL in call.call


def _place(path: str, classes: Path) -> str:
    return Path(path).relative_to(classes.resolve()).as_posix()
