"""QuantGraph -> IntGraph: every scale, batch norm and bias becomes integers.

Precondition: a legal QuantGraph. Effect: real arithmetic folds into multipliers, biases
and shifts; flatten disappears (a linear layer behind it becomes a convolution over the
whole image); vectors become 1 x 1 images; rows of 3 or 2 bits get the codes of the 4-bit format
that has their integers. Invariant kept: weight integers never change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.ir.graph import Graph, IntGraph, Level, QuantGraph
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntConcat,
    IntInput,
    IntMatmul,
    IntMaxPool,
    IntMultiply,
    IntOp,
    IntSelect,
    IntSumPool,
    IntTable,
    IntUpsample,
)
from rmsmp_hls.ir.quant_ops import (
    QuantAdd,
    QuantAvgPool,
    QuantConcat,
    QuantFlatten,
    QuantInput,
    QuantMatmul,
    QuantMaxPool,
    QuantMultiply,
    QuantOp,
    QuantPad,
    QuantRequantize,
    QuantSelect,
    QuantTable,
    QuantUnflatten,
    QuantUpsample,
)
from rmsmp_hls.ir.types import ActFormat, ConstTensor, Shape, Window
from rmsmp_hls.numerics.codebooks import array_rows, row_powers
from rmsmp_hls.numerics.functions import apply_function
from rmsmp_hls.numerics.multipliers import restricted_gains
from rmsmp_hls.numerics.requantize import Requantization, quantize_values, requantization

Floats = npt.NDArray[np.float64]
_EMPTY = ConstTensor(np.zeros(0))
_INT32 = (-(1 << 31), (1 << 31) - 1)


def lower(graph: QuantGraph) -> IntGraph:
    """Return the integer network.

    Raises:
        LoweringError: a scale does not fit the multiplier, an accumulator passes 32 bits.
    """
    lowering = _Lowering()
    for op in graph:
        lowering.visit(op)
    output = lowering.alias[graph.output]
    last = lowering.by_name[output]
    classifier = last.output is None and last.shape[1:] == (1, 1) and last.shape[0] > 1
    return Graph(Level.INT, tuple(lowering.ops), output, argmax=classifier)


class _Lowering:
    def __init__(self) -> None:
        self.ops: list[IntOp] = []
        self.by_name: dict[str, IntOp] = {}
        self.alias: dict[str, str] = {}

    def visit(self, op: QuantOp) -> None:
        if isinstance(op, (QuantFlatten, QuantUnflatten)):
            self.alias[op.name] = self.alias[op.inputs[0]]
            return
        sources = [self.by_name[self.alias[name]] for name in op.inputs]
        lowered = _LOWER[type(op)](op, *sources)
        self.ops.append(lowered)
        self.by_name[op.name] = lowered
        self.alias[op.name] = op.name


def _image(shape: Shape) -> Shape:
    return shape if len(shape) == 3 else (shape[0], 1, 1)


def _format(op: QuantOp | IntOp) -> ActFormat:
    assert op.output is not None, f"{op.name} makes no codes"
    return op.output


def _bounds(output: ActFormat, low: float, high: float) -> tuple[int, int]:
    """Return the output's code range, narrowed by the clamp; rounding is monotonic."""
    codes = [output.low, output.high]
    for i, bound in enumerate((low, high)):
        if np.isfinite(bound):
            codes[i] = int(quantize_values(bound, output.scale, output.low, output.high))
    return codes[0], max(codes)


def _common(op: QuantOp, sources: tuple[IntOp, ...], shape: Shape | None = None) -> dict[str, Any]:
    """Return the fields that every operation has; `shape` where it is not the operation's own."""
    return {
        "name": op.name,
        "inputs": tuple(source.name for source in sources),
        "shape": shape or _image(op.shape),
        "output": op.output,
        "module": op.module,
    }


def _lower_input(op: QuantInput) -> IntOp:
    return IntInput(**_common(op, ()))


def _lower_matmul(op: QuantMatmul, source: IntOp) -> IntOp:
    codes = np.asarray(op.codes.array)
    window = op.window
    if window is None:  # over the whole image that a flatten hid; 1 x 1 for a vector
        channels, height, width = source.shape
        codes = codes.reshape(len(codes), channels, height, width)
        window = Window(kernel=(height, width))
    reach, acc_bits = _accumulator(op, codes, _format(source))
    stored, formats = array_rows(codes, op.formats)
    unit = np.asarray(op.gain.array) * op.row_scales.array * _format(source).scale
    offset = np.asarray(op.offset.array, dtype=np.float64)
    where = f"layer {op.module or op.name!r}"
    if op.output is None:
        scale = _logit_unit(unit, offset, reach, op.multiplier_terms)
        folded = requantization(unit / scale, offset / scale, reach, where, op.multiplier_terms)
        low, high = _INT32
        logits = ConstTensor(unit), ConstTensor(offset)
    else:
        scale = op.output.scale
        folded = requantization(unit / scale, offset / scale, reach, where, op.multiplier_terms)
        low, high = _bounds(op.output, op.low, op.high)
        logits = _EMPTY, _EMPTY
    return IntMatmul(
        **_common(op, (source,)),
        groups=op.groups,
        codes=ConstTensor(stored),
        formats=formats,
        window=window,
        multiplier=ConstTensor(folded.multiplier),
        bias=ConstTensor(folded.bias),
        shift=folded.shift,
        low=low,
        high=high,
        acc_bits=acc_bits,
        logit_scale=logits[0],
        logit_offset=logits[1],
    )


def _accumulator(
    op: QuantMatmul, codes: npt.NDArray[np.uint8], source: ActFormat
) -> tuple[Floats, int]:
    """Return (largest |acc| per row, bits of any partial sum, shifted nibbles included)."""
    power = row_powers(codes, op.formats)
    shifted = 8 * sum(16**plane for plane in range(source.planes))
    largest = max(-source.low, source.high)
    worst = int(power.max(initial=0)) * max(shifted, largest)
    bits = max(8, worst.bit_length() + 1)
    if bits > 32:
        raise LoweringError(
            f"an accumulator needs {bits} bits, the array has at most 32",
            where=f"layer {op.module or op.name!r}",
            fix="use fewer bits for its activations, or split the layer",
        )
    return power.astype(np.float64) * largest, bits


def _logit_unit(unit: Floats, offset: Floats, reach: Floats, terms: int) -> float:
    """Return the real value of 1 in the logits' common scale.

    As fine as scores in 31 bits and multipliers in 17 bits allow; a power of two where
    multipliers are sums of few of them.
    """
    largest = float((np.abs(unit) * reach + np.abs(offset)).max(initial=0.0))
    finest = max(largest / (1 << 30), float(np.abs(unit).max(initial=0.0)) / (1 << 16))
    if finest <= 0:
        return 1.0
    return math.ldexp(1.0, math.frexp(finest)[1]) if terms else finest


def _requantized(gains: list[float], reach: list[int], op: QuantOp) -> Requantization:
    """Return multipliers of sums of terms, none of which passes `reach`; one bias, one shift."""
    return requantization(
        restricted_gains(gains, op.multiplier_terms),
        np.zeros(len(gains)),
        np.array(reach) * len(gains),
        f"layer {op.module or op.name!r}",
        op.multiplier_terms,
    )


def _reach(source: IntOp) -> int:
    form = _format(source)
    return max(-form.low, form.high)


def _bounded(op: QuantAdd | QuantMultiply | QuantAvgPool | QuantRequantize) -> dict[str, Any]:
    low, high = _bounds(_format(op), op.low, op.high)
    return {"low": low, "high": high}


def _lower_add(op: QuantAdd, a: IntOp, b: IntOp) -> IntOp:
    gains = [_format(source).scale / _format(op).scale for source in (a, b)]
    folded = _requantized(gains, [_reach(a), _reach(b)], op)
    first, second = (int(m) for m in folded.multiplier)
    return IntAdd(
        **_common(op, (a, b), a.shape),
        **_bounded(op),
        multipliers=(first, second),
        bias=int(folded.bias[0]),
        shift=folded.shift,
    )


def _lower_multiply(op: QuantMultiply, a: IntOp, b: IntOp) -> IntOp:
    gain = _format(a).scale * _format(b).scale / _format(op).scale
    folded = _requantized([gain], [_reach(a) * _reach(b)], op)
    return IntMultiply(
        **_common(op, (a, b), a.shape),
        **_bounded(op),
        multiplier=int(folded.multiplier[0]),
        bias=int(folded.bias[0]),
        shift=folded.shift,
    )


def _lower_table(op: QuantTable, source: IntOp) -> IntOp:
    read, made = _format(source), _format(op)
    values = np.arange(read.low, read.high + 1) * read.scale
    clamped = np.clip(apply_function(op.function, op.parameter, values), op.low, op.high)
    table = quantize_values(clamped, made.scale, made.low, made.high)
    return IntTable(**_common(op, (source,), source.shape), table=ConstTensor(table))


def _lower_max_pool(op: QuantMaxPool, source: IntOp) -> IntOp:
    return IntMaxPool(**_common(op, (source,)), window=op.window)


def _lower_sum_pool(op: QuantAvgPool | QuantRequantize, source: IntOp) -> IntOp:
    window = op.window if isinstance(op, QuantAvgPool) else Window()
    taps = window.kernel[0] * window.kernel[1]
    gain = _format(source).scale / _format(op).scale / taps
    folded = _requantized([gain], [_reach(source) * taps], op)
    shape = source.shape if isinstance(op, QuantRequantize) else None
    return IntSumPool(
        **_common(op, (source,), shape),
        **_bounded(op),
        window=window,
        multiplier=int(folded.multiplier[0]),
        bias=int(folded.bias[0]),
        shift=folded.shift,
    )


def _lower_pad(op: QuantPad, source: IntOp) -> IntOp:
    form = _format(op)
    return IntSumPool(
        **_common(op, (source,)),
        window=Window(padding=op.padding),
        multiplier=1,
        bias=0,
        shift=0,
        low=form.low,
        high=form.high,
    )


def _lower_concat(op: QuantConcat, *sources: IntOp) -> IntOp:
    channels = sum(source.shape[0] for source in sources)
    return IntConcat(**_common(op, sources, (channels, *sources[0].shape[1:])))


def _lower_select(op: QuantSelect, source: IntOp) -> IntOp:
    return IntSelect(**_common(op, (source,)), indices=op.indices)


def _lower_upsample(op: QuantUpsample, source: IntOp) -> IntOp:
    return IntUpsample(**_common(op, (source,)), factors=op.factors)


_LOWER: dict[type[QuantOp], Callable[..., IntOp]] = {
    QuantInput: _lower_input,
    QuantMatmul: _lower_matmul,
    QuantTable: _lower_table,
    QuantAdd: _lower_add,
    QuantMultiply: _lower_multiply,
    QuantMaxPool: _lower_max_pool,
    QuantAvgPool: _lower_sum_pool,
    QuantRequantize: _lower_sum_pool,
    QuantPad: _lower_pad,
    QuantConcat: _lower_concat,
    QuantSelect: _lower_select,
    QuantUpsample: _lower_upsample,
}
