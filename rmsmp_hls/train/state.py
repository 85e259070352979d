"""The learned state of all quantizers: scales, row formats. Keys lie under `rmsmp.`.

A scale is `base * exp(log_factor)`: `base` is what calibration found, `log_factor` a parameter
that starts at 0 and is trained. A scale thus stays positive, weight decay pulls it towards
calibration, and a step changes it by a share of itself: LSQ (arXiv 1902.08153) trains the
scale itself and needs the gradient factor 1 / sqrt(n * high) for that balance, which still
lets scales of small tensors run away under plain SGD. The gradient to the scale is LSQ's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.numerics.codebooks import CODEBOOKS, Codebook, codebook
from rmsmp_hls.quant.rows import row_scales_mse
from rmsmp_hls.train.fused import row_bounds, row_offsets, row_values
from rmsmp_hls.train.power_of_two import nearest_power
from rmsmp_hls.train.quantizers import quantize_activation, quantize_rows
from rmsmp_hls.train.settings import ScaleSettings

_NAMES = tuple(CODEBOOKS)
_DEFAULT = ScaleSettings()


class _Quantizer(nn.Module):
    """A quantizer whose state a plain float checkpoint need not have."""

    base: Tensor
    log_factor: nn.Parameter
    may_be_absent = False

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        if not self.may_be_absent:
            super()._load_from_state_dict(state_dict, prefix, *args)

    def _scale(self) -> Tensor:
        return self.scale_from(self.base.double(), self.log_factor.double())

    @staticmethod
    def scale_from(base: Tensor, log_factor: Tensor) -> Tensor:
        """Return the scale of each pair of numbers: the one place where a scale comes from."""
        return base * torch.exp(log_factor)


class ActivationQuantizer(_Quantizer):
    """One scale for a whole tensor or scale group; formats as in docs/numerics.md."""

    signed: Tensor
    clips = False  # PACT's gradient: to the scale from clipped values only

    def __init__(self, bits: int, signed: bool, narrow: bool = True) -> None:
        super().__init__()
        self.bits, self.narrow = bits, narrow
        self.power_of_two = False
        self.log_factor = nn.Parameter(torch.zeros(()))
        self.register_buffer("base", torch.full((), math.nan))
        self.register_buffer("signed", torch.tensor(signed))
        self.refresh()

    def refresh(self) -> None:
        """Read back the buffers that Python code decides by."""
        self.is_signed = bool(self.signed)
        self.ready = bool(torch.isfinite(self.base) & (self.base > 0))
        shape = ActFormat(self.bits, self.is_signed, 1.0, self.narrow)
        self.low, self.high = shape.low, shape.high

    def configure(self, settings: ScaleSettings) -> None:
        """Learn the scale as the settings say."""
        self.clips = settings.activation_scale == "pact"
        self.log_factor.requires_grad_(settings.activation_scale != "fixed")

    def calibrate(self, scale: float, signed: bool) -> None:
        """Start again from this scale (> 0)."""
        with torch.no_grad():
            self.base.fill_(scale)
            self.log_factor.zero_()
            self.signed.fill_(signed)
        self.refresh()

    def scale(self) -> Tensor:
        """Return the scale, a float64 scalar."""
        return nearest_power(self._scale()) if self.power_of_two else self._scale()

    def forward(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return (codes of value's type and shape, scale) of a batch."""
        scale = self.scale().to(value.dtype)
        return quantize_activation(value, scale, self.low, self.high, self.clips), scale

    def format(self) -> ActFormat:
        """Return the format as plain numbers."""
        return ActFormat(self.bits, self.is_signed, float(self.scale().detach()), self.narrow)


class RowQuantizer(_Quantizer):
    """One format and one scale per row of a layer's weights."""

    formats: Tensor
    offsets: Tensor
    bounds: Tensor
    settings = ScaleSettings()

    def __init__(self, rows: int, device: torch.device) -> None:
        super().__init__()
        self.log_factor = nn.Parameter(torch.zeros(rows, device=device))
        self.register_buffer("base", torch.ones(rows, device=device))
        formats = torch.full((rows,), _NAMES.index("Fixed-4"), device=device)
        self.register_buffer("formats", formats)
        self.register_buffer("offsets", row_offsets(formats), persistent=False)
        self.register_buffer("bounds", row_bounds(formats), persistent=False)
        self.refresh()

    def refresh(self) -> None:
        """Read back the buffers that Python code decides by."""
        self.names = tuple(_NAMES[index] for index in self.formats.tolist())
        self.offsets, self.bounds = row_offsets(self.formats), row_bounds(self.formats)

    def configure(self, settings: ScaleSettings) -> None:
        """Fit and learn the scales as the settings say."""
        self.settings = settings
        self.log_factor.requires_grad_(settings.weight_scale == "lsq")

    def assign(self, formats: tuple[str, ...], weight: Tensor) -> None:
        """Set the formats; rows whose format changes get a fitted scale, or all if none learns."""
        changed = [i for i, (a, b) in enumerate(zip(self.names, formats, strict=True)) if a != b]
        with torch.no_grad():
            self.formats.copy_(torch.tensor([_NAMES.index(name) for name in formats]))
        self.refresh()
        self.fit(weight, changed if self.settings.weight_scale == "lsq" else None)

    def load(self, formats: tuple[str, ...], scales: Tensor) -> None:
        """Take over formats and scales [O] as they are."""
        with torch.no_grad():
            self.formats.copy_(torch.tensor([_NAMES.index(name) for name in formats]))
            self.base.copy_(scales)
            self.log_factor.zero_()
        self.refresh()

    def fit(self, weight: Tensor, rows: list[int] | None = None) -> None:
        """Fit the scale of the given rows (default all) to the weights.

        Raises:
            QuantizationError: the weights hold NaN or infinity.
        """
        chosen = list(range(len(self.names))) if rows is None else rows
        whole = weight.detach().reshape(weight.shape[0], -1).cpu()
        flat = (whole if whole.dtype == torch.float32 else whole.double()).numpy()
        if not np.isfinite(flat).all():
            raise QuantizationError(
                "the weights hold NaN or infinity", fix="lower the learning rate, train again"
            )
        with torch.no_grad():
            for name in sorted({self.names[row] for row in chosen}):
                mine = [row for row in chosen if self.names[row] == name]
                scales = torch.from_numpy(self._fitted(flat, mine, codebook(name)))
                self.base[mine] = scales.to(self.base)
                self.log_factor[mine] = 0.0

    def _fitted(
        self, flat: npt.NDArray[np.floating], rows: list[int], book: Codebook
    ) -> npt.NDArray[np.float64]:
        if self.settings.weight_fit == "mse":
            return row_scales_mse(flat[rows], book)
        whole = self.settings.weight_fit == "max-abs"
        some = np.abs(flat if whole else flat[rows]).max(axis=None if whole else 1)
        largest = np.broadcast_to(np.asarray(some, dtype=np.float64), (len(rows),))
        return np.where(largest > 0, largest / book.max_magnitude, 1.0)

    def scales(self) -> Tensor:
        """Return the scales, float64 [O]."""
        return self._scale()

    def forward(self, weight: Tensor, factors: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (integers float64 [O, ...], scales float64 [O], times `factors` if given)."""
        scales = self.scales() if factors is None else self.scales() * factors
        return quantize_rows(weight, scales, self.names), scales

    def training_values(self, weight: Tensor, scales: Tensor, gains: Tensor) -> Tensor:
        """Return integers * gains [O, ...], made the fast way; scales and gains are [O]."""
        return row_values(weight, scales, gains, self.offsets, self.bounds)


@dataclass(frozen=True, slots=True)
class Scales:
    """All scales of a state at one time, by the names of their quantizers.

    Attributes:
        activations: name -> scalar.
        inverses: the same of 1 / scale, for quotients; without gradient to the scale for PACT.
        rows: layer -> [O].
    """

    activations: Mapping[str, Tensor]
    inverses: Mapping[str, Tensor]
    rows: Mapping[str, Tensor]


class QuantState(nn.Module):
    """All quantizers by their names and the layers'; "." is written "/" in keys.

    Attributes:
        settings: where the scales come from.
        names, row_names: of the activations' quantizers, and the layers'.
        quantized: whether the quantizers are on.
        ratio: asked shares shift-add : Fixed-4 : Fixed-8.
        multiplier_terms: most signed powers of two of an integer multiplier; 0: any number.
        frozen_norms: whether batch norm uses, and keeps, its running statistics in training.
        eight_bit_ends: whether first and last layers are kept in 8 bits; in the state_dict.
        was_absent: whether the last state_dict that was loaded had no quantizers.
    """

    eight_bit_ends: Tensor
    choices: Tensor

    def __init__(
        self,
        activations: Mapping[str, ActivationQuantizer],
        rows: Mapping[str, RowQuantizer],
        settings: ScaleSettings = _DEFAULT,
    ) -> None:
        super().__init__()
        self.activations = _table(activations)
        self.rows = _table(rows)
        self.register_buffer("eight_bit_ends", torch.tensor(False))
        self.names, self.row_names = tuple(activations), tuple(rows)
        self.register_buffer("choices", torch.tensor(settings.encoded(), dtype=torch.uint8))
        self.was_absent = False
        self.quantized, self.frozen_norms = True, False
        self.ratio: tuple[float, float, float] = (0.0, 1.0, 0.0)
        self.multiplier_terms = 0
        self.refresh()

    def restrict(self, multiplier_terms: int, power_of_two_scales: bool) -> None:
        """Say what multipliers and activation scales may be; before calibration."""
        self.multiplier_terms = multiplier_terms
        for part in self.modules():
            if isinstance(part, ActivationQuantizer):
                part.power_of_two = power_of_two_scales

    @property
    def restricted(self) -> bool:
        """Whether multipliers or scales may only take certain values."""
        powers = any(self.activation(name).power_of_two for name in self.names)
        return powers or self.multiplier_terms > 0

    def activation(self, name: str) -> ActivationQuantizer:
        """Return a quantizer by its name (`QuantPlan.quantizer_of` a tensor or narrow)."""
        found = self.activations._modules[_key(name)]
        assert isinstance(found, ActivationQuantizer)
        return found

    def row(self, layer: str) -> RowQuantizer:
        """Return the quantizer of a layer's weights."""
        found = self.rows._modules[_key(layer)]
        assert isinstance(found, RowQuantizer)
        return found

    def scales(self, dtype: torch.dtype) -> Scales:
        """Return all scales, made together: in small networks each operation counts."""
        rows = [self.row(name) for name in self.row_names]
        per_row = _together(rows, dtype)
        per_tensor = _together([self.activation(name) for name in self.names], dtype)
        inverses = (per_tensor.detach() if self.clips else per_tensor).reciprocal()
        split = torch.split(per_row, [len(row.names) for row in rows])
        return Scales(
            dict(zip(self.names, per_tensor.unbind(), strict=True)),
            dict(zip(self.names, inverses.unbind(), strict=True)),
            dict(zip(self.row_names, split, strict=True)),
        )

    @property
    def clips(self) -> bool:
        """Whether activations have PACT's gradient."""
        return self.settings.activation_scale == "pact"

    def refresh(self) -> None:
        """Read back all buffers, after they were loaded."""
        self.settings = ScaleSettings.decoded(tuple(self.choices.tolist()))
        for part in self.modules():
            if isinstance(part, (ActivationQuantizer, RowQuantizer)):
                part.refresh()
                part.configure(self.settings)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        self.was_absent = not any(key.startswith(prefix) for key in state_dict)
        state_dict.setdefault(f"{prefix}eight_bit_ends", self.eight_bit_ends)  # of earlier versions
        for part in self.modules():
            if isinstance(part, _Quantizer):
                part.may_be_absent = self.was_absent
        key = f"{prefix}choices"
        if key not in state_dict:  # of before there was a choice, or a float network's
            kept = self.settings if self.was_absent else _DEFAULT
            state_dict[key] = torch.tensor(kept.encoded(), dtype=torch.uint8)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _key(name: str) -> str:
    return name.replace(".", "/")


def _together(parts: Sequence[_Quantizer], dtype: torch.dtype) -> Tensor:
    """Return the scales of quantizers of one class, one after the other."""
    if not parts:
        return torch.zeros(0, dtype=dtype)
    bases = torch.cat([part.base.reshape(-1) for part in parts])
    logs = torch.cat([part.log_factor.reshape(-1) for part in parts])
    return parts[0].scale_from(bases, logs).to(dtype)


def _table(parts: Mapping[str, nn.Module]) -> nn.Module:
    table = nn.Module()  # not a ModuleDict: that refuses layers called "keys" or "items"
    for name, part in parts.items():
        if _key(name) in table._modules:
            raise QuantizationError(
                "two layers have the same name but for '.' and '/'",
                where=f"layer {name!r}",
                fix="rename one of them",
            )
        table._modules[_key(name)] = part
    return table
