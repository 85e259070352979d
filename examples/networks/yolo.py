"""A one-stage detector in the manner of YOLO: CSP backbone, spatial pyramid pooling, a neck.

Sources: Wang et al., "CSPNet", 2019 (split, compute one half, concatenate); He et al., "Spatial
Pyramid Pooling", 2014, as YOLOv3-SPP uses it (max pools of stride 1 side by side); Bochkovskiy
et al., "YOLOv4", 2020, and Wang et al., "Scaled-YOLOv4", 2020, section 4.3 (the tiny backbone).
One map of predictions, at a sixteenth of the image's size: 3 anchors x (4 + 1 + 80 classes).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

ANCHORS, CLASSES = 3, 80


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution, its batch norm, LeakyReLU(0.1)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1),
    )


class CspBlock(nn.Module):
    """3 x 3; its second half through two 3 x 3, both kept; 1 x 1; beside what came in; halved."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_bn(channels, channels, 3)
        self.second = conv_bn(channels // 2, channels // 2, 3)
        self.third = conv_bn(channels // 2, channels // 2, 3)
        self.join = conv_bn(channels, channels, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, C, H, W] -> [N, 2 C, H / 2, W / 2] and the join [N, C, H, W]."""
        x = self.first(x)
        second = self.second(x.chunk(2, dim=1)[1])
        joined = self.join(torch.cat((self.third(second), second), dim=1))
        return self.pool(torch.cat((x, joined), dim=1)), joined


class PyramidPool(nn.Module):
    """Max pools of 5, 9 and 13 with stride 1 beside the tensor itself."""

    def __init__(self) -> None:
        super().__init__()
        self.pools = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, 4 C, H, W]."""
        return torch.cat((x, *(pool(x) for pool in self.pools)), dim=1)


class Yolo(nn.Module):
    """[N, 3, 416, 416] -> [N, 255, 26, 26]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 32, 3, 2), conv_bn(32, 64, 3, 2))
        self.block1, self.block2, self.block3 = CspBlock(64), CspBlock(128), CspBlock(256)
        self.deep = nn.Sequential(
            conv_bn(512, 512, 3), conv_bn(512, 256, 1), PyramidPool(), conv_bn(1024, 256, 1)
        )
        self.up = nn.Sequential(conv_bn(256, 128, 1), nn.Upsample(scale_factor=2, mode="nearest"))
        self.neck = conv_bn(128 + 256, 256, 3)
        self.head = nn.Conv2d(256, ANCHORS * (5 + CLASSES), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the predictions of every cell, before sigmoid and boxes."""
        x, _ = self.block1(self.stem(x))
        x, _ = self.block2(x)
        x, fine = self.block3(x)
        return self.head(self.neck(torch.cat((self.up(self.deep(x)), fine), dim=1)))


def yolo() -> Yolo:
    """Return the detector: 5.01 M parameters, 3.28 GMAC at 416 x 416 (counted here)."""
    return Yolo()
