"""Random row formats and scales for a float network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import ActFormat, ConstTensor
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.placement import Quantizer, QuantPlan, place_quantizers
from rmsmp_hls.quant.rows import row_scales_mse
from rmsmp_hls.train.execute import Run
from tests.fuzz.case import Quantization


def run_float(graph: FloatGraph, plan: QuantPlan, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the float network's result in float64, and the value at every quantizer."""
    constants = {
        key: torch.from_numpy(tensor.array.copy()).double()
        for key, tensor in graph.constants.items()
        if tensor.array.dtype.kind == "f"
    }
    seen: dict[str, Tensor] = {}
    run = Run(graph, plan, constants.get, observe=seen.__setitem__)
    with torch.no_grad():
        return run(x.double()), seen


def plan_of(graph: FloatGraph, how: Quantization) -> QuantPlan:
    """Return where the quantizers are."""
    activations, residual, first = how.bits
    return place_quantizers(
        graph, activation_bits=activations, residual_bits=residual, input_bits=first
    )


def random_params(graph: FloatGraph, how: Quantization, x: Tensor) -> QuantParams:
    """Return formats row by row, row scales of least error, and scales near those of the data.

    Args:
        graph: the float network.
        how: what to draw from.
        x: a batch of inputs.
    """
    rng = np.random.default_rng(how.seed)
    plan = plan_of(graph, how)
    seen: dict[str, float] = {}
    for name, value in run_float(graph, plan, x)[1].items():
        scale = plan.quantizer_of(name)
        seen[scale] = max(seen.get(scale, 0.0), float(value.abs().max()))
    activations = {
        quantizer.name: _format(graph, quantizer, seen, how, rng) for quantizer in plan.quantizers
    }
    rows = {op.name: _rows(graph, op, how, rng) for op in graph.of_type(Conv2d, Linear)}
    shares = how.shares
    ratio = (float(shares[0]), float(shares[1]), float(shares[2]))
    return QuantParams(activations, rows, ratio, how.codebook, *how.bits, how.terms)


def _format(
    graph: FloatGraph,
    quantizer: Quantizer,
    seen: Mapping[str, float],
    how: Quantization,
    rng: np.random.Generator,
) -> ActFormat:
    of_input = quantizer.name == graph.input.name
    signed = how.input_signed if of_input else quantizer.signed
    high = ActFormat(quantizer.bits, signed, 1.0).high
    factor = 2.0 ** rng.uniform(-how.spread, how.spread)
    narrow = rng.random() < 0.85
    scale = factor * (seen.get(quantizer.name) or 1.0) / high
    if how.powers:
        scale = 2.0 ** np.rint(np.log2(scale))
    return ActFormat(quantizer.bits, signed, float(scale), narrow)


def _rows(
    graph: FloatGraph, op: Conv2d | Linear, how: Quantization, rng: np.random.Generator
) -> RowParams:
    weight = np.asarray(graph.constants[op.weight].array, dtype=np.float64)
    flat = weight.reshape(len(weight), -1)
    shares = np.array(how.shares, dtype=float)
    formats = tuple(
        str(name)
        for name in rng.choice(
            [how.codebook, "Fixed-4", "Fixed-8"], len(flat), p=shares / shares.sum()
        )
    )
    scales = np.zeros(len(flat))
    for name in set(formats):
        mine = [row for row, found in enumerate(formats) if found == name]
        scales[mine] = row_scales_mse(flat[mine], codebook(name))
    return RowParams(
        formats, ConstTensor(scales * 2.0 ** rng.uniform(-how.spread / 3, 0, len(flat)))
    )
