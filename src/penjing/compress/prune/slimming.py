"""Network slimming (Liu et al. 2017, arXiv 1708.06519, section 3): an L1 penalty on the scale that every channel has in
its normalisation layer drives some to zero; one threshold over all layers then says which channels go.

Convolutional models carry that scale in batch norm. MobileBERT's NoNorm cannot be read so: in a stacked feed-forward,
NoNorm(down(relu(up(h))) + h), it sits on the residual stream. Its zero would wipe a bottleneck channel of attention and
of all feed-forwards before it, which the next one may write again, and no neuron would go. What can be cut are the
neurons, so the scale that is penalised is the one a NoNorm on each neuron would have: relu(up h) is homogeneous, so
with the neuron's incoming weights (bias included) and outgoing weights brought to length one, that scale is
|up_n| |down_n|. It needs no new weights, cannot be evaded by growing one side as the other shrinks, and where it is
zero the neuron adds nothing, not even a shift. NoNorm's own scales are left alone.

A batch norm that reads such a layer undoes any common factor of its scales, so scales compare well within a layer and
less so between layers; hence the floor. Left out: the channel selection of residual networks (section 3.3), and the
training under the penalty (`slim_encoder.py` does it for encoders).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...runtime.errors import PruningError
from ..models.conv_autoencoder import ConvAutoencoder
from ..models.conv_files import ConvModel
from ..models.mobilebert import MobileBertClassifier
from ..models.small_cnn import SmallCnn
from .channel_plan import ChannelPlan, plan_channels
from .importances import Importances
from .linear_costs import CostOf
from .search import search
from .units import Encoder, UnitMasks, layers_of

ROUNDING = 1e-9
"""0.07 x 100 is 7.000000000000001, and means 7 channels."""


def scales_of(model: nn.Module) -> dict[str, Tensor]:
    """The scale >= 0 of every channel or neuron that slimming can cut: [channels] by layer, with gradients.

    Raises PruningError for models that it cannot cut.
    """
    if isinstance(model, (SmallCnn, ConvAutoencoder)):
        return {name: block.norm.weight.abs() for name, block in model.blocks().items()}
    if isinstance(model, MobileBertClassifier) and model.config.activation == "relu":
        stacks = enumerate(layer.stacked() for layer in layers_of(model))
        return {
            f"layer.{i}.{j}": neuron_scales(up.dense, down.dense)
            for i, pairs in stacks
            for j, (up, down) in enumerate(pairs)
        }
    raise PruningError(
        f"slimming cannot cut {_named(model)}: it cuts SmallCnn, ConvAutoencoder, and MobileBertClassifier with"
        " the activation relu; choose another prune method, for an encoder fisher, sensitivity or learned"
    )


def neuron_scales(up: nn.Linear, down: nn.Linear) -> Tensor:
    """|up_n| |down_n| [neurons] of one feed-forward, the bias of `up` included."""
    incoming = torch.cat([up.weight, up.bias[:, None]], dim=1)
    scales: Tensor = incoming.norm(dim=1) * down.weight.norm(dim=0)
    return scales


def scale_penalty(model: nn.Module, strength: float) -> Tensor:
    """strength x the sum of all scales, to be added to the loss; a batch norm's scale gets the gradient +-strength.

    Keep weight decay off the scales: it shrinks all of them alike, where L1 lets the large ones be.
    """
    return strength * torch.stack([scales.sum() for scales in scales_of(model).values()]).sum()


def choose_channels(model: ConvModel, rate: float, floor: int = 1) -> ChannelPlan:
    """The plan that cuts the share `rate` of all channels, those with the smallest scales; each layer keeps `floor`.

    Raises PruningError for a rate outside [0, 1) or beyond what the floor leaves, and for scales that are not numbers.
    """
    return plan_channels(model, smallest_cut(_numbers(model), rate, floor))


def choose_neurons(model: Encoder, cost: CostOf, limit: float, multiple: int = 1) -> UnitMasks:
    """The same for the neurons of the stacked feed-forwards, for a `PruningPlan`: factor 0 for those that go.

    One threshold over all feed-forwards is lowered until the model costs at most `limit`, in the unit of `cost`; each
    keeps a `multiple` of neurons, heads stay whole. Raises PruningError when the limit cannot be met so, for models
    that slimming cannot cut, and for scales that are not numbers.
    """
    scales = iter(_finite(_numbers(model)).values())
    neurons = tuple(tuple(next(scales) for _ in layer.feed_forwards) for layer in model.config.layers)
    heads = tuple(torch.ones(layer.heads) for layer in model.config.layers)
    whole = max(layer.heads for layer in model.config.layers)
    importances = Importances(heads, neurons)
    return search(model.config, importances, cost, limit, smallest_heads=whole, smallest_neurons=1, multiple=multiple)


def smallest_cut(scales: dict[str, Tensor], rate: float, floor: int) -> dict[str, tuple[int, ...]]:
    """Channels that stay in each layer when the share `rate` of all, rounded up, with the smallest scales goes.

    The `floor` largest of a layer always stay, and others go in their place. Among equals the first in the order of
    layers and channels stays.
    """
    count = _number_to_cut(scales, rate, floor)
    candidates = []
    for place, (name, values) in enumerate(_finite(scales).items()):
        descending = sorted(range(len(values)), key=lambda i: (-float(values[i]), i))
        candidates += [(float(values[i]), -place, -i, name) for i in descending[floor:]]
    gone = {(name, -i) for _, _, i, name in sorted(candidates)[:count]}
    return {name: tuple(i for i in range(len(s)) if (name, i) not in gone) for name, s in scales.items()}


def _number_to_cut(scales: dict[str, Tensor], rate: float, floor: int) -> int:
    total, protected = sum(len(s) for s in scales.values()), sum(min(floor, len(s)) for s in scales.values())
    if not 0 <= rate < 1:
        raise PruningError(f"the rate is {rate}: give the share of channels to cut, from 0 to below 1")
    if floor < 1:
        raise PruningError(f"the floor is {floor}: each layer must keep one channel at least")
    count = math.ceil(rate * total - ROUNDING)
    if count > total - protected:
        raise PruningError(
            f"rate {rate} leaves {total - count} of {total} channels, but {len(scales)} layers keep {floor} each: the"
            f" largest possible rate is {math.floor(1e4 * (total - protected) / total) / 1e4}"
        )
    return count


def _named(model: nn.Module) -> str:
    activation = getattr(getattr(model, "config", None), "activation", None)
    return type(model).__name__ + (f" with the activation {activation}" if activation else "")


def _numbers(model: nn.Module) -> dict[str, Tensor]:
    return {name: scales.detach().cpu() for name, scales in scales_of(model).items()}


def _finite(scales: dict[str, Tensor]) -> dict[str, Tensor]:
    for name, values in scales.items():
        if not torch.isfinite(values).all():
            raise PruningError(f"a scale of {name} is not a finite number: train again from the last good checkpoint")
    return scales
