"""What a tensor of the file is to the importers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rmsmp_hls.frontend.onnx.model import Array
from rmsmp_hls.frontend.onnx.views import View, sizes
from rmsmp_hls.ir.float_ops import FloatOp
from rmsmp_hls.ir.types import ActFormat


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor that the network computes: `view` of what operation `op` makes."""

    op: str
    view: View

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in the file, with the batch."""
        return sizes(self.view)


@dataclass(frozen=True, slots=True)
class WeightCodes:
    """The integers behind quantized weights: value = scale * integer.

    Attributes:
        integers: int64, shape of the weights.
        scale: float64, the same shape.
        bits: width that the file gives them.
    """

    integers: npt.NDArray[np.int64]
    scale: npt.NDArray[np.float64]
    bits: int


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """An array that does not depend on the input; `codes` if the file quantizes it."""

    array: Array
    codes: WeightCodes | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape


@dataclass(frozen=True, slots=True)
class Coded:
    """Integers of a QuantizeLinear on their way to a DequantizeLinear.

    Attributes:
        source: what was quantized.
        scale: value of a step.
        zero_point: the integer of value 0.
        low, high: range of the integers.
    """

    source: Tensor | Constant
    scale: Array
    zero_point: Array
    low: int
    high: int
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in the file."""
        return self.source.shape


@dataclass(frozen=True, slots=True)
class Unknown:
    """Stands for the result of a node that could not be imported."""

    shape: tuple[int, ...] = ()


Value = Tensor | Constant | Coded | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantizer(FloatOp):
    """A quantizer of the file, between import and `quantizers.py`, which takes it out."""

    format: ActFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(FloatOp):
    """x * factor + shift, two numbers for all elements; becomes a batch norm if it stays."""

    factor: float
    shift: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Half(FloatOp):
    """A function that is known only as a part of others: "erf", "softplus"."""

    function: str
