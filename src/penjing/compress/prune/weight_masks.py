"""Masks on single weights, on `torch.nn.utils.prune`: ranked by magnitude, drawn at random, put on a model, on disk.

A mask is True where a weight stays. A pruned model carries `weight_orig` and `weight_mask` as torch names them, so
that any training loop trains it. Left out: structured pruning, which makes a model smaller (`plan.py`); a masked model
multiplies its zeros, and is neither smaller nor faster (`sparse_bytes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import prune as untyped_prune

from ...runtime.errors import PruningError

prune: Any = untyped_prune

Masks = dict[str, Tensor]
"""Parameter name -> bool tensor of the parameter's shape, True where the weight stays."""


def full_masks(model: nn.Module, names: Sequence[str]) -> Masks:
    """Masks that keep every weight. Raises PruningError for a name that is no parameter of `model`."""
    return {name: torch.ones_like(_parameter(model, name), dtype=torch.bool) for name in names}


def sparsity_of(masks: Masks) -> float:
    """Share of all masked entries that are gone."""
    return 1 - sum(int(m.sum()) for m in masks.values()) / sum(m.numel() for m in masks.values())


def smallest_removed(weights: Mapping[str, Tensor], masks: Masks, sparsity: float) -> Masks:
    """`masks` less the surviving weights of smallest magnitude, ranked over all tensors together (global L1).

    `sparsity` is the share of *all* entries that is gone afterwards. torch counts its `amount` among the weights that
    remain, so the number of weights is handed over, not a share. Raises PruningError when the sparsity is outside
    [0, 1) or below what the masks already have, or when a weight is not finite.
    """
    bad = next((name for name in masks if not bool(weights[name].isfinite().all())), None)
    if bad is not None:
        raise PruningError(f"{bad} holds weights that are not finite: train again at a lower learning rate")
    total, gone = sum(m.numel() for m in masks.values()), sum(int((~m).sum()) for m in masks.values())
    more = round(sparsity * total) - gone
    if not 0 <= sparsity < 1 or more < 0:
        raise PruningError(
            f"a sparsity of {sparsity:g} cannot be reached from {gone / total:g} by pruning: ask for one of at least"
            " that and below 1"
        )
    # Stand-ins for the modules: a module's own `weight` is stale between an optimizer step and the next forward.
    carriers = {name: _carrier(weights[name], mask) for name, mask in masks.items()}
    prune.global_unstructured([(c, "weight") for c in carriers.values()], prune.L1Unstructured, amount=more)
    return {name: carrier.get_buffer("weight_mask").bool() for name, carrier in carriers.items()}


def random_masks(masks: Masks, seed: int, *, per_layer: bool) -> Masks:
    """Masks of the same sparsity that keep weights drawn by `seed`.

    With `per_layer` each tensor keeps as many as its mask does; without, only their sum is the same.
    """
    source = torch.Generator().manual_seed(seed)
    groups = [[name] for name in masks] if per_layer else [list(masks)]
    drawn: Masks = {}
    for names in groups:
        flat = torch.cat([masks[name].flatten() for name in names])
        flat = flat[torch.randperm(len(flat), generator=source)]
        for name in names:
            size = masks[name].numel()
            drawn[name], flat = flat[:size].clone().view_as(masks[name]), flat[size:]
    return drawn


def shuffle_weights(model: nn.Module, names: Sequence[str], seed: int) -> None:
    """Permutes the entries of each named tensor in place: the same values, at other places."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name in names:
            parameter = _parameter(model, name)
            order = torch.randperm(parameter.numel(), generator=source)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))


def apply_masks(model: nn.Module, masks: Masks) -> None:
    """Puts masks on a model that has none, in place; parameters without a mask stay dense.

    Raises PruningError when a mask's name or shape is not the model's, or the parameter is masked already.
    """
    for name, mask in masks.items():
        module, own = _place(model, name)
        shape = tuple(_parameter(model, name).shape)
        if shape != tuple(mask.shape):
            raise PruningError(
                f"the mask of {name} has the shape {tuple(mask.shape)}, the model's weight {shape}: use masks found on"
                " a model of the same shape"
            )
        prune.custom_from_mask(module, own, mask)


def bare_state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the state, on the CPU, under an unmasked model's names, with zeros where the masks are False."""
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    masked = [name.removesuffix("_mask") for name in state if name.removesuffix("_mask") + "_orig" in state]
    products = {name: state.pop(f"{name}_orig") * state.pop(f"{name}_mask") for name in masked}
    return {name: value.clone() for name, value in state.items()} | products


def save_masks(masks: Masks, path: Path) -> None:
    """Writes bool tensors by parameter name, as safetensors."""
    save_file({name: mask.contiguous() for name, mask in masks.items()}, path)


def load_masks(path: Path) -> Masks:
    """Reads what `save_masks` wrote; raises PruningError when the file is not that."""
    try:
        masks = load_file(path)
    except (OSError, SafetensorError) as error:
        raise PruningError(f"{path} cannot be read as masks ({error}): save them with save_masks") from None
    wrong = next((name for name, mask in masks.items() if mask.dtype != torch.bool), None)
    if wrong is not None:
        raise PruningError(f"{wrong} in {path} is {masks[wrong].dtype}, not bool: this file holds weights, not masks")
    return masks


def _carrier(weight: Tensor, mask: Tensor) -> nn.Module:
    carrier = nn.Module()
    carrier.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    prune.custom_from_mask(carrier, "weight", mask)
    return carrier


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    owner, _, own = name.rpartition(".")
    return model.get_submodule(owner), own


def _parameter(model: nn.Module, name: str) -> nn.Parameter:
    try:
        return model.get_parameter(name)
    except AttributeError:
        pass
    try:
        model.get_parameter(f"{name}_orig")
    except AttributeError:
        known = ", ".join(list(dict(model.named_parameters()))[:3])
        raise PruningError(f"the model has no parameter {name!r} (it has {known}, ...): name matrices of it") from None
    raise PruningError(f"{name} is masked already: take a fresh model, or `bare_state` of this one")
