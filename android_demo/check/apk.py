"""Proves what is in the debug and the release APK, and says what each part weighs.

    python apk.py DEBUG.apk RELEASE.apk --work FOLDER --json FILE -- MAVEN COMMAND

One line a check; exit code 1 when one fails. Needs Debian's apksigner, aapt and enjarify. Left out: running the app
(`arm64.py` runs its engine), and the key that a store asks for.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from apk_calls import LIBRARY, Call, classes_of, guarded_classes, may_stay, newer_calls

from penjing.benchmarks.elf_pages import page_alignments

ABIS = {"arm64-v8a", "x86_64"}
LIBRARIES = {"libonnxruntime.so", "libonnxruntime4j_jni.so"}
MIN_SDK, TARGET_SDK = "24", "35"
MOST_BYTES = 300_000
"""Of the release without the engine's libraries and the bundles."""
TELEMETRY = ("ai/onnxruntime/TelemetryInitializer", "ai/onnxruntime/telemetry/")
BUNDLES = "assets/bundles/"
MODELS = (".onnx", ".tflite")


@dataclass(frozen=True)
class Check:
    """One property of an APK: what was found, and whether it is as it should be."""

    apk: str
    what: str
    found: str
    ok: bool


def main() -> int:
    """Checks both, prints and writes what was found."""
    arguments = _arguments()
    files = {"debug": arguments.debug, "release": arguments.release}
    checks = [check for kind, apk in files.items() for check in check_apk(kind, apk)]
    checks += list(check_calls(files, arguments.work, arguments.maven))
    parts = {kind: size_by_part(apk) for kind, apk in files.items()}
    rest = parts["release"]["rest"]
    checks.append(Check("release", "without engine and bundles", f"{rest:,} bytes", rest <= MOST_BYTES))
    for check in checks:
        print(f"{'ok ' if check.ok else 'BAD'}  {check.apk:8} {check.what:32} {check.found}")
    _print_parts(parts)
    arguments.json.write_text(
        json.dumps({"checks": [asdict(check) for check in checks], "bytes": parts}, indent=2) + "\n", encoding="utf-8"
    )
    bad = [check for check in checks if not check.ok]
    if bad:
        print(f"apk.py: {len(bad)} checks failed, the first is {bad[0].apk}: {bad[0].what}", file=sys.stderr)
    return 1 if bad else 0


def check_apk(kind: str, apk: Path) -> Iterator[Check]:
    """What signature, manifest and contents say."""
    signed = _printed("apksigner", "verify", "--verbose", apk)
    yield Check(kind, "signed, scheme v2", kind, "v2 scheme (APK Signature Scheme v2): true" in signed)
    badging, tree = (
        _printed("aapt", "dump", "badging", apk),
        _printed("aapt", "dump", "xmltree", apk, "AndroidManifest.xml"),
    )
    versions = {name: _quoted(badging, name) for name in ("sdkVersion", "targetSdkVersion")}
    yield Check(kind, "min and target SDK", str(versions), list(versions.values()) == [MIN_SDK, TARGET_SDK])
    permissions = re.findall(r"uses-permission\S*: name='([^']*)'", badging)
    yield Check(kind, "no permission", ", ".join(permissions) or "none", not permissions)
    yield Check(kind, "no content provider", str(tree.count("E: provider")), "E: provider" not in tree)
    debuggable = "application-debuggable" in badging
    yield Check(kind, "debuggable as it should be", str(debuggable), debuggable == (kind == "debug"))
    yield from _check_libraries(kind, apk)
    yield from _check_models(kind, apk)


def _check_libraries(kind: str, apk: Path) -> Iterator[Check]:
    """The same libraries for every ABI, each stored at a multiple of 16 KB with segments that are aligned so."""
    found = page_alignments(apk)
    names = {(one.file.split("/")[1], one.file.split("/")[2]) for one in found}
    wanted = {(abi, library) for abi in ABIS for library in LIBRARIES}
    yield Check(kind, "libraries of both ABIs", f"{len(names)} of {len(wanted)}", names == wanted)
    bad = [one.file for one in found if not one.ok_16k or one.zip_offset is None]
    yield Check(kind, "pages of 16 KB, stored", ", ".join(bad) or f"{len(found)} libraries", not bad)


def _check_models(kind: str, apk: Path) -> Iterator[Check]:
    """Models as they are: the app maps them."""
    with zipfile.ZipFile(apk) as archive:
        models = [entry for entry in archive.infolist() if entry.filename.endswith(MODELS)]
    packed = [entry.filename for entry in models if entry.compress_type != zipfile.ZIP_STORED]
    yield Check(kind, "models stored", ", ".join(packed) or f"{len(models)} models", bool(models) and not packed)


def check_calls(files: dict[str, Path], work: Path, maven: Sequence[str]) -> Iterator[Check]:
    """What API 24 lacks. The release's classes have lost their names, so it may call only what debug may."""
    guarded, allowed = guarded_classes(), set[str]()
    for kind, apk in files.items():
        calls = newer_calls(apk, work / kind, maven)
        if kind == "debug":
            bad = [call for call in calls if not may_stay(call, guarded)]
            allowed = {call.call for call in calls if call not in bad}
        else:
            bad = [call for call in calls if call.call not in allowed and not call.place.startswith(LIBRARY)]
        shown = "; ".join(_shown(call) for call in bad) or f"none of {len(calls)} unguarded"
        yield Check(kind, "no call that API 24 lacks", shown, not bad)
    there = sorted(name for name in classes_of(work / "release") if name.startswith(TELEMETRY))
    yield Check("release", "no telemetry class", ", ".join(there) or "none", not there)


def size_by_part(apk: Path) -> dict[str, int]:
    """Bytes in the APK of the engine's libraries by ABI, of bundles, code, resources, and of all but the first two.

    A library's padding counts as its own.
    """
    sizes = {**dict.fromkeys(sorted(ABIS), 0), "bundles": 0, "code": 0, "resources": 0}
    with zipfile.ZipFile(apk) as archive, apk.open("rb") as raw:
        for entry in archive.infolist():
            part = _part(entry.filename)
            if part in sizes:
                sizes[part] += entry.compress_size + (_padding(entry, raw) if part in ABIS else 0)
    total = apk.stat().st_size
    without = total - sizes["bundles"] - sum(sizes[abi] for abi in ABIS)
    return {**sizes, "rest": without, "total": total}


def _part(name: str) -> str:
    if name.startswith("lib/"):
        return name.split("/")[1]
    if name.startswith(BUNDLES):
        return "bundles"
    if name.endswith(".dex"):
        return "code"
    return "resources" if name.startswith("res/") or name in ("resources.arsc", "AndroidManifest.xml") else "other"


def _padding(entry: zipfile.ZipInfo, raw: IO[bytes]) -> int:
    raw.seek(entry.header_offset + 28)
    return int(struct.unpack("<H", raw.read(2))[0])


def _print_parts(parts: dict[str, dict[str, int]]) -> None:
    print(f"\n{'bytes in the APK':24}" + "".join(f"{kind:>14}" for kind in parts))
    for name in parts["release"]:
        print(f"{name:24}" + "".join(f"{sizes[name]:>14,}" for sizes in parts.values()))


def _shown(call: Call) -> str:
    return f"{call.call} in {call.place}"


def _quoted(text: str, name: str) -> str:
    match = re.search(rf"^{name}:'([^']*)'", text, re.MULTILINE)
    return match[1] if match else "none"


def _printed(*words: object) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Proves what is in the APKs.")
    parser.add_argument("debug", type=Path)
    parser.add_argument("release", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("maven", nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
