"""`penjing android`: puts bundles into the Android project, and builds the app.

An app needs no TFLite files beside ONNX ones, so what goes in is a bundle of its own: the same files but those, and a
manifest that lists what is there. Left out: writing the app (`android_demo/`), and proving it (its check.sh).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..export.replacing import replacing
from ..runtime.bundle import Bundle, open_bundle
from ..runtime.errors import BundleError, TargetError
from ..runtime.manifest import EMBEDDING_TASK, Manifest, write_manifest
from .terminal import note, print_facts, print_table

ASSETS = Path("app/src/main/assets/bundles")
APK = Path("app/build/outputs/apk/release/app-release.apk")
PLATFORM = "platforms/android-35"
ASSET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
"""Of folders in an APK: the packager drops those that begin with a dot or an underscore."""
LAST_LINES = 2000
"""Characters of a failed build that are looked through for its reason."""


def android(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Bundles' folders.")],
    project: Annotated[
        Path | None, typer.Option(help="The Android project; if not given: ./android_demo, or this folder.")
    ] = None,
    tflite: Annotated[bool, typer.Option("--tflite", help="TFLite files too; the app runs ONNX without them.")] = False,
    apk: Annotated[bool, typer.Option("--apk", help="Build the app as well.")] = False,
) -> None:
    """Puts bundles into the Android project, each checked and whole; one of the same name is replaced.

    With --apk it also builds the app and says how to install it: with ./gradlew where ANDROID_HOME names an SDK with
    platforms/android-35, else with the parts that the project's check.sh downloads.

    \b
    Examples:
      penjing android runs/assistant/bundle
      penjing android runs/assistant/bundle runs/bearings/bundle --apk
    """
    home = find_project(project)
    opened = [open_bundle(bundle) for bundle in bundles]
    for bundle in opened:
        check_bundle(bundle, tflite)
    rows = []
    for bundle in opened:
        put = put_bundle(bundle, home / ASSETS, tflite)
        size = sum(file.bytes for file in put.manifest.files.values())
        rows.append((put.manifest.name, ", ".join(put.model_files), f"{size / 1e6:.3g}", str(put.folder)))
    print_table(("bundle", "models", "MB", "folder"), rows)
    if apk:
        built = build_apk(home)
        size_mb = f"{built.stat().st_size / 1e6:.1f} MB"
        print_facts([("apk", str(built)), ("size", size_mb), ("install", f"adb install -r {built}")])


def find_project(chosen: Path | None) -> Path:
    """The Android project's folder. Raises TargetError when it is none."""
    places = [chosen] if chosen else [Path("android_demo"), Path()]
    for place in places:
        if (place / "settings.gradle").is_file() and (place / "app").is_dir():
            return place
    raise TargetError(
        f"{chosen or 'this folder'} is no Android project: name Penjing's android_demo, or a copy of it, with --project"
    )


def check_bundle(bundle: Bundle, tflite: bool) -> None:
    """Raises BundleError for one that an APK cannot hold, that the app cannot run, or that is broken."""
    name = bundle.manifest.name
    if not ASSET_NAME.fullmatch(name):
        raise BundleError(
            f"an APK holds no folder {name!r}: give the recipe a name of A-Z, a-z, 0-9, '-' and '.', then run it again"
        )
    if bundle.manifest.task == EMBEDDING_TASK:
        raise BundleError(f"{name} is a sentence encoder, which the app does not know: take another bundle")
    for file in kept_files(bundle.manifest, tflite):
        bundle.verified(file)


def put_bundle(bundle: Bundle, folder: Path, tflite: bool) -> Bundle:
    """Writes the bundle for the app into `folder`/NAME, whole or not at all.

    Raises BundleError when a file of it is broken, OutputError when the folder cannot be written.
    """
    manifest = for_app(bundle.manifest, tflite)
    target = folder / manifest.name
    with replacing(target) as part:
        for file in manifest.files:
            (part / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.verified(file), part / file)
        write_manifest(manifest, part)
        copy = open_bundle(part)
        for file in manifest.files:
            copy.verified(file)
    return open_bundle(target)


def kept_files(manifest: Manifest, tflite: bool) -> list[str]:
    """Names of the files that the app gets. Raises BundleError when no model is among them."""
    kept = [name for name, file in manifest.files.items() if tflite or file.format != "tflite"]
    if not any(manifest.files[name].precision for name in kept):
        raise BundleError(f"{manifest.name} has no ONNX file, which the app runs: export one, or give --tflite")
    return kept


def for_app(manifest: Manifest, tflite: bool) -> Manifest:
    """The manifest of what the app gets: nothing in it speaks of a file that is not there."""
    kept = kept_files(manifest, tflite)
    after = dict(manifest.postprocess)
    if "thresholds" in after:
        after["thresholds"] = {file: threshold for file, threshold in after["thresholds"].items() if file in kept}
    return replace(
        manifest,
        files={name: manifest.files[name] for name in kept},
        quality=tuple(entry for entry in manifest.quality if entry.file in kept),
        postprocess=after,
    )


def build_apk(project: Path) -> Path:
    """Builds the release, which the project signs with the debug key; takes a minute, or ten the first time.

    Raises TargetError with the build's reason when it fails.
    """
    from ..benchmarks.cache import cache_folder

    home = Path(os.environ.get("ANDROID_HOME") or os.environ.get("ANDROID_SDK_ROOT") or "/nowhere")
    if (home / PLATFORM).is_dir():
        note(f"builds with ./gradlew and the SDK in {home}")
        _run(["./gradlew", "-q", ":app:assembleRelease"], project)
        return project / APK
    cache = cache_folder() / "android"
    note(f"no SDK here (ANDROID_HOME with {PLATFORM}): builds with check.sh and the parts in {cache}")
    _run(["./check.sh", "build", "--cache", str(cache)], project)
    built = project / APK
    built.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(cache / "apk" / "penjing-release.apk", built)
    return built


def _run(command: Sequence[str], project: Path) -> None:
    try:
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise TargetError(f"{project / command[0]} cannot be run ({error.strerror}): copy the project again") from None
    if done.returncode:
        raise TargetError(f"{command[0]} cannot build the app: {_reason(done.stdout + done.stderr)}")


def _reason(printed: str) -> str:
    """The line of a build's output that says why: a compiler's, Gradle's, or the last."""
    lines = [line.strip() for line in printed[-LAST_LINES:].splitlines() if line.strip()]
    for word in ("error:", "> ", "FAILED"):
        if found := [line for line in lines if word in line]:
            return found[0]
    return lines[-1] if lines else "it said nothing"
