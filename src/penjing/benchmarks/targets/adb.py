"""A phone over adb as a target: the demo app measures where it is installed (`demo_app.py`), else the native runner.

The runner times the engine alone on the bundle's ONNX files. The same conditions as elsewhere (all subjects side by
side, the first one twice), memory and cold starts by stage in processes of their own, and the device's state before and
after each step. Needed on the device: nothing but adb. What was measured before a lost connection is kept, and the next
run goes on from there. Left out: TFLite files, which have no native runner, and whole answers, whose tokenizer is not
in it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from ...runtime.errors import TargetError
from ..latency import Contender, Feed, engine_feed, measurement, open_contender
from ..measurement import Condition, Kind, Measurement
from ..memory_use import INFERENCES, STAGES, ColdSplit, MemoryStage, MemoryUse
from ..native_runner import NativeAnswer, NativeModel, RunnerJob, parse_answer, refusal, write_feeds
from ..partial import partial_of
from ..plan import Plan, Subject, SubjectFacts
from ..results import Run
from ..sensors import SensorReading
from ..steps import Finding, Step, assemble, check_subjects, steps
from ..twins import TWIN
from . import demo_app
from .adb_client import LONG_SECONDS, Device, LostError, choose_device
from .phone import PhoneState, read_phone, read_state
from .phone_engine import find_engine
from .phone_files import send_files

SCHEME = "adb://"
PACE_MS = 1000
NATIVE_PHASES = {"engine loaded": "engine", "model loaded": "model", "first inference": "first inference"}


@dataclass(frozen=True)
class Far:
    """A phone that is ready: where the runner, the engine and each subject's model are on it."""

    device: Device
    runner: str
    library: str
    models: Mapping[str, str]

    def run(self, job: RunnerJob, models: Sequence[tuple[str, str]], seconds: float = 0.0) -> NativeAnswer:
        """Runs the runner on pairs of feeds and model. Raises TargetError as `refusal` says, LostError in between."""
        words = [self.runner, *replace(job, sys="/sys").arguments(models)]
        command = f"PENJING_ONNXRUNTIME={shlex.quote(self.library)} {shlex.join(words)}"
        said = self.device.shell(command, LONG_SECONDS + seconds)
        if said.code:
            raise TargetError(f"{self.device.serial}: {refusal(said.code, said.err or said.out)}")
        answer = parse_answer(said.out)
        if len(answer.models) != len(models):
            raise TargetError(f"{self.device.serial}: {len(answer.models)} answers to {len(models)} models: run again")
        return answer


def measure(address: str, subjects: Sequence[Subject], plan: Plan) -> Run:
    """Measures the ONNX subjects on the phone `adb://[serial]`, and says on stderr what it leaves out.

    A run that was interrupted is `partial`. Raises BundleError for subjects that cannot be opened or changed,
    TargetError when there is no such device, it cannot run them, or it is lost before anything was measured.
    """
    wanted, facts = _onnx_only(subjects, check_subjects(subjects))
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    device = choose_device(address.removeprefix(SCHEME).strip("/"))
    phone = read_phone(device)
    if demo_app.is_installed(device):
        reason = demo_app.why_not(wanted, plan)
        if reason is None:
            return demo_app.measure(device, phone.machine, wanted[0].folder, facts, plan)
        _say(f"the native runner measures, not the demo app, which {reason}")
    engine = find_engine(phone, device.serial)
    contenders = [open_contender(subject, 1) for subject in wanted]
    files = {c.facts.label: c.predictor.bundle.verified(c.facts.file) for c in contenders}
    places = send_files(device, [engine.runner, engine.library, *files.values()])
    models = {label: places[file] for label, file in files.items()}
    far = Far(device, places[engine.runner], places[engine.library], models)
    kept = partial_of(f"{SCHEME}{device.serial}", facts, plan)
    findings, reason = list(kept.findings()), None
    machine = replace(phone.machine, architecture=engine.abi)
    try:
        version = _first_look(far, contenders, plan)
        machine = replace(machine, packages={"onnxruntime": version})
        kept.take_rest(findings, _steps(plan), lambda step: _take(far, step, contenders, plan))
    except LostError as error:
        if not findings:
            raise
        reason = str(error)
    return assemble(f"{SCHEME}{device.serial}", started, machine, facts, plan, findings, reason)


def _onnx_only(
    subjects: Sequence[Subject], facts: Sequence[SubjectFacts]
) -> tuple[list[Subject], tuple[SubjectFacts, ...]]:
    """The subjects that the runner can take, the others named on stderr. Raises TargetError when there is none."""
    pairs = list(zip(subjects, facts, strict=True))
    taken = [(subject, fact) for subject, fact in pairs if fact.engine == "onnx"]
    if left := [fact.label for _, fact in pairs if fact.engine != "onnx"]:
        _say(f"not measured over adb, which takes ONNX files alone: {', '.join(left)}")
    if not taken:
        raise TargetError(f"{', '.join(left)}: the native runner takes ONNX files, and none is among them")
    return [subject for subject, _ in taken], tuple(fact for _, fact in taken)


def _steps(plan: Plan) -> list[Step]:
    """Those of the plan that the runner can take."""
    return [s for s in steps(plan) if s.kind == "memory" or (s.kind == "engine" and s.sequence_length is not None)]


def _first_look(far: Far, contenders: Sequence[Contender], plan: Plan) -> str:
    """The engine's version there; says how far each model's answer is from this machine's, which takes no time."""
    length = _longest(plan)
    feeds = [engine_feed(contender, length, plan) for contender in contenders]
    answer = far.run(RunnerJob(), _send_feeds(far, contenders, feeds))
    for contender, feed, model in zip(contenders, feeds, answer.models, strict=True):
        outputs = contender.predictor.engine.run(feed)
        here = np.concatenate([np.ravel(outputs[name]).astype(np.float64) for name in model.output_names])
        there = np.array(model.outputs[0])
        if here.shape != there.shape:
            label = contender.facts.label
            raise TargetError(f"{far.device.serial} gives {there.size} values for {label}, not {here.size}: run again")
        _say(f"{contender.facts.label}: largest difference from this machine {np.max(np.abs(here - there)):.2g}")
    return answer.engine


def _take(far: Far, step: Step, contenders: Sequence[Contender], plan: Plan) -> Finding:
    before = read_state(far.device)
    finding = (_time if step.kind == "engine" else _stages)(far, step, contenders, plan)
    after = read_state(far.device)
    _say(f"{step.kind} {step.sequence_length or ''}: before {before.text}; after {after.text}")
    if all(reading.temperature_c is None for reading in finding.sensors):
        finding = replace(finding, sensors=(_battery(before), *finding.sensors, _battery(after)))
    return finding


def _time(far: Far, step: Step, contenders: Sequence[Contender], plan: Plan) -> Finding:
    """All subjects side by side, the first one a second time."""
    length = step.sequence_length or 0
    entries = [*contenders, contenders[0]]
    feeds = [engine_feed(contender, length, plan) for contender in contenders]
    pairs = _send_feeds(far, contenders, feeds)
    job = RunnerJob(step.threads, plan.pass_rounds, plan.repeats, plan.seed + step.part, cores=plan.cores)
    job, seconds = _mode(job, plan, len(entries))
    answer = far.run(job, [*pairs, pairs[0]], seconds)
    kind: Kind = "warm" if plan.samples is None else "window"
    condition = Condition(kind, length, step.threads, plan.mode)
    facts = [c.facts for c in contenders] + [replace(contenders[0].facts, label=contenders[0].facts.label + TWIN)]
    found = tuple(_measurement(f, condition, m, answer) for f, m in zip(facts, answer.models, strict=True))
    return Finding(step, found, sensors=_sensors(answer))


def _mode(job: RunnerJob, plan: Plan, models: int) -> tuple[RunnerJob, float]:
    """The job in the plan's mode, and how many seconds that adds."""
    if plan.mode == "sustained":
        return replace(job, seconds=max(1, round(plan.seconds))), plan.seconds
    if plan.mode == "paced":
        return replace(job, period_ms=PACE_MS), PACE_MS / 1e3 * plan.pass_rounds * plan.repeats * models
    return job, 0.0


def _measurement(facts: SubjectFacts, condition: Condition, model: NativeModel, answer: NativeAnswer) -> Measurement:
    found = measurement(facts, condition, np.array(model.samples_ms))
    starts = tuple(round(answer.began + start / 1e3, 3) for start in model.starts_ms)
    return replace(found, starts=starts, settled=model.settled)


def _sensors(answer: NativeAnswer) -> tuple[SensorReading, ...]:
    return tuple(
        SensorReading(round(answer.began + r.at_ms / 1e3, 3), r.temperature_c, r.clock_mhz) for r in answer.sensors
    )


def _battery(state: PhoneState) -> SensorReading:
    """Where no thermal zone may be read, the battery's temperature is better than none."""
    return SensorReading(state.at, state.battery_c, None)


def _stages(far: Far, step: Step, contenders: Sequence[Contender], plan: Plan) -> Finding:
    """Memory and cold start by stage, every time in a fresh process; the first one fills the device's cache."""
    feeds = [engine_feed(contender, _longest(plan), plan) for contender in contenders]
    pairs = _send_feeds(far, contenders, feeds)
    rounds = plan.cold_rounds
    job = RunnerJob(step.threads, rounds=1, repeats=INFERENCES, seed=plan.seed, cores=plan.cores)
    uses, splits, sensors = [], [], list[SensorReading]()
    for contender, pair in zip(contenders, pairs, strict=True):
        answers = [far.run(job, [pair]) for _ in range(rounds + 1)][1:]
        samples = tuple(tuple(_stage(answer, name) for name in STAGES) for answer in answers)
        medians = tuple(_middle(stages) for stages in zip(*samples, strict=True))
        uses.append(MemoryUse(contender.facts.label, step.threads, medians, None, rounds, samples))
        times = {phase: tuple(_times(answer)[stage] for answer in answers) for stage, phase in NATIVE_PHASES.items()}
        splits.append(ColdSplit(contender.facts.label, step.threads, times))
        sensors += [reading for answer in answers for reading in _sensors(answer)]
    return Finding(step, memory=tuple(uses), cold_splits=tuple(splits), sensors=tuple(sensors))


def _times(answer: NativeAnswer) -> Mapping[str, float]:
    model = answer.models[0]
    return {"engine loaded": answer.engine_ms, "model loaded": model.load_ms, "first inference": model.first_ms}


def _stage(answer: NativeAnswer, name: str) -> MemoryStage:
    """In MB, as `memory.memory_now` defines them. ONNX Runtime reads a model file and does not map it.

    The kernel counts mapped pages of a file as dirty until they are written back, as after a push: only anonymous
    memory is the process's own.
    """
    told = {field: kilobytes * 1024 / 1e6 for field, kilobytes in answer.memory.get(name, {}).items()}
    own = mapped = model = None
    if {"Rss", "Anonymous", "Private_Dirty"} <= told.keys():
        own = min(told["Private_Dirty"], told["Anonymous"])
        mapped, model = told["Rss"] - told["Anonymous"] - told.get("RssShmem", 0.0), 0.0
    return MemoryStage(name, told.get("Rss"), told.get("Pss"), own, mapped, told.get("VmHWM"), model)


def _middle(stages: Sequence[MemoryStage]) -> MemoryStage:
    """The stage with the middle resident set of several processes."""
    return sorted(stages, key=lambda stage: stage.rss_mb or 0.0)[len(stages) // 2]


def _send_feeds(far: Far, contenders: Sequence[Contender], feeds: Sequence[Feed]) -> list[tuple[str, str]]:
    """Pairs of feeds and model on the device, in the contenders' order."""
    with TemporaryDirectory() as folder:
        files = [Path(folder) / str(i) / "feeds.bin" for i in range(len(feeds))]
        for file, feed in zip(files, feeds, strict=True):
            file.parent.mkdir()
            write_feeds(file, [feed])
        places = send_files(far.device, files)
    return [(places[file], far.models[c.facts.label]) for file, c in zip(files, contenders, strict=True)]


def _longest(plan: Plan) -> int:
    if plan.samples is not None:
        return int(plan.samples.shape[1])
    return max(plan.lengths)


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)
