"""The learned state of all quantizers: scales, row formats. Keys lie under `rmsmp.`.

A scale is `base * exp(log_factor)`: `base` is what calibration found, `log_factor` a parameter
that starts at 0 and is trained. A scale thus stays positive, weight decay pulls it towards
calibration, and a step changes it by a share of itself: LSQ (arXiv 1902.08153) trains the
scale itself and needs the gradient factor 1 / sqrt(n * high) for that balance, which still
lets scales of small tensors run away under plain SGD. The gradient to the scale is LSQ's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.numerics.codebooks import CODEBOOKS, codebook
from rmsmp_hls.quant.rows import row_scales_mse
from rmsmp_hls.train.quantizers import quantize_activation, quantize_rows

_NAMES = tuple(CODEBOOKS)


class _Quantizer(nn.Module):
    """A quantizer whose state a plain float checkpoint need not have."""

    base: Tensor
    log_factor: nn.Parameter
    may_be_absent = False

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        if not self.may_be_absent:
            super()._load_from_state_dict(state_dict, prefix, *args)

    def _scale(self) -> Tensor:
        return self.base.double() * torch.exp(self.log_factor.double())


class ActivationQuantizer(_Quantizer):
    """One scale for a whole tensor or scale group; formats as in docs/numerics.md."""

    signed: Tensor

    def __init__(self, bits: int, signed: bool, narrow: bool = True) -> None:
        super().__init__()
        self.bits, self.narrow = bits, narrow
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

    def calibrate(self, scale: float, signed: bool) -> None:
        """Start again from this scale (> 0)."""
        with torch.no_grad():
            self.base.fill_(scale)
            self.log_factor.zero_()
            self.signed.fill_(signed)
        self.refresh()

    def scale(self) -> Tensor:
        """Return the scale, a float64 scalar."""
        return self._scale()

    def forward(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return (codes of value's type and shape, scale) of a batch."""
        scale = self.scale().to(value.dtype)
        return quantize_activation(value, scale, self.low, self.high), scale

    def format(self) -> ActFormat:
        """Return the format as plain numbers."""
        return ActFormat(self.bits, self.is_signed, float(self.scale().detach()), self.narrow)


class RowQuantizer(_Quantizer):
    """One format and one scale per row of a layer's weights."""

    formats: Tensor

    def __init__(self, rows: int, device: torch.device) -> None:
        super().__init__()
        self.log_factor = nn.Parameter(torch.zeros(rows, device=device))
        self.register_buffer("base", torch.ones(rows, device=device))
        self.register_buffer("formats", torch.full((rows,), _NAMES.index("Fixed-4"), device=device))
        self.refresh()

    def refresh(self) -> None:
        """Read back the buffers that Python code decides by."""
        self.names = tuple(_NAMES[int(index)] for index in self.formats)

    def assign(self, formats: tuple[str, ...], weight: Tensor) -> None:
        """Set the formats; rows whose format changes get the scale of least error."""
        changed = [i for i, (a, b) in enumerate(zip(self.names, formats, strict=True)) if a != b]
        with torch.no_grad():
            self.formats.copy_(torch.tensor([_NAMES.index(name) for name in formats]))
        self.refresh()
        self.fit(weight, changed)

    def load(self, formats: tuple[str, ...], scales: Tensor) -> None:
        """Take over formats and scales [O] as they are."""
        with torch.no_grad():
            self.formats.copy_(torch.tensor([_NAMES.index(name) for name in formats]))
            self.base.copy_(scales)
            self.log_factor.zero_()
        self.refresh()

    def fit(self, weight: Tensor, rows: list[int] | None = None) -> None:
        """Set the scale of the given rows (default all) to that of least squared error.

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
                scales = torch.from_numpy(row_scales_mse(flat[mine], codebook(name)))
                self.base[mine] = scales.to(self.base)
                self.log_factor[mine] = 0.0

    def scales(self) -> Tensor:
        """Return the scales, float64 [O]."""
        return self._scale()

    def forward(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return (integers float64 [O, ...], scales float64 [O])."""
        scales = self.scales()
        return quantize_rows(weight, scales, self.names), scales


class QuantState(nn.Module):
    """All quantizers by their names and the layers'; "." is written "/" in keys.

    Attributes:
        quantized: whether the quantizers are on.
        ratio: asked shares shift-add : Fixed-4 : Fixed-8.
        frozen_norms: whether batch norm uses, and keeps, its running statistics in training.
        eight_bit_ends: whether first and last layers are kept in 8 bits; in the state_dict.
        was_absent: whether the last state_dict that was loaded had no quantizers.
    """

    eight_bit_ends: Tensor

    def __init__(
        self,
        activations: Mapping[str, ActivationQuantizer],
        rows: Mapping[str, RowQuantizer],
    ) -> None:
        super().__init__()
        self.activations = _table(activations)
        self.rows = _table(rows)
        self.register_buffer("eight_bit_ends", torch.tensor(False))
        self.was_absent = False
        self.quantized, self.frozen_norms = True, False
        self.ratio: tuple[float, float, float] = (0.0, 1.0, 0.0)

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

    def refresh(self) -> None:
        """Read back all buffers, after they were loaded."""
        for part in self.modules():
            if isinstance(part, (ActivationQuantizer, RowQuantizer)):
                part.refresh()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        self.was_absent = not any(key.startswith(prefix) for key in state_dict)
        state_dict.setdefault(f"{prefix}eight_bit_ends", self.eight_bit_ends)  # of earlier versions
        for part in self.modules():
            if isinstance(part, _Quantizer):
                part.may_be_absent = self.was_absent
        super()._load_from_state_dict(state_dict, prefix, *args)


def _key(name: str) -> str:
    return name.replace(".", "/")


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
