"""A network, data and settings so small that a training takes a moment."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rmsmp_hls.config.training import (
    Assignment,
    DataSource,
    LossSettings,
    NetworkSource,
    PhaseSettings,
    Quantization,
    TrainConfig,
)
from rmsmp_hls.trainer import TrainOutcome, train

HERE = Path(__file__).resolve().parent


def network(norm: str = "yes", channels: str = "4") -> nn.Module:
    """[N, 1, 4, 4] -> [N, 3]; with batch norm and dropout unless `norm` is "no"."""
    width = int(channels)
    extra = [nn.BatchNorm2d(width)] if norm == "yes" else []
    dropout = [nn.Dropout(0.1)] if norm == "yes" else []
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), *extra, nn.ReLU(), nn.Flatten(), *dropout,
        nn.Linear(16 * width, 3),
    )  # fmt: skip


def unsupported() -> nn.Module:
    """Two things that the accelerator does not compute."""
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.PReLU(), nn.GroupNorm(2, 4), nn.Flatten(),
                         nn.Linear(16, 3))  # fmt: skip


class Blobs:
    """Noisy images of three classes by their mean; item `kill` of the `nth` reading is the end."""

    def __init__(self, count: int, noise: float = 0.1) -> None:
        generator = torch.Generator().manual_seed(count)
        self.images = torch.randn(count, 1, 4, 4, generator=generator)
        self.classes = (self.images.mean((1, 2, 3)) * 8).clamp(-1, 1).round().long() + 1
        self.noise, self.reads, self.kill_at = noise, 0, 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.reads += 1
        if self.reads == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        image = self.images[index]
        return image + self.noise * torch.randn(image.shape), self.classes[index]


def data(kill_at: str = "0") -> tuple[Blobs, Blobs]:
    """64 + 6 training and 20 validation items; the process is killed at a reading."""
    training = Blobs(70)
    training.kill_at = int(os.environ.get("KILL_AT", kill_at))
    return training, Blobs(20, noise=0)


def broken_data(first: str = "3e38") -> tuple[Any, None]:
    """Item 5 has a number that overflows in the first layer."""
    items = Blobs(32)
    items.images[5] = float(first)
    return items, None


def config(out: Path, **changes: Any) -> TrainConfig:
    """Two float and three quantized epochs of four steps."""
    usual = TrainConfig(
        NetworkSource("tests.trainer.samples:network"),
        DataSource("tests.trainer.samples:data", batch_size=16, keep=10),
        Quantization(calibration_images=32),
        Assignment(images=16, refresh_epochs=1, frozen_epochs=1),
        PhaseSettings(2, lr=0.01, clip_norm=1.0),
        PhaseSettings(3, "sgd", 0.01, nesterov=True, warmup_epochs=0.5),
        LossSettings(label_smoothing=0.1, distillation=0.5),
        out,
        device="cpu",
    )
    return replace(usual, **changes)


def states(folder: Path) -> dict[str, Tensor]:
    """Return the model's tensors of a state file."""
    found: dict[str, Tensor] = torch.load(folder / "state" / "last.pt")["model"]
    return found


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether all tensors are equal to the bit."""
    return list(first) == list(second) and all(torch.equal(first[k], second[k]) for k in first)


class Stopped(Exception):
    """The training was stopped by the test."""


class StopAt:
    """Progress that stops a training at its n-th step."""

    def __init__(self, step: int) -> None:
        self.left = step

    def stage(self, name: str, state: str, seconds: float | None, detail: str) -> None:
        """A stage begins or is done."""

    def step(self, text: str, done: int, total: int) -> None:
        """Stop, if this is the step."""
        self.left -= 1
        if self.left == 0:
            raise Stopped


def run(settings: TrainConfig) -> TrainOutcome:
    """Train, with these functions for the network and the data."""
    return train(settings, HERE)


def log(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a training."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
