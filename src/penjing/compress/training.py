"""One training loop for teachers and students, on Hugging Face Accelerate.

It shuffles by length, warms the rate up and lowers it linearly, keeps the weights of the best evaluation (the start
among them), and writes a checkpoint every minute, so that a killed run continues where it was and ends with the same
weights: batches and dropout depend on the seed and the step alone. Under `accelerate launch` each process takes its
share of every batch. Left out: what a step's loss is; the caller gives it.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from ..runtime.errors import TrainingError
from .tokens import shuffled_batches

SECONDS_BETWEEN_CHECKPOINTS = 60.0
LARGEST_GRADIENT_NORM = 1.0
WEIGHT_DECAY = 0.01
LONGEST_WAIT = timedelta(days=7)
"""One process may export or measure for hours while the others wait; torch's own half hour would end such a run."""


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how fast. `epochs` may end within one; `warmup` is the share of all steps over which the rate rises,
    `last_rate` what is left of it at the end. Without `keep_best` the last weights stay, not the best evaluation's."""

    epochs: float
    batch_size: int
    learning_rate: float
    warmup: float
    evaluations_per_epoch: int
    seed: int
    last_rate: float = 0.0
    keep_best: bool = True


class PlanSettings(Protocol):
    """The part of a recipe's section that says how long and how fast."""

    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def warmup(self) -> float: ...
    @property
    def evaluations_per_epoch(self) -> int: ...


def plan_of(settings: PlanSettings, seed: int) -> TrainingPlan:
    """The plan that a section asks for."""
    return TrainingPlan(
        settings.epochs, settings.batch_size, settings.learning_rate, settings.warmup, settings.evaluations_per_epoch,
        seed,
    )  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """One point of the training curve: after `step` steps, the mean loss since the last point, and the metric."""

    step: int
    loss: float
    metric: float


StepLoss = Callable[[nn.Module, list[int]], Tensor]
Evaluate = Callable[[], float]
Rates = Callable[[str], float]
"""By a parameter's name the multiple of the learning rate that it moves by; 0 keeps it as it is."""


def one_rate(_name: str) -> float:
    """Every parameter moves by the plan's rate."""
    return 1.0


def train(
    model: nn.Module,
    lengths: NDArray[np.int64],
    step_loss: StepLoss,
    evaluate: Evaluate,
    plan: TrainingPlan,
    folder: Path,
    label: str,
    rates: Rates = one_rate,
) -> list[Evaluation]:
    """Trains `model` in place and leaves the best evaluation's weights in it.

    `lengths` [examples] are token counts; `step_loss(model, indices)` is the mean loss over those examples.
    `folder` holds the checkpoint between calls. Raises TrainingError when the loss is not finite.
    """
    with still(model, rates):
        run = _Run(model, lengths, step_loss, evaluate, plan, folder, rates)
        run.resume()
        run.loop(label)
    return run.history


@contextmanager
def still(model: nn.Module, rates: Rates) -> Iterator[None]:
    """Parameters of rate 0 need no gradient, which spares the way back through the layers below."""
    still = [p for name, p in model.named_parameters() if p.requires_grad and not rates(name)]
    for parameter in still:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in still:
            parameter.requires_grad_(True)


class _Run:
    def __init__(
        self,
        model: nn.Module,
        lengths: NDArray[np.int64],
        step_loss: StepLoss,
        evaluate: Evaluate,
        plan: TrainingPlan,
        folder: Path,
        rates: Rates,
    ) -> None:
        process_state()
        # Not the accelerator's bf16, which would round the model when it is judged, too.
        self.accelerator = Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())
        self.in_bf16 = has_fast_bf16()
        self.plan, self.lengths, self.folder = plan, lengths, folder
        self.step_loss, self.evaluate = step_loss, evaluate
        self.model = model.to(self.accelerator.device)
        groups = _groups(model, rates)
        self.trained = [name for group in groups for name in group["names"]]
        self.optimizer = torch.optim.AdamW(
            [{"params": group["params"], "multiple": group["multiple"]} for group in groups],
            plan.learning_rate, weight_decay=WEIGHT_DECAY, fused=True,
        )  # fmt: skip
        self.wrapped: nn.Module = self.accelerator.prepare_model(model) if self._distributed else model
        self.steps_per_epoch = -(-len(lengths) // plan.batch_size)
        self.steps = math.ceil(plan.epochs * self.steps_per_epoch)
        self.step = 0
        self.best = -1.0
        self.history: list[Evaluation] = []
        self.losses: list[float] = []

    @property
    def _distributed(self) -> bool:
        return bool(self.accelerator.num_processes > 1)

    def loop(self, label: str) -> None:
        saved = time.monotonic()
        bar = tqdm(total=self.steps, initial=self.step, desc=label, unit="step", disable=self._bar_off())
        if self.step == 0:
            self._keep_if_best(self._measure())  # a later phase must not end worse than it began
        while self.step < self.steps:
            for indices in self._batches_from_here():
                self._train_step(indices)
                bar.update()
                if self._is_due():
                    self._evaluate()
                    bar.set_postfix(loss=f"{self.history[-1].loss:.3f}", metric=f"{self.history[-1].metric:.4f}")
                if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                    self._checkpoint()
                    saved = time.monotonic()
        bar.close()
        if self.plan.keep_best and (self.folder / "best.safetensors").exists():
            self.model.load_state_dict(load_file(self.folder / "best.safetensors"))
        self.model.eval()

    def resume(self) -> None:
        """Continues from the folder's checkpoint, if it holds one of this plan."""
        state_file, tensor_file = self.folder / "checkpoint.json", self.folder / "checkpoint.safetensors"
        if not state_file.exists() or not tensor_file.exists():
            return
        state = json.loads(state_file.read_text(encoding="utf-8"))
        tensors = load_file(tensor_file)
        if state["plan"] != asdict(self.plan) or int(tensors.pop("step")) != state["step"]:
            return  # another plan's, or killed between the two files: start over rather than mix
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        moments = {
            i: {key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            for i, name in enumerate(self.trained)
            if f"exp_avg.{name}" in tensors
        }
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.step, self.best, self.losses = state["step"], state["best"], state["losses"]
        self.history = [Evaluation(**point) for point in state["history"]]

    def _batches_from_here(self) -> list[list[int]]:
        epoch, done = divmod(self.step, self.steps_per_epoch)
        batches = shuffled_batches(self.lengths, self.plan.batch_size, f"{self.plan.seed}-{epoch}")
        return batches[done:][: self.steps - self.step]

    def _train_step(self, indices: list[int]) -> None:
        # Seeded by the step, so that dropout is the same after a restart.
        torch.manual_seed(self.plan.seed * 1_000_003 + self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * self._rate(self.step) * group["multiple"]
        self.model.train()
        rank, count = self.accelerator.process_index, self.accelerator.num_processes
        own = indices[rank::count] or indices[:1]
        with torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.in_bf16):
            loss = self.step_loss(self.wrapped, own)
        value = loss.detach().item()
        if not np.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {self.step}: the last good checkpoint is kept in {self.folder};"
                " lower the learning rate and run again"
            )
        # DDP averages over processes; shares may differ by one example.
        (loss * (len(own) * count / len(indices))).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(value)
        self.step += 1

    def _is_due(self) -> bool:
        """At each equal part of an epoch, the epoch's last step among them, and at the end."""
        if self.step == self.steps:
            return True
        done = (self.step - 1) % self.steps_per_epoch + 1
        parts = self.plan.evaluations_per_epoch
        return done * parts // self.steps_per_epoch > (done - 1) * parts // self.steps_per_epoch

    def _rate(self, step: int) -> float:
        rising = max(1, round(self.plan.warmup * self.steps))
        if step < rising:
            return (step + 1) / rising
        left = max(0.0, (self.steps - step) / max(1, self.steps - rising))
        return self.plan.last_rate + (1 - self.plan.last_rate) * left

    def _evaluate(self) -> None:
        metric = self._measure()
        self.history.append(Evaluation(self.step, float(np.mean(self.losses)), metric))
        self.losses = []
        self._keep_if_best(metric)

    def _measure(self) -> float:
        # In fp32, as the files will answer: bf16 moves decisions, and would choose another checkpoint.
        self.model.eval()
        with torch.no_grad():
            return self.evaluate()

    def _keep_if_best(self, metric: float) -> None:
        if metric > self.best:
            self.best = metric
            if self.accelerator.is_main_process and self.plan.keep_best:
                _save(self.model.state_dict(), self.folder / "best.safetensors")
        self.accelerator.wait_for_everyone()

    def _checkpoint(self) -> None:
        if not self.accelerator.is_main_process:
            return
        tensors: dict[str, Any] = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        tensors["step"] = torch.tensor(self.step)
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{key}.{name}"] = value
        state = {
            "plan": asdict(self.plan), "step": self.step, "best": self.best, "losses": self.losses,
            "history": [asdict(point) for point in self.history],
        }  # fmt: skip
        _save(tensors, self.folder / "checkpoint.safetensors")
        write_whole(self.folder / "checkpoint.json", json.dumps(state))

    def _bar_off(self) -> bool | None:
        return None if self.accelerator.is_main_process else True


def _groups(model: nn.Module, rates: Rates) -> list[dict[str, Any]]:
    """The trained parameters and their names, together where they move by the same multiple of the rate."""
    groups: dict[float, dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        multiple = rates(name)
        if multiple:
            group = groups.setdefault(multiple, {"multiple": multiple, "names": [], "params": []})
            group["names"].append(name)
            group["params"].append(parameter)
    return list(groups.values())


def process_state() -> PartialState:
    """This process among those of `accelerate launch`; told nothing, CPU processes would each think they are alone."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=LONGEST_WAIT)


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are."""
    return next(model.parameters()).device


def has_fast_bf16() -> bool:
    """True where bf16 products have instructions of their own: a GPU with bf16, AVX512-BF16, AMX, ARM bf16."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = file.read()
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    temporary = path.with_suffix(".part")
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, temporary)
    os.replace(temporary, path)


def write_whole(path: Path, text: str) -> None:
    """The file as it was, or with all of `text`, whenever the process is killed."""
    temporary = path.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
