"""Convolutional models on disk: `model.safetensors`, and `model.json` with the architecture and its widths.

Widths that pruning has made uneven are part of the config, so a cut model loads like any other. Left out: students of
text (`checkpoint.py`).
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ...runtime.errors import TrainingError
from .conv_autoencoder import ConvAutoencoder, ConvAutoencoderConfig
from .small_cnn import SmallCnn, SmallCnnConfig

ConvModel = SmallCnn | ConvAutoencoder


def save_conv_model(model: ConvModel, folder: Path) -> None:
    """Writes both files into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    shape = {"architecture": type(model).__name__, "config": model.config.to_dict()}
    (folder / "model.json").write_text(json.dumps(shape, indent=2) + "\n", encoding="utf-8")


def load_conv_model(folder: Path) -> ConvModel:
    """What `save_conv_model` wrote, in eval mode. Raises TrainingError when a file is missing or does not fit."""
    try:
        shape = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        model = _build(shape["architecture"], shape["config"])
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(f"{folder} holds no convolutional model of ours ({reason}): save it again") from error
    return model.eval()


def _build(architecture: str, config: dict[str, object]) -> ConvModel:
    if architecture == "SmallCnn":
        return SmallCnn(SmallCnnConfig.from_dict(config))
    if architecture == "ConvAutoencoder":
        return ConvAutoencoder(ConvAutoencoderConfig.from_dict(config))
    raise ValueError(f"architecture {architecture!r}; known are SmallCnn and ConvAutoencoder")
