"""Lottery tickets on scikit-learn's digits: all ways to rewind, with LeNet-300-100 and with a small CNN; for LeNet all
controls and a transfer, for the CNN its controls where the ticket is sparsest.

Half of the 1,797 images train and half are held out (stratified, the same for every seed). A training is Adam in
batches of 60 at the paper's rate of 1.2e-3, lowered linearly to zero, and its score is the accuracy after the last
step: no checkpoint is chosen by held-out images. Each round takes 20% of the remaining weights of the hidden layers.
The output layer stays dense and is rewound with the rest, as in Chen et al. 2021 (arXiv 2012.06908). The transfer's
masks are found on another task, even against odd, from the same starting weights. LeNet came first; the CNN's widths
were chosen by folds of the training half. Left out: MNIST.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F

from ...compress.models.lenet import random_lenet
from ...compress.models.small_cnn import SmallCnnConfig, random_small_cnn
from ...compress.prune.lottery import Lottery, Train, from_early_step, shares_of_remaining, with_shuffled_weights
from ...compress.prune.lottery_curve import CONTROLS
from ...compress.prune.weight_masks import random_masks
from ..workspace import Workspace
from .lottery_rounds import Player, play_dense, play_masked, play_tickets

BRIGHTEST = 16.0
CLASSES = {"digit": 10, "parity": 2}


@dataclass(frozen=True)
class Network:
    """`draw` gives it by a seed and a number of classes; `names` are those of the weights that may be pruned."""

    title: str
    draw: Callable[[int, int], nn.Module]
    names: tuple[str, ...]


CNN_WIDTHS = (64, 64, 128, 128)
NETWORKS = {
    "lenet": Network("LeNet-300-100", random_lenet, ("first.weight", "second.weight")),
    "cnn": Network(
        f"A CNN of {'-'.join(map(str, CNN_WIDTHS))} channels",
        lambda seed, classes: random_small_cnn(SmallCnnConfig(CNN_WIDTHS, classes), seed),
        tuple(f"block.{i}.conv.weight" for i in range(len(CNN_WIDTHS))),
    ),
}


@dataclass(frozen=True)
class DigitsSettings:
    """How the digits are trained and pruned. `early_step` is where early rewinding goes back to.

    `tickets_alone`: no transfer, and the controls in the sparsest third of the rounds.
    """

    network: str = "lenet"
    epochs: int = 40
    batch_size: int = 60
    learning_rate: float = 1.2e-3
    rate: float = 0.2
    rounds: int = 18
    early_step: int = 30
    tickets_alone: bool = False

    def sparsities(self) -> tuple[float, ...]:
        """Of each round."""
        return shares_of_remaining(self.rate, self.rounds)

    def control_rounds(self) -> range:
        """In which the controls are trained."""
        return range(self.rounds - max(1, self.rounds // 3) if self.tickets_alone else 0, self.rounds)


CNN = DigitsSettings(network="cnn", tickets_alone=True)


@dataclass(frozen=True)
class Digits:
    """Images [n, 8, 8] in 0..1 and their digits [n]."""

    train_images: Tensor
    train_digits: Tensor
    test_images: Tensor
    test_digits: Tensor


@cache
def read_digits() -> Digits:
    """The halves of scikit-learn's digits."""
    bunch = load_digits()
    images, digits = torch.tensor(bunch.images / BRIGHTEST, dtype=torch.float32), torch.tensor(bunch.target)
    train, test = train_test_split(range(len(digits)), test_size=0.5, random_state=0, stratify=bunch.target)
    return Digits(images[train], digits[train], images[test], digits[test])


def digits_training(settings: DigitsSettings, seed: int, task: str = "digit") -> Train:
    """The training on "digit" (ten classes) or "parity" (two); its order of images depends on seed and step alone."""
    data, classes = read_digits(), CLASSES[task]
    # A digit's remainder by ten is itself, by two its parity.
    train_labels, test_labels = data.train_digits % classes, data.test_digits % classes
    per_epoch = -(-len(data.train_digits) // settings.batch_size)
    steps = settings.epochs * per_epoch

    def train(model: nn.Module, start_step: int, stop_step: int | None) -> float:
        model.train()
        optimizer = torch.optim.Adam(model.parameters(), settings.learning_rate, fused=True)
        for step in range(start_step, steps if stop_step is None else stop_step):
            optimizer.param_groups[0]["lr"] = settings.learning_rate * (1 - step / steps)
            chosen = _order(seed, step // per_epoch)[step % per_epoch * settings.batch_size :][: settings.batch_size]
            loss = F.cross_entropy(model(data.train_images[chosen, None]), train_labels[chosen])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = model(data.test_images[:, None]).argmax(-1) == test_labels
        return float(right.double().mean())

    return train


def digits_lottery(settings: DigitsSettings, seed: int, task: str = "digit") -> Lottery:
    """Random starting weights and order of images by `seed`."""
    training, network = digits_training(settings, seed, task), NETWORKS[settings.network]
    return Lottery(lambda: network.draw(seed, CLASSES[task]), training, network.names)


def play_digits(space: Workspace, settings: DigitsSettings, seed: int, measure_bytes: bool) -> Iterator[Path]:
    """All rounds of one seed, as their folders: dense, the three tickets, the controls, the transfer."""
    sparsities, network = settings.sparsities(), NETWORKS[settings.network]
    lottery = digits_lottery(settings, seed)
    kinds = {
        "ticket": lambda: lottery,
        "early_ticket": lambda: from_early_step(lottery, settings.early_step),
        "rate_ticket": lambda: replace(lottery, keep_weights=True),
        "random_mask": lambda: lottery,
        "random_weights": lambda: replace(lottery, make_model=lambda: network.draw(_other(seed), CLASSES["digit"])),
        "shuffled_weights": lambda: with_shuffled_weights(lottery, seed),
        "transferred_mask": lambda: lottery,
        "parity": lambda: digits_lottery(settings, seed, "parity"),
    }

    def player(name: str) -> Player:
        kind = "ticket" if name == "parity" else name
        settled = {"task": name, **asdict(settings)}
        return Player(kind, seed, lambda _: kinds[name](), settled, measure_bytes and name == "ticket")

    dense = play_dense(space, player("ticket"), sparsities[0])
    yield dense
    tickets = list(play_tickets(space, player("ticket"), dense, sparsities))
    yield from tickets
    yield from play_tickets(space, player("early_ticket"), dense, sparsities)
    yield from play_tickets(space, player("rate_ticket"), dense, sparsities)
    for i in settings.control_rounds():
        yield from _play_controls(space, player, tickets[i], sparsities[i], seed)
    if settings.tickets_alone:
        return
    other_task = play_tickets(space, player("parity"), play_dense(space, player("parity"), sparsities[0]), sparsities)
    for sparsity, other in zip(sparsities, other_task, strict=True):
        yield play_masked(space, player("transferred_mask"), other, sparsity)


def count_digits(settings: DigitsSettings) -> int:
    """How many folders `play_digits` gives for one seed."""
    others = 3 if settings.tickets_alone else 4
    return 1 + others * settings.rounds + len(CONTROLS) * len(settings.control_rounds())


def _play_controls(
    space: Workspace, player: Callable[[str], Player], ticket: Path, sparsity: float, seed: int
) -> Iterator[Path]:
    yield play_masked(space, player("random_mask"), ticket, sparsity, lambda m: random_masks(m, seed, per_layer=True))
    yield play_masked(space, player("random_weights"), ticket, sparsity)
    yield play_masked(space, player("shuffled_weights"), ticket, sparsity)


@cache
def _order(seed: int, epoch: int) -> Tensor:
    return torch.randperm(
        len(read_digits().train_digits), generator=torch.Generator().manual_seed(1_000_003 * seed + epoch)
    )


def _other(seed: int) -> int:
    """A seed of starting weights that no lottery starts from."""
    return seed + 10_000
