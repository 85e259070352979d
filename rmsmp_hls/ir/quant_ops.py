"""QuantGraph: weight codes, row formats and activation formats are chosen; algebra is not done.

Batch norm, bias and clamp have been gathered into the operation that they follow, as
exact affine maps; `output` is the format of the codes that the operation makes, or None
for the last layer, which leaves real-valued logits.
"""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.ir.coded_op import CodedOp
from rmsmp_hls.ir.types import ConstTensor, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantOp(CodedOp):
    """Base: scales are still real numbers.

    Attributes:
        multiplier_terms: most signed powers of two of every integer multiplier of the operation;
            0: any 18-bit number. A layer's row scales already are such that it has no more.
    """

    multiplier_terms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantInput(QuantOp):
    """The network's input, quantized by the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantMatmul(QuantOp):
    """Convolution or linear layer with row formats, then affine, clamp, quantization.

    value[r] = clamp(gain[r] * sum_c w[r, c] * a[c] + offset[r], low, high), with
    w = row_scale[r] * integer(code) and a = the input's value.

    Attributes:
        codes: uint8 [O, I / groups, KH, KW]; of a linear layer [O, F]. A batch norm that stands
            alone is a convolution with groups = O whose weights all are the integer 1.
        formats: codebook name of every row.
        row_scales: float64 [O], value of weight integer 1.
        gain, offset: float64 [O], batch norm and bias.
        window: None for a linear layer.
        low, high: bounds of the clamp that follows, or -inf, inf.
    """

    codes: ConstTensor
    formats: tuple[str, ...]
    row_scales: ConstTensor
    gain: ConstTensor
    offset: ConstTensor
    window: Window | None
    low: float
    high: float
    groups: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantTable(QuantOp):
    """clamp(function(a), low, high), quantized: a table with an entry per code of a.

    `function` and `parameter` as of `ir.float_ops.Activation`.
    """

    function: str
    parameter: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantMultiply(QuantOp):
    """clamp(a * b, low, high), quantized; b may be (C, 1, 1)."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantConcat(QuantOp):
    """Operands one behind the other along channels; all have the format of the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantSelect(QuantOp):
    """Channel i of the result is channel indices[i]; codes unchanged."""

    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantUpsample(QuantOp):
    """Nearest neighbour by whole factors (vertical, horizontal); codes unchanged."""

    factors: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantPad(QuantOp):
    """The code 0 around the image: padding (top, left, bottom, right); codes unchanged."""

    padding: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantAdd(QuantOp):
    """clamp(a + b, low, high), quantized; b may be (C, 1, 1)."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantMaxPool(QuantOp):
    """Maximum of codes; `output` equals the input's format."""

    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantAvgPool(QuantOp):
    """Mean (padding counts), clamped and quantized."""

    window: Window
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantRequantize(QuantOp):
    """clamp(a, low, high) in another format: an 8-bit branch read at 4 bits, a lone ReLU."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantFlatten(QuantOp):
    """(C, H, W) -> (C * H * W,); codes unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantUnflatten(QuantOp):
    """(F,) -> (F, 1, 1); codes unchanged."""


QUANT_OPS: tuple[type[QuantOp], ...] = (
    QuantInput, QuantMatmul, QuantTable, QuantAdd, QuantMultiply, QuantMaxPool, QuantAvgPool,
    QuantRequantize, QuantConcat, QuantSelect, QuantUpsample, QuantPad, QuantFlatten,
    QuantUnflatten,
)  # fmt: skip
