#!/bin/sh
# Makes CACHE/sdk, which the Android Gradle plugin takes for an SDK of API 35: sdk.sh CACHE
# android.jar are stubs (Stubs.java) of Robolectric's android-all and of the JDK's own java.*; of the build tools only
# aapt2 is real, for the plugin looks only that the others are there. Left out: an emulator, platform tools, sources.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$1
m2="$cache/m2"
sdk="$cache/.sdk.part"
work="$cache/.sdk.work"
platform="$sdk/platforms/android-35"
jdk=$(java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.home = //p')
android="$m2/org/robolectric/android-all/15-robolectric-12650502/android-all-15-robolectric-12650502.jar"
asm="$m2/org/ow2/asm/asm/9.8/asm-9.8.jar"

rm -rf "$sdk" "$work"
mkdir -p "$platform" "$sdk/licenses" "$sdk/platform-tools" "$work/all" "$work/stubs"

# From jmods: the run-time image also holds classes that the JDK has generated, which D8 refuses as doubles.
for module in java.base java.logging java.xml java.sql java.prefs; do
    jmod extract --dir "$work/$module" "$jdk/jmods/$module.jmod"
    for package in java javax org; do
        [ ! -d "$work/$module/classes/$package" ] || cp -r "$work/$module/classes/$package" "$work/all/"
    done
done
javac -cp "$asm" -d "$work/stubs" "$here/Stubs.java"
stubs() { java -Xmx1g -cp "$asm:$work/stubs" Stubs "$@"; }
stubs "$platform/android.jar" "$work/all" "$android"
stubs "$platform/core-for-system-modules.jar" "$work/java.base/classes" "$work/all"

cat >"$platform/source.properties" <<'EOF'
Pkg.Desc=Android SDK Platform 15
Pkg.UserSrc=false
Platform.Version=15
AndroidVersion.ApiLevel=35
Pkg.Revision=1
Layoutlib.Api=15
Layoutlib.Revision=1
Platform.MinToolsRev=22
EOF
cat >"$platform/build.prop" <<'EOF'
ro.build.version.sdk=35
ro.build.version.release=15
ro.build.version.codename=REL
ro.system.build.version.sdk=35
EOF
: >"$platform/framework.aidl"

# The plugin 8.4.2 wants these build tools.
tools="$sdk/build-tools/34.0.0"
mkdir -p "$tools/lib" "$tools/lld-bin"
printf 'Pkg.UserSrc=false\nPkg.Revision=34.0.0\n' >"$tools/source.properties"
cp "$cache/tools/aapt2" "$tools/aapt2"
for program in aapt aidl llvm-rs-cc bcc_compat lld lld-bin/lld dexdump split-select zipalign dx d8 \
    arm-linux-androideabi-ld aarch64-linux-android-ld i686-linux-android-ld x86_64-linux-android-ld \
    mipsel-linux-android-ld; do
    printf '#!/bin/sh\nexit 1\n' >"$tools/$program"
    chmod +x "$tools/$program"
done
: >"$work/empty"
for jar in core-lambda-stubs.jar lib/dx.jar lib/d8.jar lib/apksigner.jar lib/shrinkedAndroid.jar; do
    jar cf "$tools/$jar" -C "$work" empty
done
rm -rf "$work" "$cache/sdk"
mv "$sdk" "$cache/sdk"
