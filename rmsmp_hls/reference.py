"""The integer reference: executes an IntGraph exactly, formula by formula as docs/numerics.md.

Everything is int64, but for the sums of products: those are made by BLAS in float32 or float64
where every partial sum, in whatever order, is an integer that the type holds exactly.

The generated C++ must equal it with `==` on every element of every operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.graph import IntGraph
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
from rmsmp_hls.ir.types import Window
from rmsmp_hls.numerics.codebooks import decode_rows, row_blocks, row_powers

Codes = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]
_TILE_NUMBERS = 1 << 21  # numbers of a window matrix at a time: 8 or 16 MiB


def run(graph: IntGraph, codes: Codes, progress: Progress | None = None) -> dict[str, Codes]:
    """Execute the network.

    Args:
        graph: the integer network.
        codes: int64 [N, C, H, W], codes of the input.
        progress: called with (operation, number done, number in all).

    Returns:
        Tensor name -> int64 [N, C, H, W]; of logits the accumulators.

    Raises:
        QuantizationError: the input has the wrong shape or codes beyond its format.
    """
    first = graph.input
    assert first.output is not None
    if codes.ndim != 4 or codes.shape[1:] != first.shape:
        raise QuantizationError(
            f"the input has shape {list(codes.shape)}, the network takes [N, "
            f"{', '.join(map(str, first.shape))}]"
        )
    if codes.size and (codes.min() < first.output.low or codes.max() > first.output.high):
        raise QuantizationError(f"input codes are beyond {first.output.low}..{first.output.high}")
    tensors: dict[str, Codes] = {}
    for number, op in enumerate(graph):
        sources = [tensors[name] for name in op.inputs]
        tensors[op.name] = codes if isinstance(op, IntInput) else execute(graph, op, sources)
        if progress:
            progress(op.name, number + 1, len(graph.ops))
    return tensors


def argmax(graph: IntGraph, accumulators: npt.NDArray[np.integer]) -> Codes:
    """Return the top-1 index [N] of logits [N, C, 1, 1]; the lowest index wins ties."""
    op = graph.op(graph.output)
    assert isinstance(op, IntMatmul)
    acc = accumulators.astype(np.int64)
    scores = requantize(acc, op.multiplier.array, op.bias.array, op.shift, op.low, op.high)
    return np.asarray(np.argmax(scores[:, :, 0, 0], axis=1), dtype=np.int64)


def logits(graph: IntGraph, accumulators: Codes) -> npt.NDArray[np.float64]:
    """Return real-valued logits of the last layer's accumulators, same shape."""
    op = graph.op(graph.output)
    assert isinstance(op, IntMatmul) and op.output is None
    scale = np.asarray(op.logit_scale.array)[:, None, None]
    offset = np.asarray(op.logit_offset.array, dtype=np.float64)[:, None, None]
    return np.asarray(accumulators * scale + offset, dtype=np.float64)


def requantize(
    acc: Codes, multiplier: npt.ArrayLike, bias: npt.ArrayLike, shift: int, low: int, high: int
) -> Codes:
    """y = clamp((acc * M + B) >> S, low, high); acc [N, C, H, W], M and B [C] or scalars."""
    scale = np.asarray(multiplier, dtype=np.int64).reshape(-1, 1, 1)
    offset = np.asarray(bias, dtype=np.int64).reshape(-1, 1, 1)
    return np.asarray(np.clip((acc * scale + offset) >> shift, low, high), dtype=np.int64)


def execute(graph: IntGraph, op: IntOp, sources: list[Codes]) -> Codes:
    """Return the output of one operation other than the input, from the codes of its inputs."""
    first = sources[0]
    if isinstance(op, IntMatmul):
        acc = accumulate(op, first)
        if op.output is None:
            return acc
        return requantize(acc, op.multiplier.array, op.bias.array, op.shift, op.low, op.high)
    if isinstance(op, IntTable):
        read = graph.op(op.inputs[0]).output
        assert read is not None
        return np.asarray(op.table.array, dtype=np.int64)[first - read.low]
    if isinstance(op, IntAdd):
        total = first * op.multipliers[0] + sources[1] * op.multipliers[1]
        return requantize(total, 1, op.bias, op.shift, op.low, op.high)
    if isinstance(op, IntMultiply):
        total = first * sources[1]
        return requantize(total, op.multiplier, op.bias, op.shift, op.low, op.high)
    if isinstance(op, IntConcat):
        return np.concatenate(sources, axis=1)
    if isinstance(op, IntSelect):
        return first[:, list(op.indices)]
    if isinstance(op, IntUpsample):
        return first.repeat(op.factors[0], axis=2).repeat(op.factors[1], axis=3)
    if isinstance(op, IntMaxPool):
        return _over_taps(first, op.window, int(np.iinfo(np.int64).min), np.maximum)
    assert isinstance(op, IntSumPool)
    total = _over_taps(first, op.window, 0, np.add)
    return requantize(total, op.multiplier, op.bias, op.shift, op.low, op.high)


def accumulate(op: IntMatmul, codes: Codes) -> Codes:
    """acc[n, r, y, x] = sum over (channel of r's group, ky, kx) of w[r, ...] * a[n, ...]."""
    weights = np.asarray(op.codes.array)
    largest = int(row_powers(weights, op.formats).max()) * int(np.abs(codes).max(initial=0))
    assert largest < 1 << 53, f"{op.name}: sums up to {largest} are not exact in float64"
    dtype: type[np.floating] = np.float32 if largest < 1 << 24 else np.float64
    per_group = op.shape[0] // op.groups
    read = codes.shape[1] // op.groups
    out = np.empty((len(codes), *op.shape), dtype=np.int64)
    # A block is some rows of the one group there is, or all rows of some groups.
    for block in row_blocks(weights, 1 if op.groups == 1 else per_group):
        rows = decode_rows(weights[block], op.formats[block]).astype(dtype)
        groups = 1 if op.groups == 1 else len(rows) // per_group
        first = block.start // per_group * read
        source = codes[:, first : first + groups * read]
        _products(rows.reshape(groups, len(rows) // groups, -1), source, op.window, out[:, block])
    return out


def _products(rows: npt.NDArray[np.floating], codes: Codes, window: Window, out: Codes) -> None:
    """Fill out [N, groups * rows, OH, OW] with rows [groups, rows, columns] times windows."""
    channels, (height, width) = codes.shape[1], out.shape[2:]
    taps = window.kernel[0] * window.kernel[1]
    lines = max(1, _TILE_NUMBERS // (channels * taps * width))
    for number in range(len(codes)):  # one image, and some lines of it, at a time bound the memory
        padded = _padded(codes[number : number + 1], window, 0).astype(rows.dtype)
        for top in range(0, height, lines):
            count = min(lines, height - top)
            columns = np.empty((channels, taps, count, width), dtype=rows.dtype)
            for tap, view in enumerate(_taps(padded, window, top, count, width)):
                columns[:, tap] = view[0]
            sums = rows @ columns.reshape(len(rows), -1, count * width)
            out[number, :, top : top + count] = sums.reshape(-1, count, width)


def _padded(codes: Codes, window: Window, fill: int) -> Codes:
    top, left, bottom, right = window.padding
    if not any(window.padding):
        return codes
    return np.pad(codes, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)


def _taps(
    padded: npt.NDArray[np.generic], window: Window, top: int, height: int, width: int
) -> Iterator[npt.NDArray[np.generic]]:
    """Yield per tap a view [N, C, height, width]: what it sees from output line `top` on."""
    down, across = window.stride
    for ky in range(window.kernel[0]):
        first = top * down + ky * window.dilation[0]
        lines = slice(first, first + (height - 1) * down + 1, down)
        for kx in range(window.kernel[1]):
            left = kx * window.dilation[1]
            yield padded[:, :, lines, left : left + (width - 1) * across + 1 : across]


def _over_taps(
    codes: Codes, window: Window, fill: int, combine: Callable[[Codes, Codes], Codes]
) -> Codes:
    """Return `combine` over the taps of every window, [N, C, OH, OW]."""
    height, width = window.output_size(*codes.shape[2:])
    views = _taps(_padded(codes, window, fill), window, 0, height, width)
    total = np.array(next(views), dtype=np.int64)
    for view in views:
        total = combine(total, np.asarray(view, dtype=np.int64))
    return total
