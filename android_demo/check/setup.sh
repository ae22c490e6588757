#!/bin/sh
# Fills the cache folder with what builds and checks the app without an SDK and without Google's repository:
#     setup.sh CACHE [--offline]
# Nothing is used whose hash is not in downloads.sha256, and nothing is downloaded twice.
# Left out: what Maven and Gradle download in the stages; they check it themselves.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$1
offline=${2-}
aar_package=com.github.asus4.onnxruntime-0.4.9.tgz
android="m2/org/robolectric/android-all/15-robolectric-12650502/android-all-15-robolectric-12650502.jar"

no_network=75  # sysexits.h: a temporary failure

fail() {
    echo "setup: $*" >&2
    exit 2
}

for tool in java javac jmod mvn npm python3 unzip zip aapt apksigner enjarify sha256sum; do
    command -v "$tool" >/dev/null || fail "no $tool here: apt install openjdk-17-jdk-headless maven npm python3 unzip" \
        "zip aapt apksigner enjarify, then run this again"
done
stamp=$(cat "$here/downloads.sha256" "$here"/setup.sh "$here"/sdk.sh "$here/Stubs.java" "$here/gradle_home.py" | cksum)
[ "$(cat "$cache/.setup" 2>/dev/null)" != "$stamp" ] || exit 0

# The Maven artefact of a path such as m2/org/ow2/asm/asm/9.8/asm-9.8.jar.
artefact() {
    folder=$(dirname "${1#m2/}")
    group=$(dirname "$(dirname "$folder")" | tr / .)
    echo "$group:$(basename "$(dirname "$folder")"):$(basename "$folder")"
}

download() {
    case $1 in
        m2/*)
            mvn -q -B -C -Dstyle.color=never -Dmaven.repo.local="$cache/m2" dependency:get -Dtransitive=false \
                -Dartifact="$(artefact "$1")"
            ;;
        *) (cd "$cache/npm" && npm pack --silent com.github.asus4.onnxruntime@0.4.9 >/dev/null) ;;
    esac || {
        echo "setup: cannot download $1: see above; check the network, then run this again" >&2
        exit $no_network
    }
}

mkdir -p "$cache/m2" "$cache/npm" "$cache/tools" "$cache/deps"
missing=$(cd "$cache" && sha256sum -c --quiet "$here/downloads.sha256" 2>/dev/null | sed 's/: FAILED.*//')
if [ -n "$missing" ]; then
    [ -z "$offline" ] || fail "$(echo "$missing" | wc -l) files are missing in $cache: run once without --offline"
    echo "setup: downloads $(echo "$missing" | wc -l) files into $cache, of about 750 MB if there are none;" \
        "the later stages download 500 MB more"
    for file in $missing; do
        rm -f "$cache/$file"
        download "$file"
    done
    (cd "$cache" && sha256sum -c --quiet "$here/downloads.sha256") || fail "a download is not what it was: see above"
fi

python3 "$here/gradle_home.py" "$cache"

# An aapt2 that reads resources of API 35, which Debian's cannot, and the framework's resources alone: linking against
# the whole jar takes seconds longer.
apktool="$cache/m2/org/apktool/apktool-lib/2.12.1/apktool-lib-2.12.1.jar"
unzip -q -o -j "$apktool" prebuilt/linux/aapt2_64 -d "$cache/tools"
mv "$cache/tools/aapt2_64" "$cache/tools/aapt2"
chmod +x "$cache/tools/aapt2"
rm -rf "$cache/.framework" "$cache/framework-35.apk"
unzip -q -o "$cache/$android" resources.arsc AndroidManifest.xml -d "$cache/.framework"
(cd "$cache/.framework" && zip -q -0 ../framework-35.apk resources.arsc AndroidManifest.xml)
rm -rf "$cache/.framework"
sh "$here/sdk.sh" "$cache"

# Robolectric looks for its Android in one flat folder.
for jar in "$cache"/m2/org/robolectric/android-all-instrumented/*/*.jar; do
    ln -sf "$jar" "$cache/deps/"
done

# ONNX Runtime for Android, as a third party packed it again for Unity: for checks, not to ship.
to="$cache/localrepo/com/microsoft/onnxruntime/onnxruntime-android/1.29.0"
mkdir -p "$to"
tar xzOf "$cache/npm/$aar_package" package/Plugins/Android/onnxruntime.aar >"$to/onnxruntime-android-1.29.0.aar"
cat >"$to/onnxruntime-android-1.29.0.pom" <<'EOF'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.microsoft.onnxruntime</groupId>
  <artifactId>onnxruntime-android</artifactId>
  <version>1.29.0</version>
  <packaging>aar</packaging>
</project>
EOF
echo "$stamp" >"$cache/.setup"
