"""The rounds of a lottery as stages on disk: each is computed once, so that a killed experiment goes on.

A round's folder holds `point.json`, `masks.safetensors` (what it was trained under), `next.safetensors` (what the round
after is trained under) and, where a later round goes on from them, `weights.safetensors`. Left out: what is drawn and
trained (`lottery_digits.py`, `lottery_sst2.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from ...compress.prune.lottery import Lottery, Round, play_round
from ...compress.prune.lottery_curve import Point
from ...compress.prune.sparse_bytes import coded_size
from ...compress.prune.weight_masks import Masks, full_masks, load_masks, save_masks, smallest_removed
from ..text_files import read_json, write_json
from ..workspace import CHECKPOINTS, Workspace

MakeLottery = Callable[[Path], Lottery]
"""The lottery whose training keeps its checkpoints in the given folder."""
PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True)
class Player:
    """A lottery of one seed under a kind's name; `settings` is everything that decides its scores."""

    kind: str
    seed: int
    make: MakeLottery
    settings: Mapping[str, Any]
    measure_bytes: bool = False


def play_dense(space: Workspace, player: Player, first: float) -> Path:
    """The dense round, and the masks of the first sparsity."""

    def work(folder: Path) -> None:
        lottery = player.make(folder / CHECKPOINTS)
        done = play_round(lottery, _whole(lottery))
        _write(folder, player, "dense", 0.0, done, first)
        save_file(dict(done.weights), folder / "weights.safetensors")

    return space.stage("dense", work, settings=_identity(player, first))


def play_tickets(space: Workspace, player: Player, dense: Path, sparsities: Sequence[float]) -> Iterator[Path]:
    """One round for each of the rising sparsities, pruned from the one before; the first from the dense round."""
    before = dense
    for sparsity, following in zip(sparsities, [*sparsities[1:], None], strict=True):
        before = _play_round(space, player, before, sparsity, following, _found(before))
        yield before


def play_longer(space: Workspace, player: Player, dense: Path, sparsities: Sequence[float]) -> Iterator[Path]:
    """One round of the whole network for each sparsity, every one from the weights before it."""
    before = dense
    for sparsity in sparsities:
        before = _play_round(space, player, before, sparsity, None, _whole)
        yield before


def play_masked(
    space: Workspace, player: Player, found: Path, sparsity: float, change: Callable[[Masks], Masks] = lambda m: m
) -> Path:
    """One training under the masks of the round `found`, or under what `change` makes of them."""

    def work(folder: Path) -> None:
        lottery = player.make(folder / CHECKPOINTS)
        done = play_round(lottery, change(load_masks(found / "masks.safetensors")))
        _write(folder, player, player.kind, sparsity, done, None)

    return space.stage(player.kind.replace("_", "-"), work, inputs=[found], settings=_identity(player, sparsity))


def read_point(folder: Path) -> Point:
    """The point of a round's folder."""
    return Point(**read_json(folder / "point.json")["point"])


def read_sizes(folder: Path) -> list[dict[str, Any]] | None:
    """Its coded sizes, where they were measured."""
    sizes: list[dict[str, Any]] | None = read_json(folder / "point.json")["sizes"]
    return sizes


def _play_round(
    space: Workspace, player: Player, before: Path, sparsity: float, following: float | None,
    masks_of: Callable[[Lottery], Masks],
) -> Path:  # fmt: skip
    """One training after the round in `before`, under what `masks_of` gives."""

    def work(folder: Path) -> None:
        lottery = player.make(folder / CHECKPOINTS)
        weights = load_file(before / "weights.safetensors") if lottery.keep_weights else None
        done = play_round(lottery, masks_of(lottery), weights)
        _write(folder, player, player.kind, sparsity, done, following)
        if lottery.keep_weights:
            save_file(dict(done.weights), folder / "weights.safetensors")

    name = player.kind.replace("_", "-")
    return space.stage(name, work, inputs=[before], settings={**_identity(player, sparsity), "following": following})


def _found(before: Path) -> Callable[[Lottery], Masks]:
    return lambda _: load_masks(before / "next.safetensors")


def _whole(lottery: Lottery) -> Masks:
    return full_masks(lottery.make_model(), lottery.names)


def _write(folder: Path, player: Player, kind: str, sparsity: float, done: Round, following: float | None) -> None:
    sizes = [asdict(coded_size(done.weights, p)) for p in PRECISIONS] if player.measure_bytes else None
    save_masks(done.masks, folder / "masks.safetensors")
    if following is not None:
        save_masks(smallest_removed(done.weights, done.masks, following), folder / "next.safetensors")
    point = Point(kind, sparsity, player.seed, done.score)
    write_json(folder / "point.json", {"point": asdict(point), "sizes": sizes})


def _identity(player: Player, sparsity: float) -> dict[str, Any]:
    return {"seed": player.seed, "sparsity": sparsity, "bytes": player.measure_bytes, **player.settings}
