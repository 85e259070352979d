"""Multipliers of few terms in the training model: what they make of scales and gains.

docs/numerics.md, "Multipliers of few terms": a layer's row scales change so that every integer
multiplier is a sum of few signed powers of two, and the weights are rounded to the changed
scales. The factors are those that `quant.quantize` and `passes.lower` use, of the batch norm's
running statistics also in training. Gradients pass them as constants: straight through, in
the logarithm of a scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rmsmp_hls.ir.float_ops import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Conv2d,
    FloatOp,
    Input,
    Linear,
    Multiply,
)
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.numerics.multipliers import gain_factors, matmul_factors
from rmsmp_hls.quant.placement import QuantPlan, QuantPoint
from rmsmp_hls.train.coded import Coded
from rmsmp_hls.train.state import QuantState

TIE = 5e-10
"""Codes that are added before rounding: multipliers of few terms meet exact ties often, which
integers round up; without it float64 would round some of them down. docs/numerics.md."""

Floats = npt.NDArray[np.float64]


@dataclass
class Restriction:
    """What one forward pass needs to know.

    Attributes:
        graph, plan, parameter: as of `train.execute.Run`.
        state: the quantizers; `state.multiplier_terms` is at least 1.
    """

    graph: FloatGraph
    plan: QuantPlan
    parameter: Callable[[str], Tensor | None]
    state: QuantState

    def __post_init__(self) -> None:
        """Find the chains by their heads."""
        self.points = {point.head: point for point in (*self.plan.points, self.plan.logits)}

    def rows(self, op: Conv2d | Linear, read: Tensor) -> Tensor:
        """Return the factors of a layer's row scales, float64 [O]."""
        scales = self.state.row(op.name).scales()
        point = self.points[op.name]
        norm = self.graph.op(point.batchnorm) if point.batchnorm else None
        gain = self._gain(norm) if isinstance(norm, BatchNorm) else np.ones(len(scales))
        return self._factors(gain, _array(scales), read, point).to(scales.device)

    def lone_batch_norm(self, op: BatchNorm, read: Tensor, made: Tensor) -> Tensor:
        """Return what a batch norm of its own makes: its weight changes, its bias stays.

        Args:
            op: the batch norm.
            read: scale of its input.
            made: its result, [N, C, ...].
        """
        gain = self._gain(op)
        shape = (1, -1) + (1,) * (made.dim() - 2)
        factors = self._factors(gain, np.ones(len(gain)), read, self.points[op.name])
        factors = factors.to(made).reshape(shape)
        bias = self.parameter(op.bias)
        center = torch.zeros_like(factors) if bias is None else bias.to(made.dtype).reshape(shape)
        return center + (made - center) * factors

    def operands(self, op: FloatOp, inputs: list[Tensor | Coded]) -> list[Tensor | Coded]:
        """Return what the vector unit reads, with the scales that its multipliers give."""
        point = self.points.get(op.name)
        scaled = isinstance(op, (Add, Multiply, AvgPool2d, Clamp))
        coded = [x for x in inputs if isinstance(x, Coded)]
        if point is None or not scaled or len(coded) < len(inputs):
            return inputs
        made = float(self.state.activation(point.scale).scale().detach())
        gains = [float(x.scale.detach()) / made for x in coded]
        if isinstance(op, AvgPool2d):
            gains[0] /= op.window.kernel[0] * op.window.kernel[1]
        if isinstance(op, Multiply):
            gains = [float(coded[0].scale.detach()) * float(coded[1].scale.detach()) / made]
        return [*self._rescaled(coded[: len(gains)], gains), *coded[len(gains) :]]

    def multiplies(self, name: str) -> bool:
        """Return whether a multiplier makes a tensor's codes: not the host, no table."""
        point = self.plan.point(name)
        return point is None or not isinstance(self.graph.op(point.head), (Activation, Input))

    def narrowed(self, name: str, source: Tensor | Coded) -> Tensor | Coded:
        """Return `source` with the scale that its requantization to `name` gives it."""
        if not isinstance(source, Coded):
            return source
        made = self.state.activation(self.plan.quantizer_of(name)).scale()
        return self._rescaled([source], [float(source.scale.detach()) / float(made.detach())])[0]

    def _rescaled(self, coded: list[Coded], gains: list[float]) -> list[Coded]:
        factors = gain_factors(gains, self.state.multiplier_terms)
        pairs = zip(coded, factors, strict=True)
        return [replace(x, scale=x.scale * float(factor)) for x, factor in pairs]

    def _factors(self, gain: Floats, scales: Floats, read: Tensor, point: QuantPoint) -> Tensor:
        logits = self.plan.point(point.tensor) is None
        made = 1.0 if logits else float(self.state.activation(point.scale).scale().detach())
        terms = self.state.multiplier_terms
        return torch.from_numpy(matmul_factors(gain, scales, float(read.detach()), made, terms))

    def _gain(self, norm: BatchNorm) -> Floats:
        channels = norm.shape[0]
        weight, variance = self.parameter(norm.weight), self.parameter(norm.running_var)
        gain = np.ones(channels) if weight is None else _array(weight)
        spread = np.ones(channels) if variance is None else _array(variance)
        return gain / np.sqrt(spread + norm.eps)


def _array(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().double().cpu().numpy()
    return array
