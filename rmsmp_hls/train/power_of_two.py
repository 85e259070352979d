"""Activation scales that are powers of two, with a binary point that is trained.

The parameter is the logarithm of the scale; its exponent is rounded to a whole number, and the
gradient passes the rounding. Source: QFX (arXiv 2401.17544), trainable binary points.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.train.quantizers import straight_through

SCALE_VALUES = ("free", "po2")


def parse_scale_values(word: str) -> bool:
    """Return whether scales are powers of two.

    Raises:
        ConfigError: not one of `SCALE_VALUES`.
    """
    if word not in SCALE_VALUES:
        raise ConfigError(f"unknown activation scales {word[:40]!r}", fix="choose 'free' or 'po2'")
    return word == "po2"


def nearest_power(scale: Tensor) -> Tensor:
    """Return 2^round(log2 scale), exactly; gradients as if the exponent were not rounded."""
    exponent = torch.round(torch.log2(scale.detach()))
    power = torch.ldexp(torch.ones_like(scale), exponent.to(torch.int32))
    return straight_through(scale * (power / scale.detach()), power)


def powers_near(scale: float) -> tuple[float, ...]:
    """Return the powers of two that calibration tries beside a scale: two below, two above."""
    exponent = math.floor(math.log2(scale))
    return tuple(math.ldexp(1.0, exponent + step) for step in (-1, 0, 1, 2))
