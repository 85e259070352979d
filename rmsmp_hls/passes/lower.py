"""QuantGraph -> IntGraph: every scale, batch norm and bias becomes integers.

Precondition: a legal QuantGraph. Effect: real arithmetic folds into multipliers, biases
and shifts; flatten disappears (a linear layer behind it becomes a convolution over the
whole image); vectors become 1 x 1 images. Invariant kept: weight codes never change.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.ir.graph import Graph, IntGraph, Level, QuantGraph
from rmsmp_hls.ir.int_ops import IntAdd, IntInput, IntMatmul, IntMaxPool, IntOp, IntSumPool
from rmsmp_hls.ir.quant_ops import (
    QuantAdd,
    QuantAvgPool,
    QuantFlatten,
    QuantInput,
    QuantMatmul,
    QuantMaxPool,
    QuantOp,
    QuantRequantize,
)
from rmsmp_hls.ir.types import ActFormat, ConstTensor, Shape, Window
from rmsmp_hls.numerics.codebooks import decode_rows
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
    last = next(op for op in lowering.ops if op.name == output)
    classifier = last.output is None and last.shape[1:] == (1, 1) and last.shape[0] > 1
    return Graph(Level.INT, tuple(lowering.ops), output, argmax=classifier)


class _Lowering:
    def __init__(self) -> None:
        self.ops: list[IntOp] = []
        self.alias: dict[str, str] = {}

    def visit(self, op: QuantOp) -> None:
        if isinstance(op, QuantFlatten):
            self.alias[op.name] = self.alias[op.inputs[0]]
            return
        sources = [self._source(name) for name in op.inputs]
        self.ops.append(_LOWER[type(op)](op, *sources))
        self.alias[op.name] = op.name

    def _source(self, name: str) -> IntOp:
        return next(op for op in self.ops if op.name == self.alias[name])


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


def _lower_input(op: QuantInput) -> IntOp:
    return IntInput(
        name=op.name, inputs=(), shape=_image(op.shape), output=op.output, module=op.module
    )


def _lower_matmul(op: QuantMatmul, source: IntOp) -> IntOp:
    codes = np.asarray(op.codes.array)
    window = op.window
    if window is None:  # over the whole image that a flatten hid; 1 x 1 for a vector
        channels, height, width = source.shape
        codes = codes.reshape(len(codes), channels, height, width)
        window = Window(kernel=(height, width))
    reach, acc_bits = _accumulator(op, codes, _format(source))
    unit = np.asarray(op.gain.array) * op.row_scales.array * _format(source).scale
    offset = np.asarray(op.offset.array, dtype=np.float64)
    shape = _image(op.shape)
    where = f"layer {op.module or op.name!r}"
    if op.output is None:
        scale = _logit_unit(unit, offset, reach)
        folded = requantization(unit / scale, offset / scale, reach, where)
        low, high = _INT32
        logits = ConstTensor(unit), ConstTensor(offset)
    else:
        folded = requantization(unit / op.output.scale, offset / op.output.scale, reach, where)
        low, high = _bounds(op.output, op.low, op.high)
        logits = _EMPTY, _EMPTY
    return IntMatmul(
        name=op.name,
        inputs=(source.name,),
        shape=shape,
        output=op.output,
        module=op.module,
        codes=ConstTensor(codes),
        formats=op.formats,
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
    power = np.array(  # row by row: all of a large layer in int64 would fill the memory
        [
            int(np.abs(decode_rows(codes[row : row + 1], op.formats[row : row + 1])).sum())
            for row in range(len(codes))
        ],
        dtype=np.int64,
    )
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


def _logit_unit(unit: Floats, offset: Floats, reach: Floats) -> float:
    """Return the real value of 1 in the logits' common scale.

    As fine as scores in 31 bits and multipliers in 17 bits allow.
    """
    largest = float((np.abs(unit) * reach + np.abs(offset)).max(initial=0.0))
    finest = max(largest / (1 << 30), float(np.abs(unit).max(initial=0.0)) / (1 << 16))
    return finest if finest > 0 else 1.0


def _single(gains: list[float], source: list[ActFormat], taps: int, op: QuantOp) -> Requantization:
    reach = [max(-f.low, f.high) * taps for f in source]
    return requantization(
        np.array(gains), np.zeros(len(gains)), np.array(reach) * len(gains), f"layer {op.module!r}"
    )


def _lower_add(op: QuantAdd, a: IntOp, b: IntOp) -> IntOp:
    output = _format(op)
    formats = [_format(a), _format(b)]
    folded = _single([f.scale / output.scale for f in formats], formats, 1, op)
    low, high = _bounds(output, op.low, op.high)
    first, second = (int(m) for m in folded.multiplier)
    return IntAdd(
        name=op.name,
        inputs=(a.name, b.name),
        shape=_image(op.shape),
        output=output,
        module=op.module,
        multipliers=(first, second),
        bias=int(folded.bias[0]),
        shift=folded.shift,
        low=low,
        high=high,
    )


def _lower_max_pool(op: QuantMaxPool, source: IntOp) -> IntOp:
    return IntMaxPool(
        name=op.name,
        inputs=(source.name,),
        shape=_image(op.shape),
        output=op.output,
        module=op.module,
        window=op.window,
    )


def _lower_sum_pool(op: QuantAvgPool | QuantRequantize, source: IntOp) -> IntOp:
    output = _format(op)
    window = op.window if isinstance(op, QuantAvgPool) else Window()
    taps = window.kernel[0] * window.kernel[1]
    gain = _format(source).scale / output.scale / taps
    folded = _single([gain], [_format(source)], taps, op)
    low, high = _bounds(output, op.low, op.high)
    shape = source.shape if isinstance(op, QuantRequantize) else _image(op.shape)
    return IntSumPool(
        name=op.name,
        inputs=(source.name,),
        shape=shape,
        output=output,
        module=op.module,
        window=window,
        multiplier=int(folded.multiplier[0]),
        bias=int(folded.bias[0]),
        shift=folded.shift,
        low=low,
        high=high,
    )


_LOWER: dict[type[QuantOp], Callable[..., IntOp]] = {
    QuantInput: _lower_input,
    QuantMatmul: _lower_matmul,
    QuantAdd: _lower_add,
    QuantMaxPool: _lower_max_pool,
    QuantAvgPool: _lower_sum_pool,
    QuantRequantize: _lower_sum_pool,
}
