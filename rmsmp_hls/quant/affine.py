"""Bias and batch norm as one gain and one offset per channel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rmsmp_hls.ir.float_ops import BatchNorm
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.numerics.codebooks import mix_formats
from rmsmp_hls.quant.rows import realize_ratio

Floats = npt.NDArray[np.float64]


def affine_of(
    graph: FloatGraph, bias: str, norm: BatchNorm | None, channels: int
) -> tuple[Floats, Floats]:
    """Return (gain, offset), float64 [channels], of what follows a sum.

    Args:
        graph: holds the constants.
        bias: key of the layer's bias, or "".
        norm: the batch norm behind it, if any.
        channels: how many there are.
    """

    def of(key: str, default: float) -> Floats:
        if not key:
            return np.full(channels, default)
        return np.asarray(graph.constants[key].array, dtype=np.float64)

    added = of(bias, 0.0)
    if norm is None:
        return np.ones(channels), added
    gain = of(norm.weight, 1.0) / np.sqrt(of(norm.running_var, 1.0) + norm.eps)
    return gain, (added - of(norm.running_mean, 0.0)) * gain + of(norm.bias, 0.0)


def formats_of_ones(
    ratio: tuple[float, float, float], shift_add: str, rows: int
) -> tuple[str, ...]:
    """Return the formats of rows whose weights all are the integer 1, which every codebook has.

    They follow the network's ratio, so that the array's lanes are used as they were chosen, and
    are mixed evenly: neighbours share a row tile.
    """
    counts = realize_ratio(ratio, rows)
    names = mix_formats(shift_add)
    places = [
        ((index + 0.5) / count, kind) for kind, count in enumerate(counts) for index in range(count)
    ]
    return tuple(names[kind] for _, kind in sorted(places))
