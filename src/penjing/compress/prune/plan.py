"""The plan of a cut: a value that is shown, saved and checked before anything is cut, and can be applied again.

Parts take effect in this order: widths, layers, heads and neurons, vocabulary. `plan.json` holds what people read;
matrices that the widths need lie beside it in `plan.safetensors`. Left out: choosing (one file a method) and cutting
(`apply.py`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from ...runtime.errors import PruningError
from .units import Encoder, Shape, UnitMasks
from .vocabulary import VocabularyCut

PLAN_NAME, TENSORS_NAME = "plan.json", "plan.safetensors"


@dataclass(frozen=True)
class PruningPlan:
    """What is cut out of the model with this `fingerprint`.

    `widths` are the sizes that stay ("hidden", "bottleneck", "embedding"), `tensors` what cutting them needs; `layers`
    the layers that stay, and `masks` the factors of heads and neurons of those layers; `vocabulary` the rows that stay.
    """

    fingerprint: str
    method: str
    layers: tuple[int, ...]
    masks: UnitMasks
    widths: Mapping[str, int] = field(default_factory=dict)
    vocabulary: VocabularyCut | None = None
    tensors: Mapping[str, Tensor] = field(default_factory=dict, compare=False)


def fingerprint_of(model: Encoder) -> str:
    """16 hexadecimal digits of the shape and every weight."""
    digest = hashlib.sha256(json.dumps(model.config.to_dict(), sort_keys=True).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def check_plan(plan: PruningPlan, model: Encoder) -> None:
    """Raises PruningError when the plan was made for another model, leaves a layer empty, or is nonsense."""
    found = fingerprint_of(model)
    if plan.fingerprint != found:
        raise PruningError(
            f"the plan was made for the model {plan.fingerprint}, this one is {found} (a plan fits once, and only the"
            " model it was made for): make a new plan with `penjing prune plan`"
        )
    check_parts(plan, model.config)


def check_parts(plan: PruningPlan, shape: Shape) -> None:
    """The part of `check_plan` that needs the shape alone."""
    count = len(shape.layers)
    ascending = list(plan.layers) == sorted(set(plan.layers))
    if not plan.layers or not ascending or not 0 <= plan.layers[0] <= plan.layers[-1] < count:
        raise _edited(f"layers are {list(plan.layers)}, allowed are ascending numbers from 0 to {count - 1}")
    if not len(plan.masks.heads) == len(plan.masks.neurons) == len(plan.layers):
        raise _edited(f"masks are of {len(plan.masks.heads)} layers, but {len(plan.layers)} layers stay")
    for index, heads, neurons in zip(plan.layers, plan.masks.heads, plan.masks.neurons, strict=True):
        layer = shape.layers[index]
        _check_factors(f"layer {index}: heads", heads, layer.heads)
        if len(neurons) != len(layer.feed_forwards):
            raise _edited(f"layer {index} has {len(layer.feed_forwards)} feed-forwards, the plan {len(neurons)}")
        for part, width in zip(neurons, layer.feed_forwards, strict=True):
            _check_factors(f"layer {index}: neurons", part, width)
    for name, size in plan.widths.items():
        dense = getattr(shape, f"{name}_size", None)
        if dense is None or not 0 < size <= dense:
            allowed = "nothing: the model has no such width" if dense is None else f"1 to {dense}"
            raise _edited(f"width {name!r} is {size}, allowed is {allowed}")
    if plan.vocabulary is not None and plan.vocabulary.old_size != shape.vocab_size:
        raise _edited(f"the vocabulary has {plan.vocabulary.old_size} rows, the model {shape.vocab_size}")


def write_plan(plan: PruningPlan, folder: Path) -> None:
    """Writes `plan.json` and, if widths are cut, `plan.safetensors`."""
    raw = {name: value for name, value in _plain(plan).items() if name != "tensors"}
    (folder / PLAN_NAME).write_text(json.dumps(raw) + "\n", encoding="utf-8")
    if plan.tensors:
        save_file({name: value.contiguous() for name, value in plan.tensors.items()}, folder / TENSORS_NAME)


def read_plan(folder: Path) -> PruningPlan:
    """Reads what `write_plan` wrote. Raises PruningError when it is missing or not a plan."""
    path = folder / PLAN_NAME
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        tensors = load_file(folder / TENSORS_NAME) if (folder / TENSORS_NAME).exists() else {}
        return _from_json(raw, tensors)
    except FileNotFoundError:
        raise PruningError(f"{path} is missing: make the plan with `penjing prune plan`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise PruningError(f"{path} is not a plan ({error}): make it again with `penjing prune plan`") from None


def _from_json(raw: Any, tensors: Mapping[str, Tensor]) -> PruningPlan:
    heads = tuple(tuple(float(f) for f in layer) for layer in raw["masks"]["heads"])
    neurons = tuple(tuple(tuple(float(f) for f in part) for part in layer) for layer in raw["masks"]["neurons"])
    cut = raw["vocabulary"]
    vocabulary = None if cut is None else VocabularyCut(tuple(int(i) for i in cut["kept"]), int(cut["old_size"]))
    layers = tuple(int(i) for i in raw["layers"])
    widths = {str(name): int(size) for name, size in raw["widths"].items()}
    masks = UnitMasks(heads, neurons)
    return PruningPlan(raw["fingerprint"], raw["method"], layers, masks, widths, vocabulary, tensors)


def _plain(plan: PruningPlan) -> dict[str, Any]:
    vocabulary = None if plan.vocabulary is None else asdict(plan.vocabulary)
    return {
        "fingerprint": plan.fingerprint, "method": plan.method, "widths": dict(plan.widths), "layers": plan.layers,
        "masks": asdict(plan.masks), "vocabulary": vocabulary,
    }  # fmt: skip


def _check_factors(place: str, factors: Sequence[float], count: int) -> None:
    if len(factors) != count:
        raise _edited(f"{place}: {len(factors)} factors for {count} units")
    if not all(math.isfinite(factor) for factor in factors):
        raise _edited(f"{place}: a factor is not a number")
    if not any(factors):
        raise _edited(f"{place}: all {count} are cut; a layer must keep one")


def _edited(problem: str) -> PruningError:
    return PruningError(f"the plan does not fit: {problem}; make it again with `penjing prune plan`")
