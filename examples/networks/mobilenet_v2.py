"""MobileNet-v2.

Source: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", 2018, tables 1 and 2, width multiplier 1.0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# expansion t, channels c, blocks n, stride s: table 2
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
          (6, 160, 3, 2), (6, 320, 1, 1))  # fmt: skip


def conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    """Return a convolution, its batch norm, and ReLU6 unless the bottleneck is linear."""
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU6()) if relu else nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """1 x 1 to t times the channels, depthwise 3 x 3, linear 1 x 1; a shortcut if shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        layers = [conv_bn(inputs, width, 1)] if expansion != 1 else []
        self.branch = nn.Sequential(
            *layers,
            conv_bn(width, width, 3, stride, groups=width),
            conv_bn(width, outputs, 1, relu=False),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        y: Tensor = self.branch(x)
        return x + y if self.shortcut else y


class MobileNetV2(nn.Module):
    """[N, 3, 224, 224] -> [N, classes]."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(3, 32, 3, 2)]
        channels = 32
        for expansion, outputs, count, stride in STAGES:
            for index in range(count):
                first = stride if index == 0 else 1
                layers.append(InvertedResidual(channels, outputs, first, expansion))
                channels = outputs
        layers.append(conv_bn(channels, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = torch.flatten(self.pool(self.features(x)), 1)
        return self.fc(self.dropout(x))


def mobilenet_v2() -> MobileNetV2:
    """Return MobileNet-v2, width 1.0: 3.50 M parameters, 0.30 GMAC at 224 x 224."""
    return MobileNetV2()
