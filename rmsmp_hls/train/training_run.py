"""The training step's forward pass: `Run`, with what each quantizer divides by folded away.

A quantizer needs value / scale + 1/2. Where its value comes from a batch norm, a convolution or a
linear layer, that is what the layer makes once its factors are divided by the scale and its
offsets have 1/2 added; an add of codes takes its operands' scales the same way. The scales of
weights and of what they read are multiplied into the weights. So no tensor of the size of an
image is multiplied by a scale, and gradients to scales are those of small tensors. Real
arithmetic is that of `Run`; rounding is not, so evaluation stays with `Run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rmsmp_hls.ir.float_ops import Add, BatchNorm, Clamp, Conv2d, FloatOp, Linear
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.quant.placement import QuantPlan
from rmsmp_hls.train.execute import Coded, Run, product
from rmsmp_hls.train.fused import quantize_terms
from rmsmp_hls.train.state import ActivationQuantizer

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def folds(graph: FloatGraph, plan: QuantPlan) -> dict[str, str]:
    """Return operation -> the quantized tensor whose codes it can make at once.

    Those are batch norms, convolutions, linear layers and adds with nothing or a ReLU between
    them and the codes.
    """
    found = {}
    for point in plan.points:
        clamp = graph.op(point.clamp) if point.clamp else None
        if isinstance(clamp, Clamp) and (clamp.low, clamp.high) != (0.0, float("inf")):
            continue
        last = graph.op(point.batchnorm or point.head)
        if isinstance(last, (BatchNorm, Conv2d, Linear, Add)):
            found[last.name] = point.tensor
    return found


@dataclass
class TrainingRun(Run):
    """As `Run` in training with quantizers, faster.

    Attributes:
        folds: of the graph and the plan.
    """

    folds: Mapping[str, str] = field(default_factory=dict)
    _scales: dict[ActivationQuantizer, Tensor] = field(default_factory=dict)

    def _compute(self, op: FloatOp, inputs: list[Tensor | Coded]) -> Tensor | Coded:
        if isinstance(op, Clamp) and isinstance(inputs[0], Coded) and op.inputs[0] in self.folds:
            return inputs[0]  # its codes are clamped already
        if isinstance(op, Add) and op.name in self.folds and _shape(inputs[0]) == _shape(inputs[1]):
            return self._add(op, inputs)
        return super()._compute(op, inputs)

    def _quantize(self, name: str, value: Tensor) -> Tensor | Coded:
        quantizer = self._quantizer(name)
        return self._codes(quantizer, ((_precise(value), 1 / self._divisor(quantizer, value)),))

    def _narrow(self, name: str, source: Tensor | Coded) -> Tensor | Coded:
        if not isinstance(source, Coded):
            return self._quantize(name, source)
        quantizer = self._quantizer(name)
        divisor = self._divisor(quantizer, source.codes)
        return self._codes(quantizer, ((source.codes, source.scale / divisor),))

    def _add(self, op: Add, inputs: list[Tensor | Coded]) -> Tensor | Coded:
        name = self.folds[op.name]
        quantizer = self._quantizer(name)
        terms = []
        for part in inputs:
            numbers = part.codes if isinstance(part, Coded) else _precise(part)
            divisor = self._divisor(quantizer, numbers)
            factor = part.scale / divisor if isinstance(part, Coded) else 1 / divisor
            terms.append((numbers, factor))
        return self._codes(quantizer, tuple(terms), relu=name != op.name)

    def _matmul(self, op: Conv2d | Linear, source: Tensor | Coded) -> Tensor | Coded:
        if not isinstance(source, Coded):
            return super()._matmul(op, source)
        weight, bias = self._needed(op.weight), self.parameter(op.bias)
        assert self.state is not None
        rows = self.state.row(op.name)
        if torch.is_autocast_enabled(source.codes.device.type):
            # Codes and levels are exact in 8 bits of mantissa, their products with scales not.
            integers, scales = rows.training_values(weight)
            acc = product(op, source.codes, integers, None)
            shape = (1, -1) + (1,) * (acc.dim() - 2)
            value = acc * (scales * source.scale).to(acc.dtype).reshape(shape)
            return value if bias is None else value + bias.to(acc.dtype).reshape(shape)
        name = self.folds.get(op.name)
        if name is None:
            values, _ = rows.training_values(weight, source.scale)
            return product(op, source.codes, values, bias)
        quantizer = self._quantizer(name)
        divisor = self._divisor(quantizer, source.codes)
        values, _ = rows.training_values(weight, source.scale / divisor)
        half = weight.new_full((len(weight),), 0.5)
        offset = half if bias is None else torch.addcdiv(half, bias, divisor)
        made = product(op, source.codes, values, offset)
        return self._codes(quantizer, ((made, None),), relu=name != op.name)

    def _batch_norm(self, op: BatchNorm, value: Tensor) -> Tensor | Coded:
        layer, name = self.module(op.module), self.folds.get(op.name)
        plain = type(layer) in _NORMS and not (layer._forward_hooks or layer._forward_pre_hooks)
        if name is None or not plain or torch.is_autocast_enabled(value.device.type):
            return super()._batch_norm(op, value)
        quantizer = self._quantizer(name)
        divisor = self._divisor(quantizer, value)
        weight, bias = layer.weight, layer.bias
        ones = value.new_ones(value.shape[1])
        weight = (ones if weight is None else weight) / divisor
        bias = 0.5 * ones if bias is None else bias / divisor + 0.5
        self._check_statistics(op, layer, value)
        learns = layer.training and not self.frozen_norms
        made = _normalized(layer, value, weight, bias, learns)
        return self._codes(quantizer, ((made, None),), relu=name != op.name)

    def _quantizer(self, name: str) -> ActivationQuantizer:
        assert self.state is not None
        return self.state.activation(self.plan.quantizer_of(name))

    def _scale(self, quantizer: ActivationQuantizer, like: Tensor) -> Tensor:
        if quantizer not in self._scales:
            self._scales[quantizer] = quantizer.scale().to(like.dtype)
        return self._scales[quantizer]

    def _divisor(self, quantizer: ActivationQuantizer, like: Tensor) -> Tensor:
        """What values are divided by: the scale, its gradient as the quantizer wants it."""
        scale = self._scale(quantizer, like)
        return scale.detach() if quantizer.clips else scale

    def _codes(
        self,
        quantizer: ActivationQuantizer,
        terms: tuple[tuple[Tensor, Tensor | None], ...],
        relu: bool = False,
    ) -> Coded:
        scale = self._scale(quantizer, terms[0][0])
        low = max(quantizer.low, 0) if relu else quantizer.low
        codes = quantize_terms(terms, low, quantizer.high, scale if quantizer.clips else None)
        return Coded(codes, scale, max(-quantizer.low, quantizer.high))


def _shape(part: Tensor | Coded) -> torch.Size:
    return part.codes.shape if isinstance(part, Coded) else part.shape


def _precise(value: Tensor) -> Tensor:
    """Half precision cannot tell 8-bit codes and the half between them apart."""
    return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value


def _normalized(
    layer: nn.Module, value: Tensor, weight: Tensor, bias: Tensor, learns: bool
) -> Tensor:
    """Call a batch norm with other factors; if it learns, its statistics follow the batch."""
    assert isinstance(layer, nn.modules.batchnorm._BatchNorm)
    momentum = 0.0 if layer.momentum is None else layer.momentum
    if learns and layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
        if layer.momentum is None:
            momentum = 1.0 / float(layer.num_batches_tracked)
    by_batch = learns or layer.running_mean is None
    kept = not learns or layer.track_running_stats
    mean, var = (layer.running_mean, layer.running_var) if kept else (None, None)
    return F.batch_norm(value, mean, var, weight, bias, by_batch, momentum, layer.eps)
