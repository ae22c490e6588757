#!/bin/sh
# Proves the app without a phone, an SDK or Google's repository; `check.sh --help` tells how.
# Left out: what only a device can show, which is ART, its speed, its sensors and its keyboard.
set -eu

usage() {
    cat <<'EOF'
usage: check.sh [STAGE...] [--cache DIR] [--bundles DIR] [--offline]

Stages, all of them in this order when none is named:
  setup     fills the cache folder with a JDK's and Maven's missing parts: Gradle, a stand-in SDK, the engine (once)
  core      core's tests on the JVM, with the real engine, real bundles and Python's answers to compare with
  screens   the API-24 gate over both modules, and every screen driven and drawn as a picture
  build     the project's own Gradle build, debug and release, on a copy
  apk       what is in the two APKs: signature, alignment, permissions, calls, sizes
  arm64     the arm64 engine out of the APK, emulated, on every golden

  --cache DIR    what is kept from run to run, 3 GB of which 1.2 GB are downloads
                 (default: $PENJING_CACHE/android, or ~/.cache/penjing/android)
  --bundles DIR  folders of bundles (default: $PENJING_BUNDLES, else they are made with `penjing run`)
  --offline      no network; by itself, once everything is there

With ANDROID_HOME naming an SDK that has platforms/android-35, `build` uses ./gradlew and that SDK.
EOF
}

fail() {
    echo "check.sh: $*" >&2
    exit 2
}

here=$(cd "$(dirname "$0")" && pwd)
check="$here/check"
cache=${PENJING_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/penjing}/android
bundles=${PENJING_BUNDLES-}
offline=
stages=
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage && exit 0 ;;
        --cache | --bundles)
            [ $# -ge 2 ] || fail "$1 wants a folder: see check.sh --help"
            if [ "$1" = --cache ]; then cache=$2; else bundles=$2; fi
            shift
            ;;
        --offline) offline=--offline ;;
        setup | core | screens | build | apk | arm64) stages="$stages $1" ;;
        *) fail "no stage or option '$1': see check.sh --help" ;;
    esac
    shift
done
[ -n "$stages" ] || stages="setup core screens build apk arm64"
case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
case $cache/ in "$here"/*) fail "$cache lies in the project: name a cache folder outside it with --cache" ;; esac
mkdir -p "$cache" || fail "cannot write $cache: name another folder with --cache"

# Python with penjing in it: script/setup's, else the one of this shell.
python=$here/../.venv/bin/python
[ -x "$python" ] || python=python3
"$python" -c "import penjing" 2>/dev/null || fail "no Python here has penjing: run script/setup, or pip install penjing"

. "$check/stages.sh"

for stage in $stages; do
    echo "== $stage"
    began=$(date +%s)
    # A subshell, not `if`: that would switch -e off inside.
    set +e
    (set -e && "stage_$stage")
    code=$?
    set -e
    took=$(($(date +%s) - began))
    [ $code -ne 75 ] || exit 75  # a download failed, as was said: nothing was proved or refuted
    [ $code -eq 0 ] || fail "$stage FAILED after $took s; alone again: android_demo/check.sh $stage"
    echo "$stage: ok, $took s"
done
