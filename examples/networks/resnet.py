"""ResNet-18 and ResNet-50.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015, table 1 and
figure 5; the stride of a bottleneck is in its 3 x 3 convolution, as in the later published
training recipes (4.09 instead of 3.86 GMAC).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

Layers = tuple[int, int, int, int]


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the size (before its stride), and its batch norm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Residual(nn.Module, ABC):
    """relu(branch(x) + shortcut(x)); the shortcut is a projection where the shapes differ."""

    expansion: int

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.branch = self.make_branch(inputs, width, stride)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = conv_bn(inputs, outputs, 1, stride)
        self.relu = nn.ReLU()

    @abstractmethod
    def make_branch(self, inputs: int, width: int, stride: int) -> nn.Sequential:
        """Return the layers beside the shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, width * expansion, H / stride, W / stride]."""
        return self.relu(self.branch(x) + self.shortcut(x))


class Basic(Residual):
    """Two 3 x 3 convolutions."""

    expansion = 1

    def make_branch(self, inputs: int, width: int, stride: int) -> nn.Sequential:
        """Return conv, batch norm, ReLU, conv, batch norm."""
        return nn.Sequential(conv_bn(inputs, width, 3, stride), nn.ReLU(), conv_bn(width, width, 3))


class Bottleneck(Residual):
    """1 x 1 to a quarter of the channels, 3 x 3, 1 x 1 back."""

    expansion = 4

    def make_branch(self, inputs: int, width: int, stride: int) -> nn.Sequential:
        """Return three convolutions with batch norm, ReLU between them."""
        return nn.Sequential(
            conv_bn(inputs, width, 1), nn.ReLU(),
            conv_bn(width, width, 3, stride), nn.ReLU(),
            conv_bn(width, width * self.expansion, 1),
        )  # fmt: skip


class ResNet(nn.Module):
    """[N, 3, 224, 224] -> [N, classes]."""

    def __init__(self, block: type[Residual], layers: Layers, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        channels, stages = 64, []
        for stage, count in enumerate(layers):
            width, blocks = 64 << stage, []
            for index in range(count):
                blocks.append(block(channels, width, 2 if stage and not index else 1))
                channels = width * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.fc(torch.flatten(self.pool(self.stages(self.stem(x))), 1))


def resnet18() -> ResNet:
    """Return ResNet-18: 11.69 M parameters, 1.81 GMAC at 224 x 224."""
    return ResNet(Basic, (2, 2, 2, 2))


def resnet50() -> ResNet:
    """Return ResNet-50: 25.56 M parameters, 4.09 GMAC at 224 x 224."""
    return ResNet(Bottleneck, (3, 4, 6, 3))
