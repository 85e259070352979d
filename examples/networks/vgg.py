"""VGG-16 with batch norm.

Source: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", 2014, table 1, column D; a batch norm behind every convolution (Ioffe, Szegedy,
2015).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    """[N, 3, 224, 224] -> [N, classes]."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage in WIDTHS:
            for width in stage:
                conv = nn.Conv2d(channels, width, 3, padding=1)
                layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(4096, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.classifier(torch.flatten(self.features(x), 1))


def vgg16_bn() -> VGG16:
    """Return VGG-16 with batch norm: 138.4 M parameters, 15.5 GMAC at 224 x 224."""
    return VGG16()
