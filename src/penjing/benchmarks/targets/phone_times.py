"""Model files timed on a phone by the native runner, in the same rounds as here (`file_times.py`).

Each file is sent just before its first round, and opened anew in each. The runner's clock is the wall clock, and the
median of its samples is kept. Left out: TFLite files, which have no native runner, and emulated phones, whose times are
no device's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ...runtime.bundle import sha256_of
from ...runtime.errors import TargetError
from ..file_times import REPEATS, Done, FileTime, TimedFile, feed, open_blocks
from ..machine import MachineDescription
from ..native_runner import RunnerJob, write_feeds
from .adb import SCHEME, Far
from .adb_client import Device, choose_device
from .phone import Phone, read_phone
from .phone_engine import PhoneEngine, find_engine
from .phone_files import send_files

BLOCKS = 3
"""Of REPEATS calls each, the file's lengths in a random order in each."""


def describe_phone(address: str) -> MachineDescription:
    """The phone `adb://[serial]`, with the engine that will be sent there in `packages`, known by its library's hash.

    Raises TargetError when there is no such device, it is emulated, or there is no engine for it.
    """
    _, phone, engine = _find(address)
    return replace(phone.machine, packages={"onnxruntime": f"library {sha256_of(engine.library)[:12]}"})


def time_on_phone(
    address: str, files: Sequence[TimedFile], rounds: int, done: Done = ()
) -> Iterator[Sequence[FileTime]]:
    """As `time_rounds`, there, for ONNX files. Raises LostError when the connection is lost in the middle,
    TargetError as `describe_phone`, or when the runner cannot run a file."""
    device, _, engine = _find(address)
    places = send_files(device, [engine.runner, engine.library])
    far = Far(device, places[engine.runner], places[engine.library], {})
    for i, file, lengths in open_blocks(files, rounds, done):
        job = RunnerJob(rounds=BLOCKS, repeats=REPEATS, seed=i)
        answer = far.run(job, _send(device, file, lengths))
        yield [
            FileTime(file.name, length, i, float(np.median(np.array(model.samples_ms))))
            for length, model in zip(lengths, answer.models, strict=True)
        ]


def _find(address: str) -> tuple[Device, Phone, PhoneEngine]:
    device = choose_device(address.removeprefix(SCHEME).strip("/"))
    phone = read_phone(device)
    if phone.machine.cpu.startswith("emulated"):
        raise TargetError(
            f"{device.serial} is emulated, and its times are no device's: count instructions with qemu:CPU"
        )
    return device, phone, find_engine(phone, device.serial)


def _send(device: Device, file: TimedFile, lengths: Sequence[int]) -> list[tuple[str, str]]:
    """Pairs of feeds and model on the device, one for each length."""
    with TemporaryDirectory() as folder:
        feeds = [Path(folder) / f"{length}.feeds" for length in lengths]
        for path, length in zip(feeds, lengths, strict=True):
            write_feeds(path, [feed(length)])
        places = send_files(device, [file.path, *feeds])
    return [(places[path], places[file.path]) for path in feeds]
