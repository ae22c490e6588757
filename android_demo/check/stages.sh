# The stages of check.sh, which sources this: a function each. They share $here, $check, $cache, $bundles, $offline and
# $python, and stop at the first command that fails. Left out: what each tool prints on success.

# What the stages but `setup` need.
need_setup() { sh "$check/setup.sh" "$cache" $offline; }

stage_setup() {
    need_setup
    echo "everything is in $cache ($(du -sh "$cache" | cut -f1))"
}

# The folder of bundles: as given, else four built-in recipes are made once.
need_bundles() {
    if [ -n "$bundles" ]; then
        [ -d "$bundles" ] || fail "no folder $bundles: give --bundles one that holds folders of bundles"
    else
        bundles="$cache/bundles"
        mkdir -p "$bundles"
        for recipe in assistant bearings breast-cancer motion; do
            [ ! -f "$bundles/$recipe/manifest.json" ] || continue
            "$python" -m penjing recipe show "$recipe" >/dev/null 2>&1 || continue
            echo "makes the bundle $recipe"
            "$python" -m penjing run "$recipe" --out "$cache/runs/$recipe"
            cp -r "$cache/runs/$recipe/bundle" "$bundles/.$recipe.part"
            mv "$bundles/.$recipe.part" "$bundles/$recipe"
        done
    fi
    bundles=$(cd "$bundles" && pwd)
    export PENJING_BUNDLES="$bundles"
}

# Maven on one of our poms: maven POM ARGUMENT... Without a network once a first run went well. With its own local
# repository: what the check trusts was then downloaded by the check, and one folder holds it all.
maven() {
    pom=$1
    shift
    stamp=$(stamp_of "$pom")
    mvn -B -q -C -Dstyle.color=never $(alone "$stamp") -f "$pom" -Dmaven.repo.local="$cache/m2" "$@"
    touch "$stamp"
}

# The file that says that all is there to work with these files of ours.
stamp_of() { echo "$cache/.done-$(cat "$@" | cksum | cut -d' ' -f1)"; }
alone() { if [ -f "$1" ]; then echo --offline; else echo "$offline"; fi; }

# The line of Surefire's reports in a folder, which -q has not printed.
count_tests() {
    cat "$1"/surefire-reports/*.txt | awk -F'[:,]' '/^Tests run/ { run += $2; bad += $4 + $6; skip += $8 }
        END { printf "Tests run: %d, Failures: %d, Skipped: %d\n", run, bad, skip; exit run == 0 }'
}

stage_core() {
    need_setup
    need_bundles
    export PENJING_PARITY="$cache/parity"
    mkdir -p "$PENJING_PARITY"
    echo "Python's answers, for Java's to equal"
    "$python" "$check/parity.py" "$bundles" "$PENJING_PARITY"
    "$python" "$check/make_tokenizer_cases.py" "$cache/framework-35.apk"
    maven "$check/core-pom.xml" -Dbuild.folder="$cache/core-target" clean test
    count_tests "$cache/core-target"
}

stage_screens() {
    need_setup
    need_bundles
    rm -rf "$cache/screens"
    maven "$check/app-pom.xml" -Dbuild.folder="$cache/app-target" -Dcache="$cache" -Dshots="$cache/screens" clean test
    count_tests "$cache/app-target"
    echo "$(find "$cache/screens" -name '*.png' | wc -l) pictures in $cache/screens"
}

# A copy of the project, so that it stays clean; bundles go in where it has none.
copy_project() {
    mkdir -p "$tree"
    (cd "$here" && tar cf - --exclude=build --exclude=target --exclude=.gradle --exclude=./check .) >"$cache/.tree.tar"
    rm -rf "$tree/core/src" "$tree/app/src"
    tar xf "$cache/.tree.tar" -C "$tree"
    rm -f "$cache/.tree.tar"
    if [ -z "$(ls "$tree/app/src/main/assets/bundles" 2>/dev/null)" ]; then
        need_bundles
        for bundle in assistant bearings breast-cancer motion; do
            [ ! -d "$bundles/$bundle" ] || "$python" -m penjing android "$bundles/$bundle" --project "$tree" >/dev/null
        done
    fi
}

stage_build() {
    tree="$cache/tree"
    copy_project
    if [ -d "${ANDROID_HOME-}/platforms/android-35" ]; then
        echo "with ./gradlew and the SDK in $ANDROID_HOME"
        rm -f "$tree/gradle/verification-metadata.xml"
        (cd "$tree" && ./gradlew -q $offline :app:assembleDebug :app:assembleRelease)
    else
        need_setup
        echo "with the laid-out Gradle and the stand-in SDK"
        cp "$check/gradle-parts.xml" "$tree/gradle/verification-metadata.xml"
        stamp=$(stamp_of "$check/init.gradle" "$here"/*.gradle "$here"/*/build.gradle)
        (cd "$tree" && sh "$check/gradle.sh" "$cache" -q $(alone "$stamp") :app:assembleDebug :app:assembleRelease)
        touch "$stamp"
    fi
    mkdir -p "$cache/apk"
    for kind in debug release; do
        cp "$tree/app/build/outputs/apk/$kind/app-$kind.apk" "$cache/apk/penjing-$kind.apk"
    done
    ls -l "$cache"/apk/*.apk | awk '{ print $5, $9 }'
}

need_apk() { [ -f "$cache/apk/penjing-release.apk" ] || stage_build; }

stage_apk() {
    need_setup
    need_apk
    stamp=$(stamp_of "$check/dex-pom.xml")
    "$python" "$check/apk.py" "$cache/apk/penjing-debug.apk" "$cache/apk/penjing-release.apk" --work "$cache/dex" \
        --json "$cache/apk/sizes.json" -- mvn -B -C $(alone "$stamp") -Dmaven.repo.local="$cache/m2"
    touch "$stamp"
}

stage_arm64() {
    need_setup
    need_apk
    aar="$cache/localrepo/com/microsoft/onnxruntime/onnxruntime-android/1.29.0/onnxruntime-android-1.29.0.aar"
    "$python" "$check/arm64.py" "$cache/apk/penjing-release.apk" --headers "$aar" --work "$cache/arm64"
}
