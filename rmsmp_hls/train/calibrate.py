"""Calibration: the scale of every quantized tensor, from what the float network makes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.train.model import RmsmpModel, evaluating
from rmsmp_hls.train.power_of_two import powers_near
from rmsmp_hls.train.state import QuantState

Method = Literal["mse", "percentile"]

_SAMPLES = 1 << 15  # numbers per tensor that the search looks at
_KEPT = 32 * _SAMPLES  # numbers per tensor that are kept meanwhile
_COARSE = torch.logspace(-3.0, 0.1, 63, base=2.0, dtype=torch.float64)
_FINE = torch.linspace(0.96, 1.04, 17, dtype=torch.float64)


class Observer:
    """What one tensor holds: extremes, and a random sample of each batch (fixed seed).

    Random, because a stride that shares a factor with the image's width would see some of its
    columns only.
    """

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf
        self.parts: list[Tensor] = []
        self.share, self.kept = 1.0, 0
        self.finite = True
        self.generator = torch.Generator().manual_seed(0)

    def see(self, value: Tensor) -> None:
        """Take note of the tensor's values in one batch."""
        flat = value.detach().flatten()
        self.finite = self.finite and bool(torch.isfinite(flat).all())
        self.low = min(self.low, float(flat.min()))
        self.high = max(self.high, float(flat.max()))
        wanted = max(1, round(self.share * min(flat.numel(), _SAMPLES)))
        self.parts.append(self._some(flat, wanted).cpu())
        self.kept += wanted
        if self.kept > _KEPT:  # however many batches there are, memory is bounded
            self.parts = [self._some(part, (part.numel() + 1) // 2) for part in self.parts]
            self.kept = sum(part.numel() for part in self.parts)
            self.share /= 2

    def sample(self) -> Tensor:
        """Return a sample of all batches, float64."""
        flat = torch.cat(self.parts)
        return self._some(flat, min(flat.numel(), _SAMPLES)).double()

    def _some(self, flat: Tensor, wanted: int) -> Tensor:
        if wanted == flat.numel():
            return flat.clone()
        index = torch.randint(flat.numel(), (wanted,), generator=self.generator)
        return flat[index.to(flat.device)]


def calibrate(
    model: RmsmpModel,
    batches: Iterable[Tensor | Sequence[Tensor]],
    *,
    method: Method = "mse",
    percentile: float = 99.9,
) -> None:
    """Set all activation scales from data and fit all row scales to the weights.

    The float network runs in evaluation mode over the batches. The network's input becomes
    unsigned if no number in them is negative.

    Args:
        model: a prepared model.
        batches: inputs [N, ...], or sequences whose first item is one (as a DataLoader's).
        method: least squared error over a grid of scales, or a percentile of |value| at
            the largest code.
        percentile: 50..100.

    Raises:
        ConfigError: unknown method or percentile.
        QuantizationError: no batch was given or one that is no batch of images, or a tensor holds
            NaN or infinity.
    """
    check_method(method, percentile)
    observers: dict[str, Observer] = {}

    def observe(name: str, value: Tensor) -> None:
        observers.setdefault(model.plan.quantizer_of(name), Observer()).see(value)

    with torch.no_grad(), evaluating(model, quantized=False):
        for batch in batches:
            model.run(_images(batch), observe=observe)
    set_scales(model.rmsmp, observers, model.graph.input.name, method, percentile)
    model.reset_row_scales()


def _images(batch: Tensor | Sequence[Tensor]) -> Tensor:
    found = batch[0] if isinstance(batch, Sequence) and len(batch) else batch
    if isinstance(found, Tensor) and found.dim() and len(found):
        return found
    shown = f"shape {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
    raise QuantizationError(
        f"a batch of {shown} holds no images",
        where="calibration",
        fix="give batches [N, ...] with N >= 1, or sequences that begin with one",
    )


def check_method(method: str, percentile: float) -> None:
    """Refuse what is no way to calibrate.

    Raises:
        ConfigError: unknown method or percentile.
    """
    if method not in ("mse", "percentile"):
        raise ConfigError(f"unknown calibration {method!r}", fix="choose 'mse' or 'percentile'")
    if not 50 <= percentile <= 100:
        raise ConfigError(f"percentile {percentile}", fix="choose one of 50..100, e.g. 99.9")


def set_scales(
    state: QuantState,
    observers: Mapping[str, Observer],
    network_input: str,
    method: Method,
    percentile: float,
) -> None:
    """Give every observed tensor the scale that its values ask for.

    A tensor that never was anything but zero gets a scale that lets code `high` mean 1.

    Raises:
        QuantizationError: nothing was observed, or NaN or infinity was.
    """
    if not observers:
        raise QuantizationError("calibration saw no data", fix="give at least one batch")
    bad = [name for name, seen in observers.items() if not seen.finite]
    if bad:
        raise QuantizationError(
            "activations are NaN or infinite", where=f"tensor {bad[0]!r}", fix="look at the data"
        )
    for name, seen in observers.items():
        quantizer = state.activation(name)
        signed = seen.low < 0 if name == network_input else quantizer.is_signed
        quantizer.calibrate(1.0, signed)
        low, high, sample = quantizer.low, quantizer.high, seen.sample()
        if method == "mse":
            largest = max(seen.high, -seen.low if signed else 0.0)
            scale = scale_of_least_error(sample, largest, low, high)
        else:
            scale = _at_percentile(sample, percentile, high)
        if quantizer.power_of_two:
            powers = powers_near(scale)
            scale = min(powers, key=lambda power: float(_error(sample, power, low, high)))
        quantizer.calibrate(scale, signed)


def scale_of_least_error(sample: Tensor, largest: float, low: int, high: int) -> float:
    """Return the scale of least squared error for codes low..high; 1 / high without data > 0.

    Args:
        sample: float64 numbers, one dimension.
        largest: largest magnitude that the codes should reach.
        low, high: the codes' range.
    """
    if largest <= 0:
        return 1.0 / high
    best = largest / high
    for grid in (_COARSE, _FINE):
        scales = best * grid
        errors = [float(_error(sample, float(scale), low, high)) for scale in scales]
        best = float(scales[errors.index(min(errors))])
    return best


def _error(sample: Tensor, scale: float, low: int, high: int) -> Tensor:
    codes = torch.floor(sample / scale + 0.5).clamp(low, high)
    return ((codes * scale - sample) ** 2).mean()


def _at_percentile(sample: Tensor, percentile: float, high: int) -> float:
    magnitude = sample.abs()
    bound = float(torch.quantile(magnitude, percentile / 100)) or float(magnitude.max())
    return bound / high if bound > 0 else 1.0 / high
