"""What an interrupted measurement on a target has found so far, kept until the run is whole.

One file of JSON lines a job: each line is a finding, written as it comes, so that a connection that is lost loses one
step at most. The name holds a hash of the target and of the job, so another plan or another model starts anew. Left
out: the findings themselves (`steps.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..runtime.errors import OutputError, TargetError
from .cache import cache_folder
from .plan import Plan, SubjectFacts
from .steps import Finding, Step


@dataclass(frozen=True)
class Partial:
    """The file of one job on one target."""

    path: Path

    def findings(self) -> tuple[Finding, ...]:
        """What is there; a line that was cut off by a crash is left out."""
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else ():
            try:
                found.append(Finding.from_json(json.loads(line)))
            except (ValueError, TargetError):
                continue
        return tuple(found)

    def add(self, finding: Finding) -> None:
        """Raises OutputError when the cache cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(finding.to_json(), allow_nan=False) + "\n")
        except OSError as error:
            step = "free space there, or set PENJING_CACHE to another folder"
            raise OutputError(f"{self.path.parent} cannot be written ({error.strerror}): {step}") from None

    def take_rest(self, findings: list[Finding], wanted: Sequence[Step], take: Callable[[Step], Finding]) -> None:
        """Takes the steps of `wanted` that `findings` lacks; each joins them, and this file as it comes, until the run
        is whole. Raises what `take` and `add` do: what was found stays."""
        for step in wanted:
            if step not in [finding.step for finding in findings]:
                findings.append(take(step))
                self.add(findings[-1])
        self.remove()

    def remove(self) -> None:
        """The run is whole."""
        self.path.unlink(missing_ok=True)


def partial_of(target: str, facts: Sequence[SubjectFacts], plan: Plan) -> Partial:
    """The file of this job. Two jobs are one when target, models, texts or samples, and settings are equal."""
    samples = b"" if plan.samples is None else plan.samples.tobytes()
    job = repr((target, tuple(facts), {k: v for k, v in vars(plan).items() if k != "samples"})).encode()
    return Partial(cache_folder() / "partial" / f"{hashlib.sha256(job + samples).hexdigest()[:16]}.jsonl")
