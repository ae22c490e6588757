"""How well a target's profile foretells students that it has not seen: 40 random ones, predicted, then measured.

    python -m penjing.pipeline.experiments.predictor --to docs/results/predictor.json

The profile is made first, as a user makes it. Then the students are measured, on this machine side by side with some of
the profile's own, which tell how much the machine itself has changed since (`drift`). Exported files and rows are kept
in the work folder: a run that was stopped goes on, and one with `--targets` joins what the file holds of other targets.
Left out: boards and phones.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.machine import describe_machine
from ...benchmarks.plain import to_plain
from ..claims import against, make_claim
from ..report.lottery_figure import standalone_svg
from ..target_profile.figure import predicted_against_measured
from ..target_profile.files import make_files
from ..target_profile.fit import NEAR
from ..target_profile.make import make_profile, meter_of, operators_at, row_file
from ..target_profile.profile import Profile, kind_of
from ..target_profile.rows import Place, fastest
from ..target_profile.shapes import MEASURED, Drawn, measured_students, unseen_students
from ..text_files import read_json, write_json

EMULATED = "qemu:cortex-a72"
STUDENTS, SEED, ANCHORS = 40, 4, 8
"""The fits' features were chosen looking at students of seeds 1 to 3: those of this one nobody had seen."""
TARGETS = {"local.near": ">= 0.9", "local.near_same_run": ">= 0.9", "qemu-cortex-a72.near": ">= 0.97"}
"""The issue's."""
RESAMPLES = 2000
NAME = "predictor"


@dataclass(frozen=True)
class Trial:
    """One unseen student's file: what was measured, and what the profile had said."""

    place: Place
    layers: int
    measured: float
    predicted: float

    def error(self, drift: float = 1.0) -> float:
        """As a share of what was measured; `drift` is how many times slower the machine has become."""
        return abs(self.predicted * drift / self.measured - 1)


@dataclass(frozen=True)
class Outcome:
    """All trials on a target, its profile, and by kind how many times slower the profile's own students were."""

    profile: Profile
    trials: tuple[Trial, ...]
    drift: dict[str, float]

    def errors(self, same_run: bool = False) -> list[float]:
        """Of every trial."""
        return [trial.error(self.drift[_kind(trial.place)] if same_run else 1.0) for trial in self.trials]


def main() -> None:
    """Reads the command line, measures and writes the claims and the picture."""
    parser = argparse.ArgumentParser(description="Predict and measure the latency of random students.")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/predictor"), help="exported files and rows are kept here"
    )
    parser.add_argument("--targets", nargs="+", default=["local", EMULATED], help="local, qemu:CPU")
    parser.add_argument("--students", type=int, default=STUDENTS, help="unseen ones")
    parser.add_argument("--measured", type=int, default=MEASURED, help="students of the profile")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--label", default=NAME, help="what claims are called: such as another machine's")
    arguments = parser.parse_args()
    command = (
        f"python -m penjing.pipeline.experiments.predictor --targets {' '.join(arguments.targets)}"
        f" --label {arguments.label} --to {arguments.to}"
    )
    for target in arguments.targets:
        outcome = try_target(
            target, measured_students(arguments.measured), unseen_students(arguments.students, SEED), arguments.work
        )
        write_outcome(outcome, arguments.to, command, arguments.label)


def try_target(target: str, measured: Sequence[Drawn], unseen: Sequence[Drawn], work: Path) -> Outcome:
    """Makes the profile in `work`, then measures the unseen students. Raises PenjingError as `make_profile` does."""
    profile = make_profile(target, measured, work)
    meter = meter_of(target)
    anchors = measured[:: max(1, len(measured) // ANCHORS)] if meter.unit == "ms" else []
    kept = {student.name for student in anchors}
    files = [*make_files(unseen, work), *(f for f in make_files(measured, work) if f.student.name in kept)]
    now = fastest(meter.measure(files, row_file(work, f"{target} unseen", meter, [*unseen, *anchors])))
    names = {student.name: student for student in unseen}
    places = [place for place in now if place.student in names]
    counted = operators_at(places, unseen)
    trials = tuple(
        Trial(
            place, len(names[place.student].config.layers), now[place],
            profile.fits[_kind(place)].predict(counted[place.student, place.length]),
        )
        for place in places
    )  # fmt: skip
    return Outcome(profile, trials, drift_of(profile, now))


def drift_of(profile: Profile, now: dict[Place, float]) -> dict[str, float]:
    """By kind; 1 where none of the profile's own students was measured again, since instructions do not drift."""
    ratios: dict[str, list[float]] = {kind: [] for kind in profile.fits}
    for before in profile.measured:
        if before.place in now:
            ratios[_kind(before.place)].append(now[before.place] / before.value)
    return {kind: statistics.median(found) if found else 1.0 for kind, found in ratios.items()}


def claims_of(outcome: Outcome) -> list[dict[str, Any]]:
    """Shares within 10%, of all files, of each kind and of the profile's own rows when their student is left out; the
    error that nine of ten files stay below."""
    target = _label(outcome.profile.target)
    found = [_near_claim(f"{target}.near", outcome.trials, outcome.errors())]
    if outcome.profile.unit == "ms":
        found.append(_near_claim(f"{target}.near_same_run", outcome.trials, outcome.errors(same_run=True)))
        found += [
            make_claim(f"{NAME}.{target}.{kind.replace(' ', '.')}.drift", ratio, "x", None, ANCHORS)
            for kind, ratio in outcome.drift.items()
        ]
    for kind, fit in outcome.profile.fits.items():
        pairs = [(t, e) for t, e in zip(outcome.trials, outcome.errors(), strict=True) if _kind(t.place) == kind]
        trials, errors = [t for t, _ in pairs], [e for _, e in pairs]
        name, ninth = f"{target}.{kind.replace(' ', '.')}", float(np.quantile(errors, 0.9))
        found += [
            _near_claim(f"{name}.near", trials, errors),
            make_claim(f"{NAME}.{name}.error", ninth, "share", None, len(errors)),
            make_claim(f"{NAME}.{name}.left_out", fit.near, "share", None, fit.rows),
        ]
    why = f"missed in this run on {outcome.profile.device}; see `trials`"
    names = {claim["id"]: claim["id"].removeprefix(f"{NAME}.") for claim in found}
    return [against(c, TARGETS[names[c["id"]]], why) if names[c["id"]] in TARGETS else c for c in found]


def write_outcome(outcome: Outcome, to: Path, command: str, label: str = NAME) -> None:
    """Joins the outcome to those of other targets in `to`, its claims called `label`.something, and draws all of them
    anew."""
    raw = read_json(to) if to.is_file() else {"claims": [], "outcomes": {}}
    target = outcome.profile.target
    others = [claim for claim in raw["claims"] if not claim["id"].startswith(f"{label}.{_label(target)}.")]
    mine = {
        "unit": outcome.profile.unit, "device": outcome.profile.device, "versions": dict(outcome.profile.versions),
        "started": outcome.profile.started, "machine": to_plain(describe_machine()), "drift": outcome.drift,
        "fits": to_plain(outcome.profile.fits), "trials": to_plain(outcome.trials),
    }  # fmt: skip
    outcomes = {**raw["outcomes"], target: mine}
    found = claims_of(outcome)
    named = [{**claim, "id": label + claim["id"].removeprefix(NAME), "command": command} for claim in found]
    result = {
        "condition": "1 thread, batch 1; local: milliseconds of the thread's processor, the least of 5 rounds' medians;"
        " emulated: instructions of one inference",
        "claims": [*others, *named],
        "outcomes": outcomes,
    }
    to.parent.mkdir(parents=True, exist_ok=True)
    write_json(to, result)
    panels = dict(_panel(name, each) for name, each in sorted(outcomes.items()))
    svg = standalone_svg(predicted_against_measured(panels))
    to.with_suffix(".svg").write_text(svg, encoding="utf-8", newline="\n")


def _panel(target: str, outcome: dict[str, Any]) -> tuple[str, dict[str, list[tuple[float, float]]]]:
    """Its title and its points; instructions in millions."""
    unit, scale = ("ms", 1.0) if outcome["unit"] == "ms" else ("million instructions", 1e6)
    found: dict[str, list[tuple[float, float]]] = {}
    for trial in outcome["trials"]:
        kind = kind_of(trial["place"]["engine"], trial["place"]["precision"])
        found.setdefault(kind, []).append((trial["measured"] / scale, trial["predicted"] / scale))
    return f"{target}: {unit}", found


def _near_claim(name: str, trials: Sequence[Trial], errors: Sequence[float]) -> dict[str, Any]:
    """Files of one student are not independent: the interval resamples students, not files."""
    by_student: dict[str, list[bool]] = {}
    for trial, error in zip(trials, errors, strict=True):
        by_student.setdefault(trial.place.student, []).append(error <= NEAR)
    groups = [(sum(found), len(found)) for found in by_student.values()]
    drawn = np.random.default_rng(1).integers(len(groups), size=(RESAMPLES, len(groups)))
    sums = np.array(groups)[drawn].sum(axis=1)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975])
    near = sum(hits for hits, _ in groups) / len(errors)
    return make_claim(f"{NAME}.{name}", near, "share", (float(low), float(high)), len(errors))


def _label(target: str) -> str:
    """As part of a claim's name."""
    return target.replace(":", "-")


def _kind(place: Place) -> str:
    return kind_of(place.engine, place.precision)


if __name__ == "__main__":
    main()
