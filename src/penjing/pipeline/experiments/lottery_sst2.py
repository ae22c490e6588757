"""Lottery tickets on SST-2 with the MiniLM encoder, after Chen et al. 2020 (arXiv 2007.12223, section 3).

Pruned are the six matrices of each layer and the pooler, at 10% of the original weights a round, all ranked together;
embeddings and head stay dense, and everything, the head included, is rewound to the pre-trained start; beside that, the
learning rate alone is rewound (Renda et al. 2020, arXiv 2003.02389), where a round goes on from the weights before it,
and stands beside a dense model that has learnt as long. Made to fit two cores: a training is one epoch over a fixed
sample of the training text (the paper: three epochs over all of it), its score the accuracy on the validation text
after the last step, and the controls are trained at the sparsity that is asked of the ticket alone: 25 trainings a
seed. So few texts teach little by their labels; unless `taught` is off, all kinds learn what the recipe's fine-tuned
teacher makes of them instead, layer by layer. A seed decides the head's first weights, the order of the text and
dropout.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...compress.data import Split
from ...compress.distill.losses import feature_map_loss, logits_loss
from ...compress.prune.lottery import Lottery, MakeModel, Train, shares_of_original, with_shuffled_weights
from ...compress.prune.lottery_curve import CONTROLS
from ...compress.prune.weight_masks import random_masks
from ...compress.teacher import accuracy, load_encoder, load_teacher, locate_teacher, teacher_inputs, teacher_logits
from ...compress.tokens import Batch, TokenizedTexts, tokenize
from ...compress.training import TrainingPlan, device_of, train
from ...runtime.errors import PruningError
from ..fit import train_teacher
from ..reading import read_data
from ..sections import Recipe
from ..text_files import read_split
from ..workspace import Workspace
from .lottery_rounds import Player, play_dense, play_longer, play_masked, play_tickets

MATRICES = (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "intermediate.dense", "output.dense",
)  # fmt: skip
"""Of each layer, as transformers names them."""
GOING_ON = ("rate_ticket", "longer_dense")
"""Kinds whose rounds start from the weights before them."""


@dataclass(frozen=True)
class Sst2Settings:
    """How the encoder is trained and pruned. The controls are trained at `controls` alone. `taught`: by the recipe's
    teacher, not by labels.
    """

    sentences: int = 10_000
    batch_size: int = 32
    learning_rate: float = 1e-4
    warmup: float = 0.1
    rate: float = 0.1
    rounds: int = 7
    controls: tuple[float, ...] = (0.5,)
    taught: bool = True

    def sparsities(self) -> tuple[float, ...]:
        """Of each round."""
        return shares_of_original(self.rate, self.rounds)


@dataclass(frozen=True)
class Sst2:
    """The recipe's model and text, cut and tokenized once; `teacher` is None where labels teach."""

    recipe: Recipe
    settings: Sst2Settings
    train: Split
    validation: Split
    teacher: Any

    @cached_property
    def tokens(self) -> tuple[TokenizedTexts, TokenizedTexts]:
        """Training and validation text."""
        folder = Path(locate_teacher(self.recipe.teacher.model))
        length = self.recipe.task.max_length
        return tokenize(self.train.texts, folder, length), tokenize(self.validation.texts, folder, length)

    def encoder(self, seed: int) -> Any:
        """The pre-trained encoder with a head drawn by `seed`."""
        model, _ = load_encoder(self.recipe.teacher.model, self.recipe.task.labels, self.recipe.task.max_length)
        source = torch.Generator().manual_seed(seed)
        nn.init.normal_(model.classifier.weight, std=model.config.initializer_range, generator=source)
        nn.init.zeros_(model.classifier.bias)
        return model

    def random_encoder(self, seed: int) -> Any:
        """The same architecture, every weight drawn by `seed`, embeddings too."""
        model = self.encoder(seed)
        torch.manual_seed(seed)
        return type(model)(model.config)


def read_sst2(recipe: Recipe, settings: Sst2Settings, space: Workspace) -> Sst2:
    """The validation text, a sample of the training text that is the same for every seed, and the teacher."""
    data = read_data(recipe, space)
    whole = read_split(data / "train.jsonl")
    rows = random.Random(0).sample(range(len(whole.texts)), min(settings.sentences, len(whole.texts)))
    sample = Split(tuple(whole.texts[i] for i in rows), tuple(whole.labels[i] for i in rows))
    teacher = load_teacher(train_teacher(recipe, space, data)) if settings.taught else None
    return Sst2(recipe, settings, sample, read_split(data / "validation.jsonl"), teacher)


def encoder_matrices(encoder: Any) -> tuple[str, ...]:
    """The names of the matrices that BERT's lottery prunes: six a layer and, where there is one, the pooler."""
    prefix = encoder.base_model_prefix
    layers = [
        f"{prefix}.encoder.layer.{i}.{name}.weight"
        for i in range(encoder.config.num_hidden_layers)
        for name in MATRICES
    ]
    return (*layers, *(name for name, _ in encoder.named_parameters() if name.endswith("pooler.dense.weight")))


def sst2_training(task: Sst2, seed: int, folder: Path) -> Train:
    """One epoch over the sample, checkpoints in `folder`; the score is the last step's accuracy."""
    settings = task.settings
    texts, held_out = task.tokens
    gold = torch.tensor(task.train.labels)
    plan = TrainingPlan(
        epochs=1, batch_size=settings.batch_size, learning_rate=settings.learning_rate, warmup=settings.warmup,
        evaluations_per_epoch=1, seed=seed, keep_best=False,
    )  # fmt: skip

    def step_loss(model: nn.Module, indices: list[int]) -> Tensor:
        batch = texts.batch(indices)
        if task.teacher is not None:
            return taught_loss(model, task.teacher.to(device_of(model)), batch)
        logits = teacher_logits(model, batch)
        return F.cross_entropy(logits.float(), gold[indices].to(logits.device))

    def run(model: nn.Module, start_step: int, stop_step: int | None) -> float:
        if start_step != 0 or stop_step is not None:
            raise PruningError("the SST-2 lottery rewinds to the pre-trained weights: train from step 0 to the end")
        folder.mkdir(parents=True, exist_ok=True)

        def evaluate() -> float:
            return accuracy(lambda batch: teacher_logits(model, batch), held_out, task.validation.labels)

        return train(model, texts.lengths, step_loss, evaluate, plan, folder, f"seed {seed}")[-1].metric

    return run


def taught_loss(model: nn.Module, teacher: nn.Module, batch: Batch) -> Tensor:
    """Softened logits, and the feature maps of every layer: the model has its teacher's shape."""
    inputs = teacher_inputs(teacher, batch.to(device_of(model)))
    with torch.no_grad():
        wanted = teacher(**inputs, output_hidden_states=True)
    found, mask = model(**inputs, output_hidden_states=True), inputs["attention_mask"].float()
    loss = logits_loss(found.logits.float(), wanted.logits.float())
    for ours, theirs in zip(found.hidden_states[1:], wanted.hidden_states[1:], strict=True):
        loss = loss + feature_map_loss(ours.float(), theirs.float(), mask)
    return loss


def play_sst2(space: Workspace, task: Sst2, seed: int, measure_bytes: bool) -> Iterator[Path]:
    """All rounds of one seed, as their folders: dense, both tickets, then the controls where they are trained."""
    sparsities = task.settings.sparsities()
    names = encoder_matrices(task.encoder(seed))
    pretrained: MakeModel = lambda: task.encoder(seed)  # noqa: E731
    recipe = task.recipe
    settings = {"teacher": recipe.teacher.model_dump(), "task": recipe.task.model_dump(), **asdict(task.settings)}

    def player(kind: str) -> Player:
        make_model = (lambda: task.random_encoder(seed)) if kind == "random_weights" else pretrained
        shuffled = kind == "shuffled_weights"

        def make(folder: Path) -> Lottery:
            training = sst2_training(task, seed, folder)
            lottery = Lottery(make_model, training, names, keep_weights=kind in GOING_ON)
            return with_shuffled_weights(lottery, seed) if shuffled else lottery

        return Player(kind, seed, make, settings, measure_bytes and kind == "ticket")

    dense = play_dense(space, player("ticket"), sparsities[0])
    yield dense
    tickets = dict(zip(sparsities, play_tickets(space, player("ticket"), dense, sparsities), strict=True))
    yield from tickets.values()
    yield from play_tickets(space, player("rate_ticket"), dense, sparsities)
    yield from play_longer(space, player("longer_dense"), dense, sparsities)
    for sparsity in task.settings.controls:
        found = tickets[sparsity]
        masked = player("random_mask")
        yield play_masked(space, masked, found, sparsity, lambda m: random_masks(m, seed, per_layer=True))
        for kind in CONTROLS[1:]:
            yield play_masked(space, player(kind), found, sparsity)


def count_sst2(settings: Sst2Settings) -> int:
    """How many folders `play_sst2` gives for one seed."""
    return 1 + 3 * settings.rounds + len(CONTROLS) * len(settings.controls)
