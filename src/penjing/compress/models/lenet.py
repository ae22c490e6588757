"""LeNet-300-100 (LeCun et al. 1998, section III.C.3) for 8x8 images: two hidden layers and the output.

The small vision model of the lottery ticket paper (Frankle & Carbin 2019, arXiv 1803.03635, section 2), with its
Gaussian Glorot start; scikit-learn's digits have 64 pixels instead of MNIST's 784. Left out: the convolutional LeNet-5.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PIXELS = 64
WIDTHS = (300, 100)


class LeNet300(nn.Module):
    """Images [batch, 8, 8] or [batch, 64] -> logits [batch, classes]; 50,200 weights and 410 biases for ten classes."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.first = nn.Linear(PIXELS, WIDTHS[0])
        self.second = nn.Linear(*WIDTHS)
        self.output = nn.Linear(WIDTHS[1], classes)

    def forward(self, images: Tensor) -> Tensor:
        hidden = F.relu(self.second(F.relu(self.first(images.flatten(1)))))
        logits: Tensor = self.output(hidden)
        return logits


def random_lenet(seed: int, classes: int = 10) -> LeNet300:
    """Gaussian Glorot matrices and zero biases drawn by `seed`; the hidden layers do not depend on `classes`."""
    model = LeNet300(classes)
    source = torch.Generator().manual_seed(seed)
    for layer in (model.first, model.second, model.output):
        nn.init.xavier_normal_(layer.weight, generator=source)
        nn.init.zeros_(layer.bias)
    return model
