"""Importers of what multiplies, normalizes and pools."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmsmp_hls.frontend.onnx.call import Call
from rmsmp_hls.frontend.onnx.model import Array
from rmsmp_hls.frontend.onnx.values import Constant, Value, WeightCodes
from rmsmp_hls.frontend.onnx.windows import ceiled, window_of
from rmsmp_hls.ir.float_ops import AvgPool2d, BatchNorm, Conv2d, FloatOp, Linear, MaxPool2d
from rmsmp_hls.ir.types import Window

_LARGEST_EPS = 1e6


def convolution(call: Call) -> list[Value]:
    """Conv, 1-D and 2-D."""
    builder, source, weight = call.builder, call.tensor(), call.constant(1)
    rank = len(weight.shape)
    image = builder.image(source)
    shape = builder.shape(image)
    if rank != len(source.shape) or rank not in (3, 4):
        raise call.refuse(
            f"has a weight of shape {list(weight.shape)} for a tensor of rank {len(source.shape)}",
            "use 1-D or 2-D convolutions",
        )
    kernel = tuple(call.attribute("kernel_shape") or weight.shape[2:])
    window = window_of(call, kernel, shape, rank)
    groups, rows = int(call.attribute("group", 1)), weight.shape[0]
    fits = groups > 0 and weight.shape == (rows, shape[0] // groups, *kernel)
    if not fits or shape[0] % groups or rows % groups:
        raise call.refuse(
            f"has a weight of shape {list(weight.shape)} in {groups} groups for {shape[0]} "
            "channels",
            "export the model again",
        )
    name = builder.fresh(call.name, "conv")
    made = call.add(
        Conv2d,
        image,
        shape=(rows, *window.output_size(*shape[1:])),
        weight=builder.bind(name, "weight", weight.array, weight.codes),
        bias=_bias(call, name, call.array(2), rows),
        window=window,
        groups=groups,
    )
    return [builder.ranked(made, rank)]


def gemm(call: Call) -> list[Value]:
    """Gemm with a constant matrix, as a linear layer."""
    if call.attribute("transA", 0):
        raise call.refuse("has transA=1", "keep the batch as the first dimension")
    weight = call.constant(1)
    if not call.attribute("transB", 0):
        weight = _transposed(weight)
    weight = _times(weight, float(call.attribute("alpha", 1.0)))
    bias = call.array(2)
    if bias is not None:
        bias = np.asarray(bias * np.asarray(call.attribute("beta", 1.0), bias.dtype), bias.dtype)
    return _linear(call, weight, bias)


def matmul(call: Call) -> list[Value]:
    """MatMul with a constant matrix on its right, as a linear layer without bias."""
    weight = call.constant(1)
    if len(weight.shape) != 2:
        raise call.refuse(
            f"multiplies by a tensor of shape {list(weight.shape)}", "use linear layers"
        )
    return _linear(call, _transposed(weight), None)


def _linear(call: Call, weight: Constant, bias: Array | None) -> list[Value]:
    builder, source = call.builder, call.tensor()
    if len(source.shape) != 2:
        raise call.refuse(
            f"reads a tensor of shape {list(source.shape)}",
            "flatten to [N, F] before a linear layer",
        )
    vector = builder.vector(source)
    features = builder.shape(vector)[0]
    if len(weight.shape) != 2 or weight.shape[1] != features:
        raise call.refuse(
            f"has a weight of shape {list(weight.shape)} for {features} features",
            "export the model again",
        )
    name = builder.fresh(call.name, "linear")
    made = call.add(
        Linear,
        vector,
        shape=(weight.shape[0],),
        weight=builder.bind(name, "weight", weight.array, weight.codes),
        bias=_bias(call, name, bias, weight.shape[0]),
    )
    return [builder.whole(made)]


def _bias(call: Call, layer: str, bias: Array | None, rows: int) -> str:
    if bias is None:
        return ""
    if bias.size != 1 and (bias.size != rows or bias.shape[-1:] != (rows,)):
        raise call.refuse(f"has a bias of shape {list(bias.shape)} for {rows} rows", "fix it")
    return call.builder.bind(layer, "bias", np.broadcast_to(bias.reshape(-1), (rows,)))


def _transposed(weight: Constant) -> Constant:
    codes = weight.codes
    if codes is not None:
        codes = WeightCodes(codes.integers.T, codes.scale.T, codes.bits)
    return Constant(weight.array.T, codes)


def _times(weight: Constant, factor: float) -> Constant:
    if factor == 1.0:
        return weight
    codes = weight.codes
    if codes is not None:
        integers = codes.integers if factor > 0 else -codes.integers  # steps stay positive
        codes = WeightCodes(integers, codes.scale * abs(factor), codes.bits) if factor else None
    array = weight.array
    return Constant(np.asarray(array * np.asarray(factor, array.dtype), array.dtype), codes)


def batch_norm(call: Call) -> list[Value]:
    """BatchNormalization with running statistics."""
    if call.attribute("training_mode", 0) or len([o for o in call.node.outputs if o]) > 1:
        raise call.refuse(
            "normalizes by the statistics of the batch", "export in evaluation mode: model.eval()"
        )
    eps = float(call.attribute("epsilon", 1e-5))
    if not 0 <= eps <= _LARGEST_EPS:
        raise call.refuse(f"has epsilon {eps}", "use a small positive epsilon")
    builder, source = call.builder, call.tensor()
    flat = len(source.shape) == 2 and len(builder.shape(source.op)) == 1
    operand = builder.vector(source) if flat else builder.image(source)
    shape = builder.shape(operand)
    name = builder.fresh(call.name, "batchnorm")
    keys = {}
    for position, field in enumerate(("weight", "bias", "running_mean", "running_var"), start=1):
        array = call.constant(position).array
        if array.shape != shape[:1]:
            raise call.refuse(
                f"its {field} has shape {list(array.shape)} for {shape[0]} channels",
                "export the model again",
            )
        keys[field] = builder.bind(name, field, array)
    if bool(np.any(call.constant(4).array.astype(np.float32) + eps <= 0)):
        raise call.refuse(
            "holds a variance that is not positive", "load or train real weights before this step"
        )
    made = call.add(BatchNorm, operand, shape=shape, eps=eps, **keys)
    return [builder.ranked(made, len(source.shape))]


def max_pool(call: Call) -> list[Value]:
    """MaxPool; ceil_mode is padding at the end, which never wins."""
    if call.attribute("storage_order", 0) or len([o for o in call.node.outputs if o]) > 1:
        raise call.refuse("returns indices", "use the pooled values only")
    return _pool(call, MaxPool2d, tuple(call.attribute("kernel_shape")), extends=True)


def average_pool(call: Call) -> list[Value]:
    """AveragePool where every divisor is the whole window."""
    made = _pool(call, AvgPool2d, tuple(call.attribute("kernel_shape")), extends=False)
    window = _window(call, made)
    if window.dilation != (1, 1):
        raise call.refuse("has dilations", "average neighbouring pixels, as PyTorch does")
    if any(window.padding) and not call.attribute("count_include_pad", 0):
        raise call.refuse(
            "has count_include_pad=0, whose divisor differs at the border",
            "use count_include_pad=1 or no padding",
        )
    return made


def _pool(
    call: Call, make: type[FloatOp], kernel: tuple[int, ...], *, extends: bool
) -> list[Value]:
    """Append a pool; `extends` is that of a maximum, which padding never wins."""
    builder, source = call.builder, call.tensor()
    image = builder.image(source)
    shape = builder.shape(image)
    window = window_of(call, kernel, shape, len(source.shape))
    window = ceiled(call, window, shape, extends)
    if extends and window.reads_only_padding(*shape[1:]):
        raise call.refuse("has windows of nothing but padding", "use less padding")
    size = (shape[0], *window.output_size(*shape[1:]))
    made = call.add(make, image, shape=size, window=window)
    return [builder.ranked(made, len(source.shape))]


def _window(call: Call, made: list[Value]) -> Window:
    op: Any = call.builder.ops[made[0].op]  # type: ignore[union-attr]
    assert isinstance(op.window, Window)
    return op.window


def global_average(call: Call) -> list[Value]:
    """GlobalAveragePool."""
    return _global(call, AvgPool2d)


def global_max(call: Call) -> list[Value]:
    """GlobalMaxPool."""
    return _global(call, MaxPool2d)


def _global(call: Call, make: type[FloatOp]) -> list[Value]:
    builder, source = call.builder, call.tensor()
    image = builder.image(source)
    channels, height, width = builder.shape(image)
    window = Window((height, width), (height, width))
    made = call.add(make, image, shape=(channels, 1, 1), window=window)
    return [builder.ranked(made, len(source.shape))]


def reduce_mean(call: Call) -> list[Value]:
    """ReduceMean over all axes of the image; without keepdims, the channels remain."""
    rank = len(call.tensor().shape)
    axes = {axis % rank for axis in call.numbers(1, "axes") or range(rank)}
    if rank not in (3, 4) or axes != set(range(2, rank)):
        raise call.refuse(
            f"is a mean over axes {sorted(axes)} of a tensor of rank {rank}",
            "only the mean over height and width of [N, C, H, W] is supported",
        )
    made = _global(call, AvgPool2d)
    if call.attribute("keepdims", 1):
        return made
    return [call.builder.ranked(made[0].op, 2)]  # type: ignore[union-attr]


IMPORTERS = {
    "Conv": convolution,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average,
    "GlobalMaxPool": global_max,
    "ReduceMean": reduce_mean,
}
"""Operation type -> importer."""
