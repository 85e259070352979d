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
from rmsmp_hls.train.coded import Coded
from rmsmp_hls.train.execute import Run, product
from rmsmp_hls.train.fused import quantize_terms
from rmsmp_hls.train.state import Scales

_NO_SCALES = Scales({}, {}, {})
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
    _dtype: torch.dtype = field(default=torch.float32, init=False)
    _scales: Scales = field(default=_NO_SCALES, init=False)

    def __call__(self, x: Tensor) -> Tensor:
        """As `Run`."""
        assert self.state is not None
        self._dtype, self._scales = x.dtype, self.state.scales(x.dtype)
        return super().__call__(x)

    def _compute(self, op: FloatOp, inputs: list[Tensor | Coded]) -> Tensor | Coded:
        if isinstance(op, Clamp) and isinstance(inputs[0], Coded) and op.inputs[0] in self.folds:
            return inputs[0]  # its codes are clamped already
        if isinstance(op, Add) and op.name in self.folds and _shape(inputs[0]) == _shape(inputs[1]):
            return self._add(op, inputs)
        return super()._compute(op, inputs)

    def _quantize(self, name: str, value: Tensor) -> Tensor | Coded:
        scale = self.plan.quantizer_of(name)
        return self._codes(scale, ((_precise(value), self._scales.inverses[scale]),))

    def _narrow(self, name: str, source: Tensor | Coded) -> Tensor | Coded:
        if not isinstance(source, Coded):
            return self._quantize(name, source)
        scale = self.plan.quantizer_of(name)
        return self._codes(scale, ((source.codes, source.scale * self._scales.inverses[scale]),))

    def _add(self, op: Add, inputs: list[Tensor | Coded]) -> Tensor | Coded:
        scale, relu = self._fold(op)
        inverse = self._scales.inverses[scale]
        terms = tuple(
            (part.codes, part.scale * inverse)
            if isinstance(part, Coded)
            else (_precise(part), inverse)
            for part in inputs
        )
        return self._codes(scale, terms, relu)

    def _matmul(self, op: Conv2d | Linear, source: Tensor | Coded) -> Tensor | Coded:
        if not isinstance(source, Coded):
            return super()._matmul(op, source)
        assert self.state is not None
        weight, bias = self._needed(op.weight), self.parameter(op.bias)
        rows, scales = self.state.row(op.name), self._scales.rows[op.name]
        if torch.is_autocast_enabled(source.codes.device.type):
            # Codes and levels are exact in 8 bits of mantissa, their products with scales not.
            integers = rows.training_values(weight, scales, torch.ones_like(scales))
            acc = product(op, source.codes, integers, None)
            shape = (1, -1) + (1,) * (acc.dim() - 2)
            value = acc * (scales * source.scale).to(acc.dtype).reshape(shape)
            return value if bias is None else value + bias.to(acc.dtype).reshape(shape)
        if op.name not in self.folds:
            values = rows.training_values(weight, scales, scales * source.scale)
            return product(op, source.codes, values, bias)
        scale, relu = self._fold(op)
        inverse = self._scales.inverses[scale]
        values = rows.training_values(weight, scales, scales * (source.scale * inverse))
        half = weight.new_full((len(weight),), 0.5)
        offset = half if bias is None else torch.addcmul(half, bias, inverse)
        return self._codes(scale, ((product(op, source.codes, values, offset), None),), relu)

    def _batch_norm(self, op: BatchNorm, value: Tensor) -> Tensor | Coded:
        layer = self.module(op.module)
        if op.name not in self.folds or not _is_plain(layer) or value.dtype != self._dtype:
            return super()._batch_norm(op, value)
        assert isinstance(layer, nn.modules.batchnorm._BatchNorm)
        self._check_statistics(op, layer, value)
        scale, relu = self._fold(op)
        inverse = self._scales.inverses[scale]
        half = value.new_full((value.shape[1],), 0.5)
        weight = 2 * half if layer.weight is None else layer.weight
        bias = half if layer.bias is None else torch.addcmul(half, layer.bias, inverse)
        learns = layer.training and not self.frozen_norms
        made = _normalized(layer, value, weight * inverse, bias, learns)
        return self._codes(scale, ((made, None),), relu)

    def _fold(self, op: FloatOp) -> tuple[str, bool]:
        """Return the name of the scale by which `op` divides, and whether a ReLU follows."""
        tensor = self.folds[op.name]
        return self.plan.quantizer_of(tensor), tensor != op.name

    def _codes(
        self, name: str, terms: tuple[tuple[Tensor, Tensor | None], ...], relu: bool = False
    ) -> Coded:
        assert self.state is not None
        quantizer, scale = self.state.activation(name), self._scales.activations[name]
        learned = scale if quantizer.clips else None
        codes = quantize_terms(terms, quantizer.low, quantizer.high, learned, relu)
        return Coded(codes, scale, max(-quantizer.low, quantizer.high))


def _shape(part: Tensor | Coded) -> torch.Size:
    return part.codes.shape if isinstance(part, Coded) else part.shape


def _precise(value: Tensor) -> Tensor:
    """Half precision cannot tell 8-bit codes and the half between them apart."""
    return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value


def _is_plain(layer: nn.Module | None) -> bool:
    """Whether it is torch's own batch norm, and nobody watches it."""
    if not isinstance(layer, nn.Module) or type(layer) not in _NORMS:
        return False
    return not (layer._forward_hooks or layer._forward_pre_hooks or layer.running_mean is None)


def _normalized(
    layer: nn.modules.batchnorm._BatchNorm,
    value: Tensor,
    weight: Tensor,
    bias: Tensor,
    learns: bool,
) -> Tensor:
    """Call a batch norm with other factors; if it learns, its statistics follow the batch."""
    momentum = 0.0 if layer.momentum is None else layer.momentum
    if learns and layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
        if layer.momentum is None:
            momentum = 1.0 / float(layer.num_batches_tracked)
    mean, var = layer.running_mean, layer.running_var
    return F.batch_norm(value, mean, var, weight, bias, learns, momentum, layer.eps)
