"""The engine's library and the runner for a phone's ABI: where they are looked for, and how the runner is built.

PENJING_ANDROID_ONNXRUNTIME names a folder, such as an unpacked `onnxruntime-android-*.aar` (a zip file of Maven
Central): `jni/ABI/libonnxruntime.so`, or `ABI/libonnxruntime.so`. Of the device's ABIs the first counts that is there.
A `penjing_runner` beside the library is used as it is; else it is built, for Android with the NDK's clang
(ANDROID_NDK_HOME), for a Linux board that speaks adb with its cross compiler. A board without the folder gets the
library of the onnxruntime wheel: this machine's, or that of the arm64 userland. Left out: downloading any of it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...runtime.errors import TargetError
from ..cache import cache_folder
from ..native_runner import HEADER, cached_runner, find_header
from .phone import Phone

FOLDER_ENV = "PENJING_ANDROID_ONNXRUNTIME"
LIBRARY, RUNNER = "libonnxruntime.so", "penjing_runner"
NDK_ENVS = ("ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_NDK")
OLDEST_API = 24
NDK_TRIPLES = {
    "arm64-v8a": "aarch64-linux-android", "armeabi-v7a": "armv7a-linux-androideabi",
    "x86_64": "x86_64-linux-android", "x86": "i686-linux-android",
}  # fmt: skip
BOARD_COMPILERS = {"arm64-v8a": "aarch64-linux-gnu-gcc", "x86_64": "gcc", "armeabi-v7a": "arm-linux-gnueabihf-gcc"}
UNPACK = f"unzip an onnxruntime-android-*.aar of Maven Central and set {FOLDER_ENV} to the folder"


@dataclass(frozen=True)
class PhoneEngine:
    """What a phone needs to run ONNX files."""

    abi: str
    library: Path
    runner: Path


def find_engine(phone: Phone, serial: str) -> PhoneEngine:
    """Raises TargetError when there is no library for any of the phone's ABIs, or no runner can be built."""
    there = _libraries(phone)
    abi = next((abi for abi in phone.abis if abi in there), None)
    if abi is None:
        held = f"there is one for {', '.join(sorted(there))}" if there else "there is none"
        raise TargetError(f"{serial} needs an ONNX Runtime for {' or '.join(phone.abis)}, {held}: {UNPACK}")
    library = there[abi]
    own = library.with_name(RUNNER)
    if own.is_file():
        return PhoneEngine(abi, library, own)
    compiler = _ndk_compiler(abi) if phone.bionic else _board_compiler(abi)
    return PhoneEngine(abi, library, cached_runner(compiler, _header()))


def _libraries(phone: Phone) -> Mapping[str, Path]:
    """The libraries that there are, by ABI."""
    chosen = os.environ.get(FOLDER_ENV)
    if chosen:
        folder = Path(chosen)
        if not folder.is_dir():
            raise TargetError(f"{FOLDER_ENV} is {chosen}, which is no folder: {UNPACK}")
        return {path.parent.name: path for path in (*folder.glob(f"*/{LIBRARY}"), *folder.glob(f"jni/*/{LIBRARY}"))}
    if phone.bionic:
        return {}
    wheels = {"x86_64": _wheel_folders(), "arm64-v8a": [cache_folder() / "arm64/userland/opt/site/onnxruntime"]}
    found = {abi: _in_wheels(folders) for abi, folders in wheels.items()}
    return {abi: path for abi, path in found.items() if path is not None}


def _wheel_folders() -> Sequence[Path]:
    """Of the onnxruntime that is installed here, which fits a board of the same machine."""
    spec = importlib.util.find_spec("onnxruntime")
    here = spec.submodule_search_locations if spec is not None and os.uname().machine == "x86_64" else None
    return [Path(folder) for folder in here or ()]


def _in_wheels(folders: Sequence[Path]) -> Path | None:
    return next((path for folder in folders for path in sorted(folder.glob(f"capi/{LIBRARY}*"))), None)


def _header() -> Path:
    """The header that came with the library, or as `find_header`."""
    own = Path(os.environ.get(FOLDER_ENV) or ".") / "headers" / HEADER
    return own if os.environ.get(FOLDER_ENV) and own.is_file() else find_header()


def _ndk_compiler(abi: str) -> str:
    ndk = next((Path(os.environ[name]) for name in NDK_ENVS if os.environ.get(name)), None)
    name = f"{NDK_TRIPLES.get(abi, abi)}{OLDEST_API}-clang"
    found = sorted(ndk.glob(f"toolchains/llvm/prebuilt/*/bin/{name}")) if ndk else []
    if not found:
        where = f"{ndk} has no {name}" if ndk else f"{NDK_ENVS[0]} is not set"
        raise TargetError(f"the runner for {abi} wants the Android NDK, and {where}: unpack the NDK and set it")
    return str(found[0])


def _board_compiler(abi: str) -> str:
    if abi not in BOARD_COMPILERS:
        raise TargetError(f"no compiler is known for {abi}: put a {RUNNER} beside the {LIBRARY} for it")
    return BOARD_COMPILERS[abi]
