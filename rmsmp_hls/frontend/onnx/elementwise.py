"""Importers of what computes element by element."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from rmsmp_hls.frontend.onnx.build import Builder
from rmsmp_hls.frontend.onnx.call import Call, Importer
from rmsmp_hls.frontend.onnx.curves import recognized
from rmsmp_hls.frontend.onnx.model import Array
from rmsmp_hls.frontend.onnx.values import Constant, Half, Scale, Tensor, Value
from rmsmp_hls.ir.float_ops import (
    Activation,
    Add,
    BatchNorm,
    Clamp,
    Conv2d,
    FloatOp,
    Linear,
    Multiply,
)
from rmsmp_hls.ir.types import Shape

_HARD_SIGMOID_SLACK = 1e-4  # 3e-4 of the result, as of curves
_EQUAL = "combine tensors of equal shape, or one of [N, C, H, W] with one of [N, C, 1, 1]"


def _each(call: Call, make: type[FloatOp], **fields: object) -> list[Value]:
    """Append an operation on every element; the layout stays."""
    source = call.tensor()
    shape = call.builder.shape(source.op)
    return [Tensor(call.add(make, source.op, shape=shape, **fields), source.view)]


def _clamp(call: Call, low: float, high: float) -> list[Value]:
    if not low <= high:
        raise call.refuse(f"has the bounds {low}, {high}", "give the lower bound first")
    return _each(call, Clamp, low=low, high=high)


def _activation(call: Call, function: str, parameter: float = 0.0) -> list[Value]:
    if not math.isfinite(parameter):
        raise call.refuse(f"has the parameter {parameter}", "use a finite one")
    return _each(call, Activation, function=function, parameter=parameter)


def relu(call: Call) -> list[Value]:
    """Relu: clamp to [0, inf]."""
    return _clamp(call, 0.0, math.inf)


def clip(call: Call) -> list[Value]:
    """Clip: bounds are attributes up to opset 10, inputs from 11 on."""
    bounds = []
    for position, name, default in ((1, "min", -math.inf), (2, "max", math.inf)):
        given = call.operand(position) is not None
        bounds.append(
            call.scalar(position, name) if given else float(call.attribute(name, default))
        )
    return _clamp(call, bounds[0], bounds[1])


def hard_sigmoid(call: Call) -> list[Value]:
    """HardSigmoid with the slope 1/6 that torch has."""
    alpha, beta = float(call.attribute("alpha", 0.2)), float(call.attribute("beta", 0.5))
    if abs(alpha - 1 / 6) > _HARD_SIGMOID_SLACK or beta != 0.5:
        raise call.refuse(
            f"is clip({alpha:g} x + {beta:g}, 0, 1)", "use alpha = 1/6 and beta = 0.5"
        )
    return _activation(call, "hard_sigmoid")


def gelu(call: Call) -> list[Value]:
    """Gelu, exact or by tanh."""
    tanh = call.text("approximate", "none") == "tanh"
    return _activation(call, "gelu_tanh" if tanh else "gelu")


def prelu(call: Call) -> list[Value]:
    """PRelu with one slope, as a leaky ReLU."""
    slopes = np.unique(call.constant(1).array)
    if len(slopes) != 1:
        raise call.refuse("has a slope per channel", "use one slope: LeakyRelu")
    return _activation(call, "leaky_relu", float(slopes[0]))


def add(call: Call) -> list[Value]:
    """Add: of two tensors, or of a constant to one."""
    if _two_tensors(call):
        return _combined(call, Add)
    tensor, constant = _with_constant(call)
    return _affine(call, tensor, None, constant)


def subtract(call: Call) -> list[Value]:
    """Sub of a constant, or from one."""
    if _two_tensors(call):
        raise call.refuse(
            "subtracts two tensors", "use an addition, with the sign in a branch's weights"
        )
    tensor, constant = _with_constant(call)
    if isinstance(call.operand(0), Tensor):
        return _affine(call, tensor, None, -constant)
    return _affine(call, tensor, np.full((1,), -1.0, constant.dtype), constant)


def multiply(call: Call) -> list[Value]:
    """Mul: of two tensors, or of one by a constant."""
    if _two_tensors(call):
        return _combined(call, Multiply)
    tensor, constant = _with_constant(call)
    return _affine(call, tensor, constant, None)


def divide(call: Call) -> list[Value]:
    """Div by a constant."""
    if not isinstance(call.operand(1), Constant):
        raise call.refuse("divides by a tensor", "divide by constants only")
    tensor, constant = _with_constant(call)
    if bool(np.any(constant == 0)):
        raise call.refuse("divides by zero", "divide by something else")
    return _affine(call, tensor, 1.0 / constant, None)


def _two_tensors(call: Call) -> bool:
    return isinstance(call.operand(0), Tensor) and isinstance(call.operand(1), Tensor)


def _with_constant(call: Call) -> tuple[Tensor, Array]:
    position = 0 if isinstance(call.operand(0), Tensor) else 1
    constant = call.constant(1 - position).array
    if constant.dtype not in (np.float32, np.float64):
        raise call.refuse(f"has a constant of type {constant.dtype}", "convert it to float32")
    if constant.ndim > len(call.tensor(position).shape) or constant.size == 0:
        raise call.refuse(
            f"has a constant of shape {list(constant.shape)}", "use one number, or one per channel"
        )
    return call.tensor(position), constant


def _combined(call: Call, make: type[FloatOp]) -> list[Value]:
    """Append an operation on two tensors, the one that is (C, 1, 1) second."""
    builder, first, second = call.builder, call.tensor(0), call.tensor(1)
    same_base = builder.shape(first.op) == builder.shape(second.op)
    if same_base and first.view == second.view:
        made = call.add(make, first.op, second.op, shape=builder.shape(first.op))
        return [Tensor(_named(call, made), first.view)]
    rank = len(first.shape)
    if rank != len(second.shape):
        raise call.refuse(f"combines shapes {list(first.shape)} and {list(second.shape)}", _EQUAL)
    pick = builder.vector if rank == 2 else builder.image
    names = [pick(first), pick(second)]
    shapes = [builder.shape(name) for name in names]
    if shapes[0] != shapes[1] and _pixel(shapes[0]) and not _pixel(shapes[1]):
        names.reverse()
        shapes.reverse()
    if shapes[0] != shapes[1] and shapes[1] != (shapes[0][0], *(1 for _ in shapes[0][1:])):
        raise call.refuse(f"combines shapes {list(first.shape)} and {list(second.shape)}", _EQUAL)
    made = call.add(make, *names, shape=shapes[0])
    return [builder.ranked(_named(call, made), rank)]


def _pixel(shape: Shape) -> bool:
    return all(size == 1 for size in shape[1:])


def _affine(call: Call, tensor: Tensor, factor: Array | None, shift: Array | None) -> list[Value]:
    """Append x * factor + shift by constants: numbers for all elements, or per channel."""
    builder = call.builder
    values = [v for v in (factor, shift) if v is not None]
    if not all(np.isfinite(v).all() for v in values):
        raise call.refuse("has a constant that is NaN or infinite", "use finite constants")
    numbers_only = shift is None and all(v.size == 1 for v in values)
    if numbers_only or _is_shift(call, tensor, shift):
        numbers = {
            "factor": 1.0 if factor is None else float(factor.reshape(-1)[0]),
            "shift": 0.0 if shift is None else float(shift.reshape(-1)[0]),
        }
        made = call.add(Scale, tensor.op, shape=builder.shape(tensor.op), **numbers)
        return [Tensor(_named(call, made), tensor.view)]
    rank = len(tensor.shape)
    flat = rank == 2 and len(builder.shape(tensor.op)) == 1
    operand = builder.vector(tensor) if flat else builder.image(tensor)
    shape = builder.shape(operand)
    rows = {
        "weight": _per_channel(call, factor, tensor.shape, shape[0], 1.0),
        "bias": _per_channel(call, shift, tensor.shape, shape[0], 0.0),
    }
    op = builder.ops[operand]
    if factor is None and isinstance(op, (Conv2d, Linear)) and not op.bias and _alone(call):
        _give_bias(builder, op, rows["bias"])
        return [builder.ranked(operand, rank)]
    name = builder.fresh(call.name, "batchnorm")
    keys = {field: builder.bind(name, field, array) for field, array in rows.items()}
    ones = np.ones(shape[0], dtype=rows["weight"].dtype)
    keys["running_mean"] = builder.bind(name, "running_mean", ones * 0)
    keys["running_var"] = builder.bind(name, "running_var", ones)
    made = call.add(BatchNorm, operand, shape=shape, eps=0.0, **keys)
    return [builder.ranked(made, rank)]


def _is_shift(call: Call, tensor: Tensor, shift: Array | None) -> bool:
    """Whether one number is added, and not as the bias of a layer of one row."""
    if shift is None or shift.size != 1:
        return False
    op = call.builder.ops[tensor.op]
    return not (isinstance(op, (Conv2d, Linear)) and not op.bias and _alone(call))


def _alone(call: Call) -> bool:
    """Whether the tensor that the node reads is a layer's own, and nothing else reads it."""
    return call.sole[0 if isinstance(call.operand(0), Tensor) else 1]


def _give_bias(builder: Builder, op: Conv2d | Linear, bias: Array) -> None:
    """Give a layer that nobody else reads its bias."""
    key = builder.bind(op.name, "bias", bias)
    builder.ops[op.name] = dataclasses.replace(op, bias=key)


def _per_channel(
    call: Call, array: Array | None, shape: tuple[int, ...], channels: int, default: float
) -> Array:
    """Return [channels] of a constant that is broadcast to a tensor of `shape`."""
    if array is None:
        return np.full(channels, default, dtype=np.float32)
    whole = (1,) * (len(shape) - array.ndim) + array.shape
    if array.size == 1:
        return np.broadcast_to(array.reshape(-1), (channels,))
    if len(whole) != len(shape) or array.size != channels or whole[1] != channels:
        raise call.refuse(
            f"combines a tensor of shape {list(shape)} with a constant of shape "
            f"{list(array.shape)}",
            "use constants of one number, or of one per channel",
        )
    return array.reshape(-1)


def _named(call: Call, made: str) -> str:
    """Return the operation, or the activation function that it completes."""
    found = recognized(call.builder.ops, made)
    if found is None:
        return made
    function, source = found
    shape = call.builder.shape(source)
    return call.add(Activation, source, shape=shape, function=function, parameter=0.0)


def _function(name: str) -> Importer:
    return lambda call: _activation(call, name)


def _half(name: str) -> Importer:
    return lambda call: _each(call, Half, function=name)


IMPORTERS: dict[str, Importer] = {
    "Relu": relu,
    "Clip": clip,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": _function("hard_swish"),
    "Sigmoid": _function("sigmoid"),
    "Tanh": _function("tanh"),
    "Mish": _function("mish"),
    "Gelu": gelu,
    "LeakyRelu": lambda call: _activation(call, "leaky_relu", float(call.attribute("alpha", 0.01))),
    "Elu": lambda call: _activation(call, "elu", float(call.attribute("alpha", 1.0))),
    "PRelu": prelu,
    "Erf": _half("erf"),
    "Softplus": _half("softplus"),
    "Add": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
}
"""Operation type -> importer."""
