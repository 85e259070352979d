"""Activation functions that exporters write out: silu as x * sigmoid(x), gelu with erf ...

What an element-wise part of the graph makes of one tensor is a curve. Drawn over a fine
grid it is compared with the functions of `numerics.functions`: whatever form the exporter
chose, it is recognized by what it computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from rmsmp_hls.frontend.onnx.values import Half, Scale
from rmsmp_hls.ir.float_ops import Activation, Clamp, FloatOp, Multiply
from rmsmp_hls.numerics.functions import FUNCTIONS, apply_function

Curve = npt.NDArray[np.float64]
TOLERANCE = 3e-4
"""Largest difference, relative to 1 + |f|, at which a curve is taken for a function: exporters
round 1/6 to 0.1667 (1e-4 of a hard sigmoid); gelu is told from its tanh form by the best fit."""
_FAR = [20.0, 30.0, 50.0, 100.0, 1e3, 1e4, 1e5, 1e6]
_GRID = np.concatenate([np.linspace(-12, 12, 2401), _FAR, -np.array(_FAR)])
_DEEPEST = 8
_BARE = (Clamp, Activation, Scale, Half)


def recognized(ops: Mapping[str, FloatOp], name: str) -> tuple[str, str] | None:
    """Return (function, tensor that it is applied to) if operation `name` computes one."""
    for root in _roots(ops, name):
        curve = _curve(ops, name, root, 0, {})
        if curve is None:
            continue
        errors = {f: _difference(curve, f) for f, entry in FUNCTIONS.items() if not entry.parameter}
        best = min(errors, key=lambda f: errors[f])
        if errors[best] <= TOLERANCE:
            return best, root
    return None


def _difference(curve: Curve, function: str) -> float:
    exact = apply_function(function, 0.0, _GRID)
    return float(np.max(np.abs(curve - exact) / (1 + np.abs(exact))))


def _roots(ops: Mapping[str, FloatOp], name: str) -> Iterator[str]:
    """Yield the tensors that the operation is a function of, the nearest first."""
    level, seen = [name], {name}
    for _ in range(_DEEPEST):
        level = [source for tensor in level for source in _inputs(ops, tensor)]
        level = [n for n in dict.fromkeys(level) if n not in seen]
        seen.update(level)
        yield from level


def _inputs(ops: Mapping[str, FloatOp], name: str) -> tuple[str, ...]:
    op = ops[name]
    return op.inputs if isinstance(op, (*_BARE, Multiply)) else ()


def _curve(
    ops: Mapping[str, FloatOp], name: str, root: str, depth: int, known: dict[str, Curve | None]
) -> Curve | None:
    """Return what `name` is for every value of `root` on the grid; None if it is no curve.

    `known` keeps what was found: towers of products would be drawn again and again.
    """
    if name == root:
        return _GRID
    if name not in known:
        known[name] = _drawn(ops, name, root, depth, known)
    return known[name]


def _drawn(
    ops: Mapping[str, FloatOp], name: str, root: str, depth: int, known: dict[str, Curve | None]
) -> Curve | None:
    op = ops[name]
    if depth > _DEEPEST or not isinstance(op, (*_BARE, Multiply)):
        return None
    parts = [_curve(ops, source, root, depth + 1, known) for source in op.inputs]
    first = parts[0]
    if first is None:
        return None
    with np.errstate(all="ignore"):
        if isinstance(op, Clamp):
            return np.clip(first, op.low, op.high)
        if isinstance(op, Scale):
            return first * op.factor + op.shift
        if isinstance(op, Half):
            return _half(op.function, first)
        if isinstance(op, Activation):
            return apply_function(op.function, op.parameter, first)
        second = parts[1]
        return None if second is None else first * second


def _half(function: str, x: Curve) -> Curve:
    if function == "erf":
        return np.array([math.erf(value) for value in x])
    return np.logaddexp(0.0, x)  # softplus
