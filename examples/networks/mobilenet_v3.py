"""MobileNet-v3, the small one: squeeze and excite, hardswish.

Source: Howard et al., "Searching for MobileNetV3", 2019, table 2 and figure 4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# kernel, expanded channels, channels, squeeze and excite, hardswish (else ReLU), stride: table 2
BLOCKS = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)


def multiple_of_8(channels: float) -> int:
    """Return the nearest multiple of 8, at least 8, never below nine tenths of `channels`."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def conv_bn(
    inputs: int, outputs: int, kernel: int, act: nn.Module, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Return a convolution, its batch norm and what follows."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
        act,
    )


class SqueezeExcite(nn.Module):
    """Multiply every channel by a number from 0 to 1 that all channels' means decide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = multiple_of_8(channels / 4)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1), nn.ReLU(),
            nn.Conv2d(hidden, channels, 1), nn.Hardsigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        return x * self.gate(x)


class Block(nn.Module):
    """Expand, depthwise, squeeze and excite, project; a shortcut if shapes agree."""

    def __init__(
        self, inputs: int, kernel: int, width: int, outputs: int, squeeze: bool, hard: bool,
        stride: int,
    ) -> None:  # fmt: skip
        super().__init__()
        act = nn.Hardswish if hard else nn.ReLU
        layers = [conv_bn(inputs, width, 1, act())] if width != inputs else []
        layers.append(conv_bn(width, width, kernel, act(), stride, groups=width))
        self.branch = nn.Sequential(
            *layers,
            SqueezeExcite(width) if squeeze else nn.Identity(),
            conv_bn(width, outputs, 1, nn.Identity()),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        y: Tensor = self.branch(x)
        return x + y if self.shortcut else y


class MobileNetV3Small(nn.Module):
    """[N, 3, 224, 224] -> [N, classes]."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(3, 16, 3, nn.Hardswish(), 2)]
        channels = 16
        for kernel, width, outputs, squeeze, hard, stride in BLOCKS:
            layers.append(Block(channels, kernel, width, outputs, squeeze, hard, stride))
            channels = outputs
        layers.append(conv_bn(channels, 576, 1, nn.Hardswish()))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(576, 1024), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(1024, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


def mobilenet_v3_small() -> MobileNetV3Small:
    """Return MobileNet-v3 small, width 1.0: 2.54 M parameters, 0.056 GMAC at 224 x 224."""
    return MobileNetV3Small()
