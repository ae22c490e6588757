#!/bin/sh
# Runs the Gradle that gradle_home.py laid out, in one JVM and with the stand-in SDK: gradle.sh CACHE ARGUMENT...
# Left out: the daemon and worker processes, which need Gradle's whole distribution.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$1
shift
opens="--add-exports=jdk.compiler/com.sun.tools.javac.api=ALL-UNNAMED"
opens="$opens --add-exports=jdk.compiler/com.sun.tools.javac.util=ALL-UNNAMED"
opens="$opens --add-opens=java.prefs/java.util.prefs=ALL-UNNAMED"
for package in java.lang java.lang.invoke java.util java.nio.charset java.net java.util.concurrent.atomic java.io; do
    opens="$opens --add-opens=java.base/$package=ALL-UNNAMED"
done
export GRADLE_USER_HOME="$cache/gradle-home" CHECK_CACHE="$cache"
export ANDROID_HOME="$cache/sdk" ANDROID_USER_HOME="$cache/android"
unset ANDROID_SDK_ROOT ANDROID_SDK_HOME ANDROID_PREFS_ROOT
# An empty org.gradle.jvmargs, or Gradle starts a daemon to have the project's.
exec java -Xmx2g $opens -Dorg.gradle.internal.instrumentation.agent=false -cp "$cache/gradle/lib/gradle-fat-8.9.jar" \
    org.gradle.launcher.GradleMain --no-daemon --console=plain -Dorg.gradle.jvmargs= -I "$here/init.gradle" \
    -Pandroid.aapt2FromMavenOverride="$cache/tools/aapt2" -Pandroid.suppressUnsupportedCompileSdk=35 \
    -Pandroid.builder.sdkDownload=false "$@"
