"""Nodes of constants alone are computed at import: shapes, and rearranged weights.

Only what exporters write for shape arithmetic and for parameters; results are bounded.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rmsmp_hls.frontend.onnx.call import Call
from rmsmp_hls.frontend.onnx.model import Array
from rmsmp_hls.frontend.onnx.moves import target_shape
from rmsmp_hls.frontend.onnx.values import Constant, Value, WeightCodes

_LARGEST = 1 << 24
"""Most elements of a computed constant that is larger than its operands."""
Fold = Callable[[Call, Array], Array]


def constant(call: Call) -> list[Value]:
    """The node Constant."""
    found = [
        (name, value) for name, value in call.node.attributes.items() if name.startswith("value")
    ]
    if len(found) != 1 or found[0][1] is None or isinstance(found[0][1], str):
        raise call.refuse("holds no dense numbers", "export the model again")
    name, value = found[0]
    dtype = {"value_float": np.float32, "value_floats": np.float32}.get(name, np.int64)
    return [Constant(value if name == "value" else np.array(value, dtype=dtype))]


def _cast(call: Call, x: Array) -> Array:
    types = {1: np.float32, 11: np.float64, 6: np.int32, 7: np.int64, 9: np.bool_, 3: np.int8,
             2: np.uint8, 10: np.float16}  # fmt: skip
    return x.astype(types[int(call.attribute("to"))])


def _reshape(call: Call, x: Array) -> Array:
    wanted = call.numbers(1, "shape") or []
    return x.reshape(target_shape(x.shape, wanted, bool(call.attribute("allowzero", 0))))


def _flatten(call: Call, x: Array) -> Array:
    axis = int(call.attribute("axis", 1))
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _squeeze(call: Call, x: Array) -> Array:
    axes = call.numbers(1, "axes")
    return np.squeeze(x, None if axes is None else tuple(axes))


def _unsqueeze(call: Call, x: Array) -> Array:
    return np.expand_dims(x, tuple(call.numbers(1, "axes") or []))


def _transpose(call: Call, x: Array) -> Array:
    return np.transpose(x, call.attribute("perm"))


def _slice(call: Call, x: Array) -> Array:
    starts, ends = call.numbers(1, "starts") or [], call.numbers(2, "ends") or []
    axes = call.numbers(3, "axes") or list(range(len(starts)))
    steps = call.numbers(4, "steps") or [1] * len(starts)
    cuts = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        none = step < 0 and end < -x.shape[axis]
        cuts[axis] = slice(start, None if none else end, step)
    return x[tuple(cuts)]


def _gather(call: Call, x: Array) -> Array:
    indices = call.constant(1).array
    _bound(call, indices.size * (x.size // max(x.shape[int(call.attribute("axis", 0))], 1)))
    return np.take(x, indices, axis=int(call.attribute("axis", 0)))


_MOVES: dict[str, Fold] = {
    "Identity": lambda _, x: x,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Slice": _slice,
    "Gather": _gather,
}
"""What moves elements: the integers of quantized weights are moved along."""


def moved(call: Call) -> list[Value]:
    """Apply a move to a constant."""
    source = call.constant(0)
    move = _MOVES[call.node.op]
    codes = source.codes
    if codes is not None:
        codes = WeightCodes(move(call, codes.integers), move(call, codes.scale), codes.bits)
    return [Constant(move(call, source.array), codes)]


def _arithmetic(operation: Callable[..., Any], count: int = 2) -> Callable[[Call], list[Value]]:
    """Return what an operation of `count` operands makes."""

    def fold(call: Call) -> list[Value]:
        arrays = _operands(call)
        if len(arrays) != count:
            raise call.refuse(f"has {len(arrays)} inputs, not {count}", "export it again")
        with np.errstate(all="ignore"):
            return [Constant(np.asarray(operation(*arrays)))]

    return fold


def _of_all(operation: Callable[[Array, Array], Any]) -> Callable[[Call], list[Value]]:
    """Return what Min and Max of any number of operands make."""
    return lambda call: [Constant(np.asarray(functools.reduce(operation, _operands(call))))]


def _operands(call: Call) -> list[Array]:
    """Return the arrays of all operands, which broadcast to one of sane size."""
    arrays = [call.constant(i).array for i in range(len(call.operands))]
    _bound(call, math.prod(np.broadcast_shapes(*(a.shape for a in arrays))))
    return arrays


def _divide(a: Array, b: Array) -> Any:
    if np.issubdtype(a.dtype, np.integer):
        if bool(np.any(b == 0)):
            raise ZeroDivisionError
        return np.trunc(a / b).astype(a.dtype) if bool(np.any(a < 0) or np.any(b < 0)) else a // b
    return a / b


def _concat(call: Call) -> list[Value]:
    arrays = [call.constant(i).array for i in range(len(call.operands))]
    return [Constant(np.concatenate(arrays, axis=int(call.attribute("axis"))))]


def _shape(call: Call) -> list[Value]:
    end = call.attribute("end")
    shape = call.constant(0).shape
    cut = shape[int(call.attribute("start", 0)) : None if end is None else int(end)]
    return [Constant(np.array(cut, dtype=np.int64))]


def _filled(call: Call) -> list[Value]:
    shape = tuple(call.numbers(0, "") or [])
    _bound(call, math.prod(shape))
    value = call.attribute("value")
    value = np.zeros(1, dtype=np.float32) if value is None else value
    return [Constant(np.full(shape, value.reshape(-1)[0], dtype=value.dtype))]


def _expand(call: Call) -> list[Value]:
    x, shape = call.constant(0).array, tuple(call.numbers(1, "") or [])
    made = np.broadcast_shapes(x.shape, shape)
    _bound(call, math.prod(made))
    return [Constant(np.broadcast_to(x, made))]


def _range(call: Call) -> list[Value]:
    arrays = [call.constant(i).array.reshape(()) for i in range(3)]
    first, last, step = (float(a) for a in arrays)
    _bound(call, int(abs((last - first) / step)) + 1)
    return [Constant(np.arange(first, last, step).astype(arrays[0].dtype))]


def _reduced(operation: Callable[..., Any]) -> Callable[[Call], list[Value]]:
    def fold(call: Call) -> list[Value]:
        axes = call.numbers(1, "axes")
        keep = bool(call.attribute("keepdims", 1))
        x = call.constant(0).array
        if not axes and call.attribute("noop_with_empty_axes", 0):
            return [Constant(x)]
        made = operation(x, axis=tuple(axes) if axes else None, keepdims=keep)
        return [Constant(np.asarray(made, dtype=x.dtype))]

    return fold


def _bound(call: Call, elements: int) -> None:
    if not 0 <= elements <= _LARGEST:
        raise call.refuse(f"makes a constant of {elements} elements", "export it smaller")


FOLDS: dict[str, Callable[[Call], list[Value]]] = {
    "Constant": constant,
    **dict.fromkeys(_MOVES, moved),
    "Cast": lambda call: [Constant(_cast(call, call.constant(0).array))],
    "Concat": _concat,
    "Shape": _shape,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "Range": _range,
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduced(np.sum),
    "Add": _arithmetic(np.add),
    "Sub": _arithmetic(np.subtract),
    "Mul": _arithmetic(np.multiply),
    "Div": _arithmetic(_divide),
    "Sqrt": _arithmetic(np.sqrt, 1),
    "Neg": _arithmetic(np.negative, 1),
    "Abs": _arithmetic(np.abs, 1),
    "Exp": _arithmetic(np.exp, 1),
    "Log": _arithmetic(np.log, 1),
    "Reciprocal": _arithmetic(np.reciprocal, 1),
    "Floor": _arithmetic(np.floor, 1),
    "Ceil": _arithmetic(np.ceil, 1),
    "Min": _of_all(np.minimum),
    "Max": _of_all(np.maximum),
    "Equal": _arithmetic(np.equal),
    "Not": _arithmetic(np.logical_not, 1),
    "Where": _arithmetic(np.where, 3),
}
"""Operation type -> what it makes of constants."""
