"""The proxy of accuracy that needs no images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.quant.reassign import reassign
from rmsmp_hls.quant.rows import quantize_row
from rmsmp_hls.quant.weight_sqnr import weight_sqnr_db
from tests.networks import params_for, residual_network


def test_it_is_the_mean_of_the_rows_errors() -> None:
    """Row by row: squared error over squared weights, whatever the row's scale."""
    graph = residual_network()
    params = params_for(graph)
    shares = []
    for op in graph:
        rows = params.rows.get(op.name)
        for number, name in enumerate(rows.formats if rows else ()):
            row = np.asarray(graph.constants[op.weight].array[number], dtype=float)
            scale = float(rows.scales.array[number])
            error = row - scale * quantize_row(row, scale, codebook(name))
            shares.append((error**2).sum() / (row**2).sum())
    assert weight_sqnr_db(graph, params) == pytest.approx(-10 * np.log10(np.mean(shares)))


def test_more_bits_are_nearer_and_levels_are_exact() -> None:
    """8-bit rows beat 4-bit ones; weights on their levels lose nothing."""
    graph = residual_network()
    params = params_for(graph)
    wide = reassign(graph, params, (0, 0, 1), None)
    narrow = reassign(graph, params, (0, 1, 0), None)
    assert weight_sqnr_db(graph, wide) > weight_sqnr_db(graph, narrow) + 10
    constants = dict(graph.constants)
    for op in graph:
        if op.name in wide.rows:
            rows = wide.rows[op.name]
            weight = np.asarray(graph.constants[op.weight].array, dtype=float)
            scales = np.array(rows.scales.array).reshape(-1, *[1] * (weight.ndim - 1))
            made = quantize_row(weight / scales, 1.0, codebook("Fixed-8")) * scales
            constants[op.weight] = ConstTensor(made)
    lossless = weight_sqnr_db(replace(graph, constants=constants), wide)
    assert lossless is None or lossless > 200  # only float64's own rounding is left
