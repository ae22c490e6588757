"""The peak memory of this process, from the operating system's own high-water mark. Left out: who used it."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_rss_mb() -> float | None:
    """Largest resident set of this process so far, in MB (1e6 bytes); None where the system does not say.

    Linux's `ru_maxrss` is wrong for our use: a process that a large one started begins with the large one's peak.
    `VmHWM` belongs to the program that runs now.
    """
    if sys.platform.startswith("linux"):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
        return None
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS
