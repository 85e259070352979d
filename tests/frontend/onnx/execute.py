"""A small interpreter of FloatGraph, on torch's functions: what the tests compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

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
    Input,
    Linear,
    MaxPool2d,
    Multiply,
    Pad,
    SelectChannels,
    Unflatten,
    Upsample,
)  # fmt: skip
from rmsmp_hls.ir.graph import FloatGraph

_FUNCTIONS: dict[str, Any] = {
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "hard_sigmoid": F.hardsigmoid, "silu": F.silu,
    "hard_swish": F.hardswish, "gelu": F.gelu, "mish": F.mish,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}  # fmt: skip


def execute(graph: FloatGraph, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return every tensor of the graph, float64 with the batch."""
    constants = {
        key: torch.tensor(np.array(c.array), dtype=torch.float64)
        for key, c in graph.constants.items()
    }
    values: dict[str, Any] = {}
    for op in graph:
        if isinstance(op, Input):
            values[op.name] = torch.tensor(inputs, dtype=torch.float64).reshape(-1, *op.shape)
        else:
            values[op.name] = _run(op, [values[n] for n in op.inputs], constants)
        assert tuple(values[op.name].shape[1:]) == op.shape, op
    return {name: value.numpy() for name, value in values.items()}


def result(graph: FloatGraph, inputs: np.ndarray) -> np.ndarray:
    """Return the network's result."""
    return execute(graph, inputs)[graph.output]


def _run(op: Any, x: list[Any], constants: dict[str, Any]) -> Any:
    first = x[0]
    if isinstance(op, (Conv2d, MaxPool2d, AvgPool2d)):
        window = op.window
        top, left, bottom, right = window.padding
        fill = -np.inf if isinstance(op, MaxPool2d) else 0.0
        padded = F.pad(first, (left, right, top, bottom), value=fill)
        if isinstance(op, MaxPool2d):
            return F.max_pool2d(padded, window.kernel, window.stride, 0, window.dilation)
        if isinstance(op, AvgPool2d):
            return F.avg_pool2d(padded, window.kernel, window.stride)
        weight = constants[op.weight]
        weight = weight.reshape(*weight.shape[:2], *window.kernel)
        bias = constants[op.bias] if op.bias else None
        return F.conv2d(padded, weight, bias, window.stride, 0, window.dilation, op.groups)
    if isinstance(op, Linear):
        return F.linear(first, constants[op.weight], constants[op.bias] if op.bias else None)
    if isinstance(op, BatchNorm):
        keys = (op.running_mean, op.running_var, op.weight, op.bias)
        mean, var, weight, bias = (constants[key] if key else None for key in keys)
        return F.batch_norm(first, mean, var, weight, bias, False, 0.0, op.eps)
    if isinstance(op, Clamp):
        return first.clamp(op.low, op.high)
    if isinstance(op, Activation):
        if op.function == "leaky_relu":
            return F.leaky_relu(first, op.parameter)
        if op.function == "elu":
            return F.elu(first, op.parameter)
        return _FUNCTIONS[op.function](first)
    if isinstance(op, Add):
        return first + x[1]
    if isinstance(op, Multiply):
        return first * x[1]
    if isinstance(op, Concat):
        return torch.cat(x, 1)
    if isinstance(op, SelectChannels):
        return first[:, list(op.indices)]
    if isinstance(op, Upsample):
        return first.repeat_interleave(op.factors[0], 2).repeat_interleave(op.factors[1], 3)
    if isinstance(op, Pad):
        top, left, bottom, right = op.padding
        return F.pad(first, (left, right, top, bottom))
    if isinstance(op, Flatten):
        return first.flatten(1)
    if isinstance(op, Unflatten):
        return first[:, :, None, None]
    assert isinstance(op, Dropout), op
    return first
