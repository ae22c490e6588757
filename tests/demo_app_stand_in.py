"""The demo app for tests, on a phone of `adb_stand_in.py`: the package and activity managers' commands as scripts.

`am start` runs the core of the real app, compiled here, on the JVM; or it copies an answer that a test has prepared, or
does what a broken app does. Left out: everything that Android itself would add to it.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from adb_stand_in import Phone

from penjing.benchmarks.targets.demo_app import APP

CORE = Path(__file__).parents[1] / "android_demo" / "core" / "src"
REPOSITORY = Path.home() / ".m2" / "repository"
JARS = (
    "com/microsoft/onnxruntime/onnxruntime/1.29.0/onnxruntime-1.29.0.jar",
    "org/json/json/20240303/json-20240303.jar",
)
FILES = f"sdcard/Android/data/{APP}/files"

PM = f"""#!/bin/sh
[ "$1 $2" = "path {APP}" ] && echo package:/data/app/{APP}/base.apk
"""
PIDOF = '#!/bin/sh\nkill -0 "$(cat "$(dirname "$0")/app.pid")" 2>/dev/null\n'
LOGCAT = '#!/bin/sh\ncat "$(dirname "$0")/app.log"\n'
AM = f"""#!/bin/sh
files="$(dirname "$0")/../{FILES}" bin="$(dirname "$0")" length=0
[ "$1" = force-stop ] && exec kill "$(cat "$bin/app.pid")"
while [ $# -gt 0 ]; do
  case "$1" in
    --es|--ei) eval "$2='$3'"; shift 3 ;;
    -n) activity="$2"; shift 2 ;;
    *) shift ;;
  esac
done
echo "Starting: Intent {{ cmp=$activity }}"
mkdir -p "$files/bundles" "$files/results"
[ "$activity" = {APP}/.MainActivity ] && exit
result="$files/results/$out"
(
  {{ BODY; }} && mv "$result.part" "$result"
) >"$bin/app.log" 2>&1 </dev/null &
echo $! >"$bin/app.pid"
"""
"""BODY writes `$result.part` from `$files/bundles/$bundle` and the extras."""


def install(phone: Phone, body: str) -> None:
    """The app, whose benchmark is the shell line `body`."""
    for name, text in (("pm", PM), ("pidof", PIDOF), ("logcat", LOGCAT), ("am", AM.replace("BODY", body))):
        phone.script(name, text)


def install_real(phone: Phone) -> None:
    """The app with the benchmark of the real core."""
    jars = ":".join(str(REPOSITORY / jar) for jar in JARS)
    words = ["java", "-Xmx512m", "-cp", f"{compiled_core()}:{CORE / 'main/resources'}:{jars}"]
    extras = '"$files/bundles/$bundle" "$mode" "$rounds" "$repeats" "$length" "$threads" "$seconds" "$result.part"'
    install(phone, f"ORT_DISABLE_TELEMETRY=1 {shlex.join(words)} org.penjing.core.BenchmarkMain {extras}")


def install_prepared(phone: Phone, answer: Any) -> None:
    """The app that always answers this."""
    phone.write("bin/answer.json", json.dumps(answer))
    install(phone, 'cp "$bin/answer.json" "$result.part"')


def why_no_core() -> str | None:
    """What running the real core needs and this machine lacks; None when nothing."""
    if absent := [name for name in ("java", "javac") if not shutil.which(name)]:
        return f"no {absent[0]}"
    return next((f"no {Path(jar).name} in {REPOSITORY}" for jar in JARS if not (REPOSITORY / jar).is_file()), None)


@cache
def compiled_core() -> Path:
    """The classes of core and of its main for tests."""
    classes = Path(mkdtemp(prefix="penjing-core-"))
    sources = [*CORE.glob("main/java/**/*.java"), CORE / "test/java/org/penjing/core/BenchmarkMain.java"]
    jars = ":".join(str(REPOSITORY / jar) for jar in JARS)
    words = ["javac", "-J-Xmx512m", "--release", "17", "-encoding", "UTF-8", "-cp", jars, "-d", str(classes)]
    done = subprocess.run([*words, *map(str, sources)], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr[-2000:]
    return classes
