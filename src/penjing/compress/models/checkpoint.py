"""Students on disk: `model.safetensors`, and `student.json` with the architecture and its shape.

Also reads the published MobileBERT checkpoints, whose names are those of `mobilebert.py`. Left out: teachers, which
transformers saves and loads, and the checkpoints inside a training (`training.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...runtime.errors import TrainingError
from .bert import BertClassifier, BertShape
from .bilstm import BiLstmClassifier, BiLstmConfig
from .mobilebert import MobileBertClassifier, MobileBertConfig
from .two_towers import TwoTowerClassifier

ARCHITECTURES: dict[str, tuple[Any, Any]] = {
    "mobilebert": (MobileBertClassifier, MobileBertConfig),
    "bert": (BertClassifier, BertShape),
    "bilstm": (BiLstmClassifier, BiLstmConfig),
    "two-towers": (TwoTowerClassifier, MobileBertConfig),
}
"""By the name in `student.json`: the model's class, called with (config, number of labels), and the config's class."""
STUDENT_NAME = "student.json"
BEFORE_NAMES = "mobilebert"
"""The architecture of folders that name none."""


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Total parameters, and those that are not in an embedding table."""
    total = sum(p.numel() for p in model.parameters())
    tables = sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Embedding))
    return total, total - tables


def save_student(model: Any, folder: Path) -> None:
    """Writes `model.safetensors` (published names) and `student.json` (architecture and shape) into `folder`."""
    architecture = next(name for name, (build, _) in ARCHITECTURES.items() if type(model) is build)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    shape = {"architecture": architecture, "config": model.config.to_dict(), "num_labels": model.num_labels}
    (folder / STUDENT_NAME).write_text(json.dumps(shape, indent=2) + "\n", encoding="utf-8")


def load_student(folder: Path) -> Any:
    """What `save_student` wrote, in eval mode: one of the classes of `ARCHITECTURES`.

    Raises TrainingError when the architecture is unknown, or names or shapes do not fit.
    """
    shape = json.loads((folder / STUDENT_NAME).read_text(encoding="utf-8"))
    name = shape.get("architecture", BEFORE_NAMES)
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise TrainingError(
            f"{folder / 'student.json'} has the architecture {name!r}, this Penjing knows {known}:"
            " install the Penjing that wrote it"
        )
    build, config = ARCHITECTURES[name]
    model = build(config.from_dict(shape["config"]), shape["num_labels"])
    _fill(model, load_file(folder / "model.safetensors"), folder / "model.safetensors")
    return model.eval()


def load_weights(model: MobileBertClassifier, path: Path) -> None:
    """Loads a MobileBERT checkpoint with the published names, with or without their prefix `mobilebert.`.

    One without a classifier leaves the head as it is. Raises TrainingError that names the weights that are missing or
    have another shape.
    """
    weights = load_file(path)
    if not any(name.startswith("mobilebert.") for name in weights):
        weights = {f"mobilebert.{name}": value for name, value in weights.items()}
    head = {name: value for name, value in model.state_dict().items() if name.startswith("classifier.")}
    _fill(model, {**head, **weights}, path)


def _fill(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Sets every weight of the model; others in the file, such as a masked-LM head, are passed over."""
    own = model.state_dict()
    wrong = [n for n in own if n in weights and weights[n].shape != own[n].shape]
    missing = [n for n in own if n not in weights]
    if wrong or missing:
        raise TrainingError(f"{path} does not fit this student: missing {missing[:3]}, other shape {wrong[:3]}")
    model.load_state_dict({n: weights[n] for n in own})
