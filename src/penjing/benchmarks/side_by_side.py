"""Jobs that wait for processes of their own, as many at a time as this machine has cores for us.

Left out: anything that is timed: side by side, nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from tqdm import tqdm

from ..runtime.errors import TargetError
from .processor import usable_cores

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def run_side_by_side(jobs: Mapping[Key, Callable[[], Value]], title: str) -> dict[Key, Value | TargetError]:
    """What each job gave, or the TargetError that it raised; the others go on. Any other error ends all."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        try:
            futures = {pool.submit(job): key for key, job in jobs.items()}
            found: dict[Key, Value | TargetError] = {}
            for future in tqdm(as_completed(futures), title, len(jobs), unit="process", disable=None, leave=False):
                error = future.exception()
                found[futures[future]] = error if isinstance(error, TargetError) else future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return found
