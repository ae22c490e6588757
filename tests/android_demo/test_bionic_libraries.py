"""The stand-ins for Android's C library: a small library for Android runs in a program of glibc."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "android_demo" / "check"
sys.path.insert(0, str(CHECK))

import bionic_libraries  # noqa: E402

SYSTEM = Path("/usr/aarch64-linux-gnu")
NAMES = ("__errno", "pthread_mutex_init", "strlen", "sysconf")
LIBRARY = """
#define FROM_ANDROID(name) __asm__(".symver android_" #name ", " #name "@LIBC")
FROM_ANDROID(__errno); FROM_ANDROID(pthread_mutex_init); FROM_ANDROID(strlen); FROM_ANDROID(sysconf);
extern int *android___errno(void), android_pthread_mutex_init(void *, void *);
extern unsigned long android_strlen(const char *);
extern long android_sysconf(int);
long answer(int i) {
    struct { long mutex[5], after; } small = {{0}, 7};
    android_pthread_mutex_init(&small, 0);
    *android___errno() = 5;
    return i == 0 ? (long)android_strlen("penjing") : i == 1 ? small.after : i == 2 ? *android___errno()
                                                                                    : android_sysconf(0x27);
}
"""
PROGRAM = """
#include <dlfcn.h>
#include <stdio.h>
int main(int n, char **words) {
    void *library = dlopen(words[1], RTLD_NOW);
    if (!library) return puts(dlerror());
    long (*answer)(int) = dlsym(library, "answer");
    for (int i = 0; i < 4; i++) printf("%ld ", answer(i));
    return 0;
}
"""


@pytest.mark.skipif(
    not all(map(shutil.which, (bionic_libraries.COMPILER, "qemu-aarch64"))),
    reason="needs Debian's gcc-aarch64-linux-gnu and qemu-user",
)
def test_calls_reach_glibc_with_androids_numbers_and_sizes(tmp_path: Path) -> None:
    (tmp_path / "library.c").write_text(LIBRARY)
    (tmp_path / "program.c").write_text(PROGRAM)
    bionic_libraries.build_stand_ins(NAMES, tmp_path)
    gcc, library = bionic_libraries.COMPILER, tmp_path / "library.so"
    words = ["-shared", "-fPIC", "-nostdlib", "-Wl,-rpath,$ORIGIN", tmp_path / "library.c", tmp_path / "libc.so"]
    subprocess.run([gcc, *words, "-o", library], check=True)
    subprocess.run([gcc, tmp_path / "program.c", "-o", tmp_path / "program", "-ldl"], check=True)
    assert set(bionic_libraries.imports(library)) == set(NAMES)
    emulated = ["qemu-aarch64", "-L", SYSTEM, tmp_path / "program", library]
    printed = subprocess.run(emulated, check=True, capture_output=True, text=True).stdout
    assert printed == "7 7 5 4096 "


def test_each_trampoline_jumps_through_its_own_place_in_the_table() -> None:
    made = bionic_libraries.trampolines(["malloc", "strerror_r"])
    assert "jump_malloc:\nadrp x16, bionic_targets + 0\n" in made
    assert "jump_strerror_r:\nadrp x16, bionic_targets + 8\n" in made
    assert '.asciz "__xpg_strerror_r"' in made
