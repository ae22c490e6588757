"""Runs on the board with nothing but its Python's standard library: says which files it lacks, takes them, runs a job.

The near side (`porter.py`) sends this file's text, one line of JSON that says what to do, and what that needs, all on
stdin; answers are lines that begin with MARK, which no greeting of a login does. Left out: choosing what to send.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

MARK = "penjing-there "
BLOCK = 1 << 20


def say(kind: str, value: object) -> None:
    """One line to the near side."""
    print(MARK + json.dumps({kind: value}), flush=True)


def same(path: str, size: int, sha256: str) -> bool:
    """Whether a file is there with this content."""
    if not os.path.isfile(path) or os.path.getsize(path) != size:
        return False
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest() == sha256


def missing(job: dict[str, Any]) -> None:
    """Says which of `files` [[path, bytes, sha256], ...] are not there."""
    say("missing", [path for path, size, sha256 in job["files"] if not same(path, size, sha256)])


def receive(job: dict[str, Any]) -> None:
    """Writes `files`, whose contents follow on stdin, each under another name until it is whole."""
    for path, size, sha256 in job["files"]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        part = path + ".part"
        try:
            _write(part, size)
            if not same(part, size, sha256):
                raise EOFError("it arrived changed")
            os.replace(part, path)
        finally:
            if os.path.exists(part):
                os.remove(part)
    say("received", len(job["files"]))


def _write(path: str, size: int) -> None:
    with open(path, "wb") as file:
        while (left := size - file.tell()) > 0:
            block = sys.stdin.buffer.read(min(BLOCK, left))
            if not block:
                raise EOFError("the connection ended")
            file.write(block)


def run(job: dict[str, Any]) -> None:
    """Runs `command` on the modules of `code` with the next `bytes` of stdin, and says how it ended.

    A board runs one job at a time. The near side keeps stdin open: when that ends, the connection is gone, and so is
    the command.
    """
    lock = open(job["lock"], "w")  # noqa: SIM115  held until this process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("busy", True)
        return
    path = os.pathsep.join(folder for folder in (job["code"], os.environ.get("PYTHONPATH")) if folder)
    environment = {**os.environ, **job["environment"], "PYTHONPATH": path}
    child = subprocess.Popen(job["command"], stdin=subprocess.PIPE, env=environment, start_new_session=True)
    _feed(child, sys.stdin.buffer.read(job["bytes"]))
    threading.Thread(target=_end_with_connection, args=[child.pid], daemon=True).start()
    code = child.wait()
    say("exit", signal.Signals(-code).name if code < 0 else code)


def _feed(child: subprocess.Popen[bytes], text: bytes) -> None:
    assert child.stdin is not None
    with suppress(BrokenPipeError):
        child.stdin.write(text)
        child.stdin.close()


def _end_with_connection(session: int) -> None:
    """The command began a session of its own, so that the processes it starts go with it."""
    if not sys.stdin.buffer.read(1):
        os.killpg(session, signal.SIGKILL)


def main() -> None:
    """Does what the next line of stdin says."""
    job = json.loads(sys.stdin.buffer.readline())
    try:
        {"missing": missing, "receive": receive, "run": run}[job["do"]](job)
    except (OSError, EOFError) as error:
        say("error", {"errno": getattr(error, "errno", None), "words": str(error)})


if __name__ == "__main__":
    main()
    os._exit(0)  # a thread may wait on stdin
