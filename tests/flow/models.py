"""Tiny trained models, and builds of them; random weights do as well as trained ones here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rmsmp_hls import flow
from rmsmp_hls import train as rt
from rmsmp_hls.config import BuildOptions
from rmsmp_hls.flow import BuildOutcome

IMAGES = 3


class Residual(nn.Module):
    """Every operation once: two convolutions, max pool, residual add, average pool, linear."""

    def __init__(self, channels: int = 3, width: int = 8, classes: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(2)
        self.branch = nn.Conv2d(width, width, 3, padding=1)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.norm(self.first(x))))
        x = torch.relu(self.branch(x) + x)
        return self.fc(torch.flatten(self.average(x), 1))


class Windows(nn.Module):
    """Kernels, strides, paddings and dilations of every kind; signed and unsigned tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Conv2d(3, 6, 1)
        self.wide = nn.Conv2d(6, 9, 5, padding=2)
        self.even = nn.Conv2d(9, 7, (2, 3), padding="same")  # a padding of one side only
        self.flat = nn.Conv2d(7, 8, (2, 3), stride=(2, 1), padding=(0, 1))
        self.long = nn.Conv2d(8, 8, 3, stride=3, padding=(2, 1))
        self.spread = nn.Conv2d(8, 10, 3, padding=2, dilation=2)
        self.fc = nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.wide(self.point(x)))
        x = F.max_pool2d(self.even(x), 3, stride=2, padding=1)
        x = F.avg_pool2d(F.relu6(self.flat(x)), (1, 2), stride=1)
        x = self.spread(torch.relu(self.long(x)))
        return self.fc(x.mean((2, 3)))


class Pooled(nn.Module):
    """Ends in codes: there are no logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(torch.relu(self.conv(x)), 2)


def perceptron() -> nn.Module:
    """Linear layers only."""
    return nn.Sequential(nn.Linear(20, 14), nn.ReLU(), nn.Linear(14, 6))


def point_network() -> nn.Module:
    """For images of one pixel."""
    return nn.Sequential(nn.Conv2d(5, 9, 3, padding=1), nn.ReLU(), nn.Conv2d(9, 4, 1), nn.Flatten())


def save_model(
    path: Path,
    net: nn.Module | None = None,
    shape: Sequence[int] = (3, 8, 6),
    *,
    images: int = IMAGES,
    labels: bool = True,
    signed: bool = True,
    meta: dict[str, float | int | str] | None = None,
    **prepare: Any,
) -> Path:
    """Quantize a network (with made-up batch statistics), save it with random images."""
    torch.manual_seed(7)
    net = Residual(shape[0]) if net is None else net
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.3)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
    net.eval()
    x = torch.rand(max(images, 8), *shape) * 2 - (1 if signed else 0)
    model = rt.prepare(net, x[:1], **prepare)
    rt.calibrate(model, [x])
    validation = None
    if labels:
        with torch.no_grad():
            answers = model.eval()(x[:images])
        classes = answers.argmax(1)
        classes[-1] = (classes[-1] + 1) % answers.shape[1]  # the last one is wrong
        validation = (x[:images], classes)
    rt.save(model, path, validation=validation, meta=meta)
    return path


@dataclass
class Recorder:
    """Notes what a build says of its stages; `at` is called as a stage begins."""

    events: list[tuple[str, str]] = field(default_factory=list)
    at: Any = None

    def stage(self, name: str, state: str, seconds: float | None, detail: str) -> None:
        self.events.append((name, state))
        if self.at is not None:
            self.at(name, state)

    def step(self, text: str, done: int, total: int) -> None:
        assert text and 0 <= done <= total


def build(model: Path, out: Path, **options: Any) -> BuildOutcome:
    """Build for zcu102 in native storage, unless `options` say otherwise."""
    options = {"storages": ("native",), **options}
    if "part" not in options:
        options.setdefault("board", "zcu102")
    return flow.build(BuildOptions(model, out=out, **options), Recorder())


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder; the lock is none of anybody's business."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }
