"""The integer reference: executes an IntGraph in whole numbers, line by line as docs/numerics.md.

Everything is int64 but the products of matrices: those are computed in floating point while that
is exact (`numerics/products.py`). The generated C++ must equal it with `==` on every element of
every operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntAdd, IntInput, IntMatmul, IntMaxPool, IntOp, IntSumPool
from rmsmp_hls.ir.types import Window
from rmsmp_hls.numerics.codebooks import decode_rows
from rmsmp_hls.numerics.products import exact_type

Codes = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]


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
        tensors[op.name] = codes if isinstance(op, IntInput) else execute(op, sources)
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


def execute(op: IntOp, sources: list[Codes]) -> Codes:
    """Return the output of one operation other than the input, from the codes of its inputs."""
    if isinstance(op, IntMatmul):
        acc = accumulate(op, sources[0])
        if op.output is None:
            return acc
        return requantize(acc, op.multiplier.array, op.bias.array, op.shift, op.low, op.high)
    if isinstance(op, IntAdd):
        first, second = op.multipliers
        total = sources[0] * first + sources[1] * second
        return requantize(total, 1, op.bias, op.shift, op.low, op.high)
    if isinstance(op, IntMaxPool):
        lowest = np.iinfo(np.int64).min
        return np.asarray(_windows(sources[0], op.window, lowest).max(axis=(4, 5)))
    assert isinstance(op, IntSumPool)
    total = _windows(sources[0], op.window, 0).sum(axis=(4, 5))
    return requantize(np.asarray(total), op.multiplier, op.bias, op.shift, op.low, op.high)


def accumulate(op: IntMatmul, codes: Codes) -> Codes:
    """acc[n, r, y, x] = sum over (channel, ky, kx) of w[r, ...] * a[n, ...]."""
    rows = decode_rows(op.codes.array, op.formats).reshape(len(op.formats), -1)
    kind = exact_type(rows, int(np.abs(codes).max(initial=0)))  # no sum is rounded
    rows = rows.astype(kind)
    out = np.empty((len(codes), *op.shape), dtype=np.int64)
    for number, image in enumerate(codes):  # one image at a time bounds the memory
        columns = _windows(image[None].astype(kind), op.window, 0)[0]  # [C, OH, OW, KH, KW]
        columns = columns.transpose(0, 3, 4, 1, 2).reshape(rows.shape[1], -1)
        out[number] = (rows @ columns).reshape(op.shape)
    return out


def _windows(codes: npt.NDArray[Any], window: Window, fill: int) -> npt.NDArray[Any]:
    """Return a view [N, C, OH, OW, KH, KW] of the padded codes."""
    top, left, bottom, right = window.padding
    padded = np.pad(codes, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    spans = [d * (k - 1) + 1 for d, k in zip(window.dilation, window.kernel, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(2, 3))
    strided = view[:, :, :: window.stride[0], :: window.stride[1]]
    return np.asarray(strided[..., :: window.dilation[0], :: window.dilation[1]])
