"""Slow evaluation of a QuantGraph in real numbers: docs/ir.md and docs/numerics.md."""

from __future__ import annotations

import math

import numpy as np

from rmsmp_hls.ir.graph import QuantGraph
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
from rmsmp_hls.ir.types import Window
from rmsmp_hls.numerics.codebooks import decode_rows
from rmsmp_hls.numerics.requantize import quantize_values


def function(name: str, p: float, x: float) -> float:
    """One number through an activation function, as docs/numerics.md writes it."""
    sigmoid = 1 / (1 + math.exp(-x))
    tanh_arg = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return {
        "sigmoid": sigmoid,
        "tanh": math.tanh(x),
        "hard_sigmoid": min(max(x / 6 + 0.5, 0), 1),
        "silu": x * sigmoid,
        "hard_swish": x * min(max(x + 3, 0), 6) / 6,
        "leaky_relu": max(x, 0) + p * min(x, 0),
        "elu": x if x > 0 else p * (math.exp(x) - 1),
        "gelu": x / 2 * (1 + math.erf(x / math.sqrt(2))),
        "gelu_tanh": x / 2 * (1 + math.tanh(tanh_arg)),
        "mish": x * math.tanh(math.log(1 + math.exp(x))),
    }[name]


def windows(x: np.ndarray, window: Window, fill: float) -> np.ndarray:
    """Slow window gather: [N, C, OH, OW, taps]."""
    n, c, h, w = x.shape
    oh, ow = window.output_size(h, w)
    out = np.full((n, c, oh, ow, window.kernel[0] * window.kernel[1]), fill, dtype=np.float64)
    for y in range(oh):
        for xx in range(ow):
            for ky in range(window.kernel[0]):
                for kx in range(window.kernel[1]):
                    iy = y * window.stride[0] - window.padding[0] + ky * window.dilation[0]
                    ix = xx * window.stride[1] - window.padding[1] + kx * window.dilation[1]
                    if 0 <= iy < h and 0 <= ix < w:
                        out[:, :, y, xx, ky * window.kernel[1] + kx] = x[:, :, iy, ix]
    return out


def evaluate(graph: QuantGraph, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values of every tensor for input codes [N, C, H, W]."""
    values: dict[str, np.ndarray] = {}
    for op in graph:
        sources = [values[name] for name in op.inputs]
        if isinstance(op, QuantInput):
            values[op.name] = codes * op.output.scale
            continue
        moved = _moved(op, sources)
        if moved is not None:
            values[op.name] = moved
            continue
        real = np.clip(computed(op, sources), op.low, op.high)
        if op.output is not None:
            f = op.output
            real = quantize_values(real, f.scale, f.low, f.high) * f.scale
        values[op.name] = real
    return values


def _moved(op: QuantOp, sources: list[np.ndarray]) -> np.ndarray | None:
    """Operations that make no codes of their own."""
    x = sources[0]
    if isinstance(op, QuantFlatten):
        return x.reshape(len(x), -1)
    if isinstance(op, QuantUnflatten):
        return x[:, :, None, None]
    if isinstance(op, QuantMaxPool):
        return windows(x, op.window, -np.inf).max(axis=-1)
    if isinstance(op, QuantConcat):
        return np.concatenate(sources, axis=1)
    if isinstance(op, QuantSelect):
        return np.stack([x[:, index] for index in op.indices], axis=1)
    if isinstance(op, QuantUpsample):
        return np.kron(x, np.ones((1, 1, *op.factors)))
    if isinstance(op, QuantPad):
        made = np.zeros((len(x), *op.shape))
        top, left = op.padding[:2]
        made[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
        return made
    return None


def computed(op: QuantOp, sources: list[np.ndarray]) -> np.ndarray:
    """Return the values before clamp and quantization, from the values of the operands."""
    x = sources[0]
    if isinstance(op, QuantMatmul):
        return _matmul(op, x)
    if isinstance(op, QuantAdd):
        return x + sources[1]
    if isinstance(op, QuantMultiply):
        return x * sources[1]
    if isinstance(op, QuantTable):
        return np.vectorize(lambda v: function(op.function, op.parameter, v), otypes=[float])(x)
    if isinstance(op, QuantAvgPool):
        return windows(x, op.window, 0.0).mean(axis=-1)
    assert isinstance(op, QuantRequantize)
    return x


def _matmul(op: QuantMatmul, x: np.ndarray) -> np.ndarray:
    weight = decode_rows(op.codes.array, op.formats).astype(np.float64)
    weight *= op.row_scales.array.reshape(-1, *[1] * (weight.ndim - 1))
    shape = (-1,) + (1,) * (len(op.shape) - 1)
    if op.window is None:
        sums = x @ weight.T
    else:
        taps = windows(x.reshape(*x.shape[:2], *x.shape[2:] or (1, 1)), op.window, 0.0)
        read, made = taps.shape[1] // op.groups, len(weight) // op.groups
        rows = [
            np.einsum(
                "nchwt,ct->nhw",
                taps[:, row // made * read : (row // made + 1) * read],
                weight[row].reshape(read, -1),
            )
            for row in range(len(weight))
        ]
        sums = np.stack(rows, axis=1).reshape(len(x), *op.shape)
    return sums * op.gain.array.reshape(shape) + op.offset.array.reshape(shape)
