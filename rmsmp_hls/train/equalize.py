"""Cross-layer equalization: channels of an activation are given like ranges, exactly in floats.

Between a convolution or linear layer (with its batch norm) and those that read it, every channel i
may be divided by a factor s_i > 0 and the readers' weights of that channel multiplied by it, if
all that lies between is positively homogeneous and works channel by channel: ReLU, pooling,
flatten, dropout. In real arithmetic the network stays what it is.

Here every weight row has a scale of its own, which absorbs what its row is divided by, while an
activation tensor has one scale for all channels, and few bits. So it is the activation's channels
that are made equal: s_i is the channel's range, its largest magnitude on the images. The source
takes s_i = sqrt(r_i / c_i), c_i being the readers' column, as there a layer's weights share one
scale; of small trained networks that form, with activation ranges, helped less. The geometric mean
of the factors is 1, they are held within 1/8 .. 8 so that no column drowns the rest of its row, and
channels that are dead (never anything but zero) keep 1.

Source: Nagel et al. 2019, Data-Free Quantization (arXiv 1906.04721), section 4.1.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rmsmp_hls.ir.float_ops import (
    AvgPool2d,
    BatchNorm,
    Clamp,
    Conv2d,
    Dropout,
    Flatten,
    FloatOp,
    Linear,
    MaxPool2d,
)
from rmsmp_hls.ir.graph import FloatGraph, Graph
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.quant.placement import QuantPlan, QuantPoint
from rmsmp_hls.train.bias import fresh_key, parameter_keys
from rmsmp_hls.train.constants import constant_tensors
from rmsmp_hls.train.execute import Run

Floats = npt.NDArray[np.float64]

LARGEST_FACTOR = 8.0
_CHANNEL_WISE = (MaxPool2d, AvgPool2d, Flatten, Dropout)


@dataclass(frozen=True, slots=True)
class Pair:
    """An activation that may be equalized.

    Attributes:
        point: where its codes are made; its head is the producer.
        readers: names of the convolutions and linear layers that read it, all of them.
    """

    point: QuantPoint
    readers: tuple[str, ...]


def find_pairs(graph: FloatGraph, plan: QuantPlan) -> tuple[Pair, ...]:
    """Return what may be equalized; operations of any other type end the search for theirs.

    Parameters that several operations share are left alone.
    """
    uses = Counter(key for op in graph for key in parameter_keys(op))
    found = []
    for point in plan.points:
        head = graph.op(point.head)
        if not isinstance(head, (Conv2d, Linear)) or not _homogeneous(graph, point.clamp):
            continue
        readers = _readers(graph, point.tensor, head.shape[0])
        if not readers:
            continue
        touched = [head, *(graph.op(name) for name in (*readers, point.batchnorm) if name)]
        if all(uses[key] == 1 for op in touched for key in parameter_keys(op)):
            found.append(Pair(point, readers))
    return tuple(found)


def equalize(
    graph: FloatGraph, plan: QuantPlan, images: Tensor, pairs: tuple[Pair, ...]
) -> FloatGraph:
    """Return the same float network with equalized channels.

    Args:
        graph: the float network, its constants bound.
        plan: where its quantizers are; `pairs` are those of `find_pairs`.
        images: [N, ...], of the network's type; all are run at once.
    """
    ranges = _ranges(graph, plan, images, {pair.point.tensor for pair in pairs})
    ops = {op.name: op for op in graph}
    constants = dict(graph.constants)
    for pair in pairs:
        factors = channel_factors(ranges[pair.point.tensor])
        tail = pair.point.batchnorm or pair.point.head
        ops[tail] = _divided(ops[tail], factors, constants)
        for name in pair.readers:
            _multiply_columns(ops[name], factors, constants)
    return Graph(graph.level, tuple(ops[op.name] for op in graph), graph.output, constants)


def channel_factors(ranges: Floats) -> Floats:
    """Return the factor of every channel, [C], of the channels' ranges, [C]."""
    live = np.isfinite(ranges) & (ranges > 0)
    factors = np.ones(len(ranges))
    if live.any():
        logs, limit = np.log(ranges[live]), math.log(LARGEST_FACTOR)
        factors[live] = np.exp(np.clip(logs - logs.mean(), -limit, limit))
    return factors


def _homogeneous(graph: FloatGraph, clamp: str) -> bool:
    op = graph.op(clamp) if clamp else None
    return op is None or (
        isinstance(op, Clamp) and op.high == math.inf and op.low in (0.0, -math.inf)
    )


def _readers(graph: FloatGraph, tensor: str, channels: int) -> tuple[str, ...] | None:
    """Return the layers that read `tensor`, also behind channel-wise operations; None if anything
    else does."""
    if tensor == graph.output:
        return None
    found: list[str] = []
    for op in graph.consumers(tensor):
        if isinstance(op, (Conv2d, Linear)):
            if not _columns_fit(graph, op, channels):
                return None
            found.append(op.name)
        elif isinstance(op, _CHANNEL_WISE) or _is_relu(graph, op):
            behind = _readers(graph, op.name, channels)
            if behind is None:
                return None
            found += behind
        else:
            return None
    return tuple(found)


def _is_relu(graph: FloatGraph, op: FloatOp) -> bool:
    return isinstance(op, Clamp) and _homogeneous(graph, op.name)


def _columns_fit(graph: FloatGraph, op: Conv2d | Linear, channels: int) -> bool:
    """Whether the layer's weights are laid out as `_multiply_columns` reads them."""
    rows, columns = graph.constants[op.weight].shape[:2]
    if isinstance(op, Linear):
        return columns % channels == 0
    return channels % columns == 0 and rows % (channels // columns) == 0


def _ranges(
    graph: FloatGraph, plan: QuantPlan, images: Tensor, tensors: set[str]
) -> dict[str, Floats]:
    found: dict[str, Floats] = {}

    def observe(name: str, value: Tensor) -> None:
        if name in tensors:
            largest = value.abs().transpose(0, 1).flatten(1).amax(1)
            found[name] = largest.double().numpy()

    parameter = constant_tensors(graph).get
    with torch.no_grad():
        Run(graph, plan, parameter, observe=observe)(images)
    return found


def _divided(op: FloatOp, factors: Floats, constants: dict[str, ConstTensor]) -> FloatOp:
    """Divide what a layer or batch norm makes; return the operation with its keys."""
    assert isinstance(op, (Conv2d, Linear, BatchNorm))
    if isinstance(op, BatchNorm) and not op.weight:
        key = fresh_key(f"{op.name}.weight", constants)
        constants[key] = ConstTensor(np.ones_like(constants[op.running_var].array))
        op = replace(op, weight=key)
    for key in filter(None, (op.weight, op.bias)):
        old = np.asarray(constants[key].array, dtype=constants[key].array.dtype)
        shape = (-1, *[1] * (old.ndim - 1))
        constants[key] = ConstTensor(old / factors.astype(old.dtype).reshape(shape))
    return op


def _multiply_columns(op: FloatOp, factors: Floats, constants: dict[str, ConstTensor]) -> None:
    """Multiply what a layer reads of every channel.

    Weights are [O, C / groups, KH, KW], or [O, C * positions] behind a flatten.
    """
    assert isinstance(op, (Conv2d, Linear))
    constants[op.weight] = ConstTensor(multiplied(np.asarray(constants[op.weight].array), factors))


def multiplied(weight: npt.NDArray[np.floating], factors: Floats) -> npt.NDArray[np.floating]:
    """Return weights [O, C / groups, KH, KW] or [O, C * positions], channel i times factor i."""
    channels = len(factors) if weight.ndim == 2 else weight.shape[1]
    groups = len(factors) // channels
    split = weight.reshape(groups, len(weight) // groups, channels, -1)
    result = split * factors.astype(weight.dtype).reshape(groups, 1, channels, 1)
    return result.reshape(weight.shape)
