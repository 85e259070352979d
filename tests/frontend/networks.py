"""Small variants of the networks that people have; each says where its operations differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def block(i: int, o: int, k: int = 3, s: int = 1, g: int = 1, act: type[nn.Module] = nn.ReLU):
    """Convolution, batch norm, activation function."""
    conv = nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(o), act())


class Basic(nn.Module):
    """Residual block of ResNet, its activation in place and used twice."""

    def __init__(self, i: int, o: int, s: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.relu = nn.ReLU(inplace=True)
        self.down = (
            nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o)) if s > 1 else None
        )

    def forward(self, x: Tensor) -> Tensor:
        short = x if self.down is None else self.down(x)
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += short
        return self.relu(y)


class Inverted(nn.Module):
    """Inverted residual of MobileNet-v2, with squeeze and excite that of v3."""

    def __init__(self, i: int, o: int, s: int, act: type[nn.Module], squeeze: bool = False) -> None:
        super().__init__()
        self.expand, self.depth = block(i, 2 * i, 1, act=act), block(2 * i, 2 * i, 3, s, 2 * i, act)
        self.squeeze = Squeeze(2 * i) if squeeze else nn.Identity()
        self.project = nn.Sequential(nn.Conv2d(2 * i, o, 1, bias=False), nn.BatchNorm2d(o))
        self.residual = s == 1 and i == o

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.squeeze(self.depth(self.expand(x))))
        return x + y if self.residual else y


class Squeeze(nn.Module):
    """Squeeze and excite by 1 x 1 convolutions."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(c, c // 2, 1), nn.Conv2d(c // 2, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))
        return F.hardsigmoid(self.fc2(scale)) * x


class Shuffle(nn.Module):
    """Unit of ShuffleNet-v2: split, branch, concat, channel shuffle."""

    def __init__(self, c: int) -> None:
        super().__init__()
        c //= 2
        self.branch = nn.Sequential(
            block(c, c, 1), nn.Conv2d(c, c, 3, 1, 1, groups=c), nn.BatchNorm2d(c), block(c, c, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = x.chunk(2, dim=1)
        out = torch.cat((x1, self.branch(x2)), dim=1)
        n, c, h, w = out.size()
        out = out.view(n, 2, c // 2, h, w)
        return torch.transpose(out, 1, 2).contiguous().view(n, -1, h, w)


class Fire(nn.Module):
    """Fire module of SqueezeNet: two branches joined."""

    def __init__(self, i: int, s: int, e: int) -> None:
        super().__init__()
        self.squeeze, self.one = nn.Conv2d(i, s, 1), nn.Conv2d(s, e, 1)
        self.three, self.act = nn.Conv2d(s, e, 3, padding=1), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.squeeze(x))
        return torch.cat([self.act(self.one(x)), self.act(self.three(x))], 1)


class Dense(nn.Module):
    """Dense block: batch norm first, everything so far joined."""

    def __init__(self, i: int, growth: int, layers: int) -> None:
        super().__init__()
        sizes = [i + n * growth for n in range(layers)]
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes)
        self.convs = nn.ModuleList(nn.Conv2d(size, growth, 3, padding=1) for size in sizes)

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for norm, conv in zip(self.norms, self.convs, strict=True):
            found.append(conv(F.relu(norm(torch.cat(found, 1)))))
        return torch.cat(found, 1)


class Csp(nn.Module):
    """YOLO's backbone and neck: split stages, pyramid pooling, upsampling, concat, SiLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = block(3, 8, 3, 2, act=nn.SiLU), block(8, 16, 3, 2, act=nn.SiLU)
        self.inner, self.join = block(8, 8, act=nn.SiLU), block(24, 16, 1, act=nn.SiLU)
        self.pool, self.after = nn.MaxPool2d(5, 1, 2), block(48, 8, 1, act=nn.SiLU)
        self.up, self.head = nn.Upsample(scale_factor=2), nn.Conv2d(16, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        early = self.stem(x)
        x = self.down(early)
        a, b = x.chunk(2, 1)
        x = self.join(torch.cat([a, b, self.inner(b)], 1))
        y = self.pool(x)
        x = self.after(torch.cat([x, y, self.pool(y)], 1))
        return self.head(torch.cat([self.up(x), early], 1))


class Handmade(nn.Module):
    """MobileNet-v3 as it was written before nn.Hardswish: relu6(x + 3) / 6, view and expand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.relu = nn.ReLU6(inplace=True)
        self.fc = nn.Sequential(nn.Linear(8, 4), nn.ReLU(inplace=True), nn.Linear(4, 8))
        self.last = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        x = x * (self.relu(x + 3) / 6)
        b, c, _, _ = x.size()
        y = F.adaptive_avg_pool2d(x, 1).view(b, c)
        y = (self.relu(self.fc(y) + 3) / 6).view(b, c, 1, 1)
        x = x * y.expand_as(x)
        return self.last(x.mean(3).mean(2))


def vgg() -> nn.Module:
    """Convolutions and pools, then linear layers with dropout."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2, 2),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(True), nn.MaxPool2d(2, 2),
        nn.AdaptiveAvgPool2d((2, 2)), nn.Flatten(), nn.Linear(32, 16), nn.ReLU(True),
        nn.Dropout(), nn.Linear(16, 5), nn.LogSoftmax(dim=1),
    )  # fmt: skip


def line() -> nn.Module:
    """A network of one dimension: dilated and grouped convolutions of a signal."""
    return nn.Sequential(
        nn.Conv1d(2, 8, 7, 2, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(8, 8, 3, padding="same", dilation=2, groups=8), nn.Conv1d(8, 12, 1),
        nn.BatchNorm1d(12), nn.ELU(), nn.AvgPool1d(2), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
        nn.Linear(12, 4),
    )  # fmt: skip


def head(c: int) -> list[nn.Module]:
    """Global pooling and a linear layer."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 5)]


IMAGE = (3, 16, 16)
NETWORKS: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet": (
        lambda: nn.Sequential(
            block(3, 8, 7, 2), nn.MaxPool2d(3, 2, 1), Basic(8, 8), Basic(8, 16, 2), *head(16)
        ),
        IMAGE,
    ),
    "mobilenet v2": (
        lambda: nn.Sequential(
            block(3, 8, 3, 2, act=nn.ReLU6), Inverted(8, 8, 1, nn.ReLU6),
            Inverted(8, 12, 2, nn.ReLU6), *head(12),
        ),
        IMAGE,
    ),
    "mobilenet v3": (
        lambda: nn.Sequential(
            block(3, 8, 3, 2, act=nn.Hardswish), Inverted(8, 8, 1, nn.Hardswish, True), *head(8)
        ),
        IMAGE,
    ),
    "handmade": (Handmade, IMAGE),
    "shufflenet v2": (lambda: nn.Sequential(block(3, 8), Shuffle(8), Shuffle(8), *head(8)), IMAGE),
    "squeezenet": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.ReLU(True), nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(8, 4, 8), nn.Dropout(), nn.Conv2d(16, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Softmax(dim=-1),
        ),
        (3, 15, 15),
    ),
    "densenet": (lambda: nn.Sequential(block(3, 8, 3, 2), Dense(8, 4, 3), *head(20)), IMAGE),
    "yolo": (Csp, IMAGE),
    "vgg": (vgg, IMAGE),
    "line": (line, (2, 40)),
}  # fmt: skip
ENDS_IN_SOFTMAX = {"squeezenet": "softmax", "vgg": "log_softmax"}
