"""Lays Gradle's own classes out as an installation of Gradle, for machines that reach Maven Central alone.

    python3 gradle_home.py CACHE

The one jar `dev.gradleplugins:gradle-api:8.9` holds all of Gradle but the small jars by which Gradle finds its modules.
Each of those is a file NAME-classpath.properties, so each becomes a jar of its own beside the large one. Left out:
Gradle's daemon, its worker processes and Kotlin build files, which need more than that jar.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

VERSION = "8.9"
BESIDE = ("org/codehaus/groovy", "com/github/javaparser", "org/jetbrains/kotlin", "org/apache/ant")
"""Where the libraries lie, in the Maven folder, that Gradle needs and the jar lacks."""
TWICE = "META-INF/services/java.nio.file.spi.FileSystemProvider"
"""Left out of the jar: Java would find one provider twice ("Circular loading of installed providers")."""


def lay_out(cache: Path) -> None:
    """Makes `cache`/gradle, whole or not at all."""
    part, whole = cache / ".gradle.part", cache / "gradle"
    shutil.rmtree(part, ignore_errors=True)
    lib = part / "lib"
    for name in ("plugins", "agents"):
        (lib / name).mkdir(parents=True)
    fat = cache / f"m2/dev/gradleplugins/gradle-api/{VERSION}/gradle-api-{VERSION}.jar"
    _copy_jar(fat, lib / f"gradle-fat-{VERSION}.jar")
    beside = [jar for folder in BESIDE for jar in listed(cache) if jar.is_relative_to(cache / "m2" / folder)]
    for jar in beside:
        shutil.copyfile(jar, lib / jar.name)
    _write_modules(lib, [f"gradle-fat-{VERSION}.jar", *(jar.name for jar in beside)])
    shutil.rmtree(whole, ignore_errors=True)
    part.rename(whole)


def listed(cache: Path) -> list[Path]:
    """The files of downloads.sha256."""
    lines = (Path(__file__).parent / "downloads.sha256").read_text(encoding="utf-8").splitlines()
    return [cache / line.split()[1] for line in lines if line and not line.startswith("#")]


def _copy_jar(source: Path, target: Path) -> None:
    """All of a jar but TWICE, packed lightly."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for entry in old.infolist():
            if entry.filename != TWICE:
                new.writestr(entry.filename, old.read(entry), zipfile.ZIP_DEFLATED, 1)


def _write_modules(lib: Path, jars: list[str]) -> None:
    """The small jars. The first module that Gradle loads names all libraries, so the others need none."""
    with zipfile.ZipFile(lib / jars[0]) as fat:
        for name in (n for n in fat.namelist() if n.endswith("-classpath.properties")):
            module = name.removesuffix("-classpath.properties")
            found = _properties(fat.read(name).decode())
            runtime = jars if module == "gradle-base-services" else []
            _write_module(lib, module, found.get("projects", ""), runtime, found.get("optional", ""))
    for module, projects in (("gradle-java-compiler-plugin", ""), ("gradle-daemon-server", "gradle-launcher")):
        _write_module(lib, module, projects, [])
    with zipfile.ZipFile(lib / "javax.inject-0.jar", "w") as empty:
        empty.comment = b"its classes are in the large jar"


def _properties(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def _write_module(lib: Path, name: str, projects: str, runtime: list[str], optional: str = "") -> None:
    lines = [f"projects={projects}", f"runtime={','.join(runtime)}", *([f"optional={optional}"] if optional else [])]
    with zipfile.ZipFile(lib / f"{name}-{VERSION}.jar", "w") as jar:
        jar.writestr(f"{name}-classpath.properties", "\n".join(lines) + "\n")


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
