"""Runs a FloatGraph in torch, with or without its quantizers. Formulas: docs/numerics.md.

Matrix multiplications run on codes, which are integers in floats: in evaluation their
accumulators are exact, and everything behind them is computed in float64, so that codes
differ from the integer model's only where its 18-bit multiplier rounds another way.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.float_ops import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    FloatOp,
    Linear,
    MaxPool2d,
    Multiply,
    Pad,
    SelectChannels,
    Unflatten,
    Upsample,
)
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import Window
from rmsmp_hls.quant.placement import QuantPlan
from rmsmp_hls.train.coded import Coded
from rmsmp_hls.train.functions import activation
from rmsmp_hls.train.restricted import TIE, Restriction
from rmsmp_hls.train.state import QuantState

_ONE_VALUE = "batch norm of one value per channel has no statistics to learn"
_MORE = "give at least two images per batch, or freeze batch norm"
_EXACT_FLOAT32 = float(1 << 24)  # integers up to here, and their sums, are exact in float32


def _no_module(path: str) -> None:
    """Stand for the modules of a network that is here as a graph only."""


@dataclass
class Run:
    """One forward pass.

    Attributes:
        graph, plan: what to compute and where the quantizers are.
        parameter: state_dict key -> tensor.
        module: module path -> module, or None if there is none.
        training: batch norm by the batch, dropout active.
        frozen_norms: batch norm by its running statistics, which stay, in training too.
        state: the quantizers; None runs the float network.
        observe: called with (tensor or narrow, value) wherever a quantizer is placed.
        codes: if given, filled with every quantized tensor's codes and the accumulators
            of the logits.
    """

    graph: FloatGraph
    plan: QuantPlan
    parameter: Callable[[str], Tensor | None]
    module: Callable[[str], nn.Module | None] = _no_module
    training: bool = False
    state: QuantState | None = None
    observe: Callable[[str, Tensor], None] | None = None
    codes: dict[str, Tensor] | None = None
    frozen_norms: bool = False
    _narrows: dict[str, Tensor | Coded] = field(default_factory=dict)
    _restriction: Restriction | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the network's result for a batch, in the type of `x`.

        Args:
            x: [N, C, H, W] or [N, F]; [N, C, L] for images (C, 1, L), and so is the result then.
        """
        if self.state is not None and self.state.multiplier_terms:
            self._restriction = Restriction(self.graph, self.plan, self.parameter, self.state)
        tensors: dict[str, Tensor | Coded] = {}
        uses = Counter(source for op in self.graph for source in op.inputs)
        uses[self.graph.output] += 1
        one_dimensional = x.dim() == len(self.graph.input.shape)  # [N, C, L], which lies as
        image = x.unsqueeze(2) if one_dimensional else x  # [N, C, 1, L]
        for op in self.graph:
            inputs = [self._read(op, source, tensors[source]) for source in op.inputs]
            made = self._compute(op, inputs) if inputs else self._typed(image)
            tensors[op.name] = self._quantized(op.name, made)
            for source in op.inputs:
                uses[source] -= 1
                if not uses[source]:
                    tensors.pop(source, None)
        result = _value(tensors[self.graph.output]).to(x.dtype)
        return result.squeeze(2) if one_dimensional and result.dim() == 4 else result

    def _typed(self, x: Tensor) -> Tensor:
        return x.double() if self.exact else x

    @property
    def exact(self) -> bool:
        """Whether accumulators are exact and the rest is float64: quantized evaluation."""
        return self.state is not None and not self.training

    def _quantized(self, name: str, made: Tensor | Coded) -> Tensor | Coded:
        if isinstance(made, Coded):
            self._record(name, made.codes)
        elif self.plan.point(name) is not None:
            return self._quantize(name, made)
        return made

    def _quantize(self, name: str, value: Tensor) -> Tensor | Coded:
        if self.observe is not None:
            self.observe(name, value)
        if self.state is None:
            return value
        quantizer = self.state.activation(self.plan.quantizer_of(name))
        if self._restriction is not None and self.exact and self._restriction.multiplies(name):
            value = value + TIE * quantizer.scale()
        codes, scale = quantizer(value)
        self._record(name, codes)
        return Coded(codes, scale, max(-quantizer.low, quantizer.high))

    def _record(self, name: str, codes: Tensor) -> None:
        if self.codes is not None:
            self.codes[name] = codes

    def _compute(self, op: FloatOp, inputs: list[Tensor | Coded]) -> Tensor | Coded:
        if self._restriction is not None:
            inputs = self._restriction.operands(op, inputs)
        source = inputs[0]
        if isinstance(op, (Conv2d, Linear)):
            return self._matmul(op, source)
        if isinstance(op, BatchNorm):
            made = self._batch_norm(op, _value(source))
            if self._restriction is None or not isinstance(source, Coded):
                return made
            assert not isinstance(made, Coded), "a restricted network makes codes at its points"
            return self._restriction.lone_batch_norm(op, source.scale, made)
        if isinstance(op, Clamp):
            return _clamp(_value(source), op.low, op.high)
        if isinstance(op, Add):
            return _value(source) + _value(inputs[1])
        if isinstance(op, Multiply):
            return _value(source) * _value(inputs[1])
        if isinstance(op, Activation):
            return activation(op.function, op.parameter, _value(source))
        if isinstance(op, AvgPool2d):
            if isinstance(source, Coded):
                return _avg_pool(source.codes, op.window) * source.scale
            return _avg_pool(source, op.window)
        if isinstance(op, Concat):
            return _concat(inputs)
        return _on_codes(source, lambda codes: self._transparent(op, codes))

    def _transparent(self, op: FloatOp, codes: Tensor) -> Tensor:
        """Operations that codes pass, in places that may change."""
        if isinstance(op, MaxPool2d):
            window = op.window
            padded, padding = _padded(codes, window, -torch.inf)
            pooled: Tensor = F.max_pool2d(
                padded, window.kernel, window.stride, padding, window.dilation
            )
            return pooled
        if isinstance(op, Flatten):
            return codes.flatten(1)
        if isinstance(op, Unflatten):
            return codes[..., None, None]
        if isinstance(op, SelectChannels):
            return codes[:, list(op.indices)]
        if isinstance(op, Upsample):
            down, across = op.factors
            return codes.repeat_interleave(down, 2).repeat_interleave(across, 3)
        if isinstance(op, Pad):
            top, left, bottom, right = op.padding
            return F.pad(codes, (left, right, top, bottom))
        assert isinstance(op, Dropout), op
        layer = self.module(op.module)
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            return _as_module_takes(layer, codes)
        return F.dropout(codes, op.p, self.training)

    def _read(self, op: FloatOp, name: str, source: Tensor | Coded) -> Tensor | Coded:
        """What `op` reads: the tensor, or a second quantization of it."""
        narrow = self.plan.read(op, name)
        if narrow is None:
            return source
        if narrow.name not in self._narrows:
            if self._restriction is not None:
                source = self._restriction.narrowed(narrow.name, source)
            self._narrows[narrow.name] = self._narrow(narrow.name, source)
        return self._narrows[narrow.name]

    def _narrow(self, name: str, source: Tensor | Coded) -> Tensor | Coded:
        """Quantize again."""
        return self._quantize(name, _value(source))

    def _matmul(self, op: Conv2d | Linear, source: Tensor | Coded) -> Tensor | Coded:
        weight, bias = self._needed(op.weight), self.parameter(op.bias)
        if self.state is None or not isinstance(source, Coded):
            return product(op, _value(source), weight, bias)
        factors = self._restriction.rows(op, source.scale) if self._restriction else None
        integers, scales = self.state.row(op.name)(weight, factors)
        if self.exact:
            acc = _exact_product(op, source, integers)
        else:
            acc = product(op, source.codes, integers.to(source.codes.dtype), None)
        if op.name == self.plan.logits.head and self.plan.point(self.plan.logits.tensor) is None:
            self._record(self.plan.logits.tensor, acc)
        shape = (1, -1) + (1,) * (acc.dim() - 2)
        value: Tensor = acc * (scales * source.scale).to(acc.dtype).reshape(shape)
        return value if bias is None else value + bias.to(acc.dtype).reshape(shape)

    def _batch_norm(self, op: BatchNorm, value: Tensor) -> Tensor | Coded:
        layer, by_batch = self.module(op.module), self.training and not self.frozen_norms
        self._check_statistics(op, layer, value)
        own = isinstance(layer, nn.modules.batchnorm._BatchNorm)
        if layer is not None and own and not self.exact and not self.frozen_norms:
            return _as_module_takes(layer, value)
        keys = (op.running_mean, op.running_var, op.weight, op.bias)
        tensors = [self.parameter(key) for key in keys]
        if self.exact:
            tensors = [t if t is None else t.to(value.dtype) for t in tensors]
        mean, var, weight, bias = tensors
        return F.batch_norm(value, mean, var, weight, bias, by_batch, op.momentum, op.eps)

    def _check_statistics(self, op: BatchNorm, layer: nn.Module | None, value: Tensor) -> None:
        by_batch = self.training if layer is None else layer.training
        if by_batch and not self.frozen_norms and value.numel() == value.shape[1]:
            raise QuantizationError(_ONE_VALUE, where=f"layer {op.module or op.name!r}", fix=_MORE)

    def _needed(self, key: str) -> Tensor:
        tensor = self.parameter(key)
        assert tensor is not None, key
        return tensor


def _value(tensor: Tensor | Coded) -> Tensor:
    return tensor.value if isinstance(tensor, Coded) else tensor


def _clamp(value: Tensor, low: float, high: float) -> Tensor:
    """min(max(value, low), high); torch's own functions for it have the cheapest gradients."""
    return F.relu(value) if (low, high) == (0, math.inf) else F.hardtanh(value, low, high)


def _concat(parts: list[Tensor | Coded]) -> Tensor | Coded:
    """Join along channels; codes have one scale, as the plan gave them."""
    coded = [part for part in parts if isinstance(part, Coded)]
    if len(coded) < len(parts):
        return torch.cat([_value(part) for part in parts], 1)
    bound = max(part.bound for part in coded)
    return Coded(torch.cat([part.codes for part in coded], 1), coded[0].scale, bound)


def _as_module_takes(layer: nn.Module, image: Tensor) -> Tensor:
    """Call a layer that may be one-dimensional: it takes [N, C, L] for images (C, 1, L)."""
    flat = isinstance(layer, (nn.BatchNorm1d, nn.Dropout1d)) and image.dim() == 4
    made: Tensor = layer(image.squeeze(2)).unsqueeze(2) if flat else layer(image)
    return made


def _on_codes(tensor: Tensor | Coded, function: Callable[[Tensor], Tensor]) -> Tensor | Coded:
    if isinstance(tensor, Coded):
        return Coded(function(tensor.codes), tensor.scale, tensor.bound)
    return function(tensor)


def _padded(x: Tensor, window: Window, fill: float) -> tuple[Tensor, tuple[int, int]]:
    """Return x and the padding that torch can do itself; else x padded, and none."""
    top, left, bottom, right = window.padding
    within = 2 * top <= window.kernel[0] and 2 * left <= window.kernel[1]  # a rule of pools
    if within and (top, left) == (bottom, right):
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=fill), (0, 0)


def _avg_pool(x: Tensor, window: Window) -> Tensor:
    padded, padding = _padded(x, window, 0.0)
    return F.avg_pool2d(padded, window.kernel, window.stride, padding)


def product(op: Conv2d | Linear, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return what the layer makes of a batch with the given weights (its own or codes)."""
    if isinstance(op, Linear):
        return F.linear(x, weight, bias)
    window = op.window
    padded, padding = _padded(x, window, 0.0)
    kernels = weight.reshape(*weight.shape[:2], *window.kernel)  # of a 1-D one [O, I / groups, K]
    return F.conv2d(padded, kernels, bias, window.stride, padding, window.dilation, op.groups)


def _exact_product(op: Conv2d | Linear, source: Coded, integers: Tensor) -> Tensor:
    """Return the accumulators as float64: in float32 where no partial sum can round."""
    largest = float(integers.detach().abs().flatten(1).sum(1).max()) * source.bound
    dtype = torch.float32 if largest < _EXACT_FLOAT32 else torch.float64
    return product(op, source.codes.to(dtype), integers.to(dtype), None).double()


def lookup(
    root: nn.Module,
) -> tuple[Callable[[str], Tensor | None], Callable[[str], nn.Module | None]]:
    """Return (key -> parameter or buffer, path -> module) of `root`; "" gives None.

    Children are found in the module tables, whatever methods the root has of that name.
    """

    def module(path: str) -> nn.Module | None:
        found: nn.Module | None = root
        for part in path.split("."):
            found = found._modules.get(part) if found is not None else None
        return found

    def parameter(key: str) -> Tensor | None:
        if not key:
            return None
        path, _, name = key.rpartition(".")
        owner = module(path) if path else root
        assert owner is not None, key
        tables: tuple[Mapping[str, Tensor | None], ...] = (owner._parameters, owner._buffers)
        return next(table[name] for table in tables if name in table)

    return parameter, module
