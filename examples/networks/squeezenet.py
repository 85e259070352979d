"""SqueezeNet 1.1: Fire modules, no batch norm.

Source: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016,
figure 1 and section 3.1; version 1.1 is the authors' later one with a 3 x 3 first layer of 64
filters and earlier pooling.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Fire(nn.Module):
    """1 x 1 to few channels; then 1 x 1 and 3 x 3 side by side."""

    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, 2 expand, H, W]."""
        x = self.relu(self.squeeze(x))
        return torch.cat((self.relu(self.expand1(x)), self.relu(self.expand3(x))), dim=1)


class SqueezeNet(nn.Module):
    """[N, 3, 224, 224] -> [N, classes]."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()

        def pool() -> nn.MaxPool2d:
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(),
            Fire(64, 16, 64), Fire(128, 16, 64), pool(),
            Fire(128, 32, 128), Fire(256, 32, 128), pool(),
            Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Conv2d(512, classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes: not below 0, as the last ReLU is before the mean."""
        return torch.flatten(self.classifier(self.features(x)), 1)


def squeezenet() -> SqueezeNet:
    """Return SqueezeNet 1.1: 1.24 M parameters, 0.35 GMAC at 224 x 224."""
    return SqueezeNet()
