"""How much a model's decisions depend on each of its heads and neurons: what every choice of units starts from.

Left out: how they are found (one file a method) and what is cut by them (`search.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...runtime.errors import PruningError


@dataclass(frozen=True)
class Importances:
    """`heads[layer]` [heads] and `neurons[layer][feed-forward]` [width], larger = more important.

    Raises PruningError when one of them is not a finite number.
    """

    heads: tuple[Tensor, ...]
    neurons: tuple[tuple[Tensor, ...], ...]

    def __post_init__(self) -> None:
        for place, values in self._places():
            if not torch.isfinite(values).all():
                wrong = values[~torch.isfinite(values)][0].item()
                raise PruningError(
                    f"{place}: an importance is {wrong}, all must be finite numbers: look for weights that are not"
                    " finite, or train the model again with a lower learning rate"
                )

    def _places(self) -> Iterator[tuple[str, Tensor]]:
        for index, (heads, parts) in enumerate(zip(self.heads, self.neurons, strict=True)):
            yield f"layer {index}: heads", heads
            for part in parts:
                yield f"layer {index}: neurons", part
