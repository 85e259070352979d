"""IntGraph: integers only, from input codes to the last accumulator. Formulas: docs/numerics.md.

All shapes are (C, H, W); a vector of F features is (F, 1, 1).
"""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.ir.coded_op import CodedOp
from rmsmp_hls.ir.types import ConstTensor, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class IntOp(CodedOp):
    """Base: one operation, one tensor of codes.

    `output.scale` is kept for reports; no integer operation reads it. `output` is None for
    logits: their integers are accumulators.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class IntInput(IntOp):
    """Input codes from the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntMatmul(IntOp):
    """acc[r] = sum w * a; y = clamp((acc * multiplier[r] + bias[r]) >> shift, low, high).

    Attributes:
        codes: uint8 [O, I / groups, KH, KW]; `formats` names each row's codebook.
        groups: row r reads channels g * I / groups .. of its group g = r div (O / groups).
        multiplier: int64 [O], signed, at most 18 bits.
        bias: int64 [O], fits 48 bits, rounding half included.
        shift: 0..47.
        low, high: bounds of the output code; for logits of int32.
        acc_bits: signed width that no partial sum of any row can overflow, also not when
            it is computed on shifted activations (a - 8 per unsigned nibble).
        logit_scale, logit_offset: float64 [O], logits only (else empty): the real value of
            a logit is logit_scale[r] * acc + logit_offset[r].
    """

    codes: ConstTensor
    formats: tuple[str, ...]
    window: Window
    multiplier: ConstTensor
    bias: ConstTensor
    shift: int
    low: int
    high: int
    acc_bits: int
    logit_scale: ConstTensor
    logit_offset: ConstTensor
    groups: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IntTable(IntOp):
    """y = table[a - low], `low` the smallest code of the operand's format.

    Attributes:
        table: int64 [number of codes of the operand's format], codes of `output`.
    """

    table: ConstTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class IntMultiply(IntOp):
    """y = clamp((a * b * multiplier + bias) >> shift, low, high); b may be (C, 1, 1)."""

    multiplier: int
    bias: int
    shift: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntConcat(IntOp):
    """Operands one behind the other along channels, all in the format of the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntSelect(IntOp):
    """Channel i of the result is channel indices[i]; codes unchanged."""

    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntUpsample(IntOp):
    """Every pixel becomes factors[0] x factors[1] pixels; codes unchanged."""

    factors: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntAdd(IntOp):
    """y = clamp((a * multipliers[0] + b * multipliers[1] + bias) >> shift, low, high).

    b may be (C, 1, 1).
    """

    multipliers: tuple[int, int]
    bias: int
    shift: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntMaxPool(IntOp):
    """Maximum of codes over a window; padding never wins."""

    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class IntSumPool(IntOp):
    """y = clamp((multiplier * sum of the window + bias) >> shift, low, high); padding is code 0.

    Average pooling; with a 1 x 1 window, requantization or padding of a tensor.
    """

    window: Window
    multiplier: int
    bias: int
    shift: int
    low: int
    high: int


INT_OPS: tuple[type[IntOp], ...] = (
    IntInput, IntMatmul, IntTable, IntAdd, IntMultiply, IntMaxPool, IntSumPool, IntConcat,
    IntSelect, IntUpsample,
)  # fmt: skip
