"""How near quantized weights are to the float ones: a proxy of accuracy that needs no images."""

from __future__ import annotations

import math

import numpy as np

from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.quant.params import QuantParams
from rmsmp_hls.quant.rows import quantize_row


def weight_sqnr_db(graph: FloatGraph, params: QuantParams) -> float | None:
    """Return the SQNR of the weights, the mean over rows of error over power of each row, in dB.

    Every row counts as much, whatever its scale. None where no weight is lost or there is none.
    """
    shares = []
    for op in graph:
        rows = params.rows.get(op.name)
        if rows is None:
            continue
        weights = graph.constants[op.weight].array  # type: ignore[attr-defined]
        scales = rows.scales.array
        for row, name, scale in zip(weights, rows.formats, scales, strict=True):
            exact = np.asarray(row, dtype=np.float64).ravel()
            power = float(exact @ exact)
            if power > 0:
                error = exact - quantize_row(exact, float(scale), codebook(name)) * float(scale)
                shares.append(float(error @ error) / power)
    mean = sum(shares) / len(shares) if shares else 0.0
    return -10 * math.log10(mean) if mean > 0 else None
