"""ShuffleNet-v2: channel split, concatenation and channel shuffle.

Source: Ma, Zhang, Zheng, Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN
Architecture Design", 2018, figure 3 (c, d) and table 5, width 1.0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    """Return a convolution, its batch norm, and ReLU unless told otherwise."""
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


def branch(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Return 1 x 1, depthwise 3 x 3, 1 x 1."""
    return nn.Sequential(
        conv_bn(inputs, outputs, 1),
        conv_bn(outputs, outputs, 3, stride, groups=outputs, relu=False),
        conv_bn(outputs, outputs, 1),
    )


class Shuffle(nn.Module):
    """Channel g * C / groups + i becomes channel i * groups + g."""

    def __init__(self, groups: int = 2) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        batch, channels, height, width = x.shape
        x = x.view(batch, self.groups, channels // self.groups, height, width)
        return x.transpose(1, 2).reshape(batch, channels, height, width)


class Unit(nn.Module):
    """One half of the channels passes, the other is computed; then all are shuffled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = branch(channels // 2, channels // 2, 1)
        self.shuffle = Shuffle()

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        left, right = x.chunk(2, dim=1)
        return self.shuffle(torch.cat((left, self.branch(right)), dim=1))


class DownUnit(nn.Module):
    """Two branches of stride 2, side by side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.left = nn.Sequential(
            conv_bn(inputs, inputs, 3, 2, groups=inputs, relu=False),
            conv_bn(inputs, outputs // 2, 1),
        )
        self.right = branch(inputs, outputs // 2, 2)
        self.shuffle = Shuffle()

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / 2, W / 2]."""
        return self.shuffle(torch.cat((self.left(x), self.right(x)), dim=1))


class ShuffleNetV2(nn.Module):
    """[N, 3, 224, 224] -> [N, classes]."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1))
        channels, stages = 24, []
        for width, count in ((116, 4), (232, 8), (464, 4)):
            stages.append(
                nn.Sequential(DownUnit(channels, width), *(Unit(width) for _ in range(count - 1)))
            )
            channels = width
        self.stages = nn.Sequential(*stages)
        self.last = conv_bn(channels, 1024, 1)
        self.fc = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.fc(self.last(self.stages(self.stem(x))).mean((2, 3)))


def shufflenet_v2() -> ShuffleNetV2:
    """Return ShuffleNet-v2, width 1.0: 2.28 M parameters, 0.146 GMAC at 224 x 224."""
    return ShuffleNetV2()
