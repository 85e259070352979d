"""Clamps and activation functions of every element."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from rmsmp_hls.frontend.ops.call import Call, Importer, Made
from rmsmp_hls.frontend.ops.numbers import is_number
from rmsmp_hls.frontend.views import View
from rmsmp_hls.ir.float_ops import Activation, Clamp, FloatOp


def relu(call: Call) -> tuple[FloatOp, ...] | Made:
    """ReLU: clamp to [0, inf]."""
    return _clamp(call, 0.0, math.inf)


def relu6(call: Call) -> tuple[FloatOp, ...] | Made:
    """ReLU6: clamp to [0, 6]."""
    return _clamp(call, 0.0, 6.0)


def hardtanh(call: Call) -> tuple[FloatOp, ...] | Made:
    """Hardtanh: clamp to [min_val, max_val]."""
    return _clamp(call, call.arguments["min_val"], call.arguments["max_val"])


def clamp(call: Call) -> tuple[FloatOp, ...] | Made:
    """aten.clamp and its one-sided forms; a missing bound is infinite."""
    return _clamp(call, call.arguments.get("min"), call.arguments.get("max"))


def _clamp(call: Call, low: object, high: object) -> tuple[FloatOp, ...] | Made:
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    if not is_number(low) or not is_number(high) or not low <= high:  # type: ignore[operator]
        raise call.refuse(
            f"has the bounds {low!r}, {high!r}", "clamp to two numbers, the lower one first"
        )
    assert isinstance(low, (int, float)) and isinstance(high, (int, float))
    view = call.view("self" if "self" in call.arguments else "input")
    if view.is_affine:
        return _clamp_affine(call, view, low, high)
    source = call.laid_out(view).name
    return (Clamp(inputs=(source,), low=float(low), high=float(high), **call.base()),)


def _clamp_affine(call: Call, view: View, low: float, high: float) -> Made | tuple[FloatOp, ...]:
    """clamp(a x + b) as a * clamp(x, (low - b) / a, (high - b) / a) + b.

    clamp(x, -3, 3) + 3 is 6 * hard_sigmoid(x): so relu6(x + 3) / 6 becomes that function.
    """
    scale, shift = view.scale, view.shift
    if not (math.isfinite(scale) and math.isfinite(shift) and scale > 0):
        raise call.refuse("clamps a tensor that a number has turned or made infinite", "use ReLU")
    low, high = (low - shift) / scale, (high - shift) / scale
    source = call.laid_out(replace(view, scale=1.0, shift=0.0)).name
    before = call.around.maker(source)
    if isinstance(before, Clamp):  # maybe clamp(min=0), and now clamp(max=6)
        both = [min(max(bound, before.low), before.high) for bound in (low, high)]
        if both == [-3.0, 3.0]:
            (low, high), source = both, before.inputs[0]
    op: FloatOp = Clamp(inputs=(source,), low=low, high=high, **call.base())
    if (low, high) == (-3.0, 3.0) and shift == 3 * scale:
        op = Activation(inputs=(source,), function="hard_sigmoid", **call.base())
        scale, shift = 6 * scale, 0.0
    made = call.linked(call.result(op).affine(scale, shift))
    return Made((made,), (op,))


def function(name: str, parameter: str = "") -> Importer:
    """Return the importer of an activation function of `numerics.functions`.

    Args:
        name: of the function.
        parameter: the argument of the operation that is its parameter.
    """
    return partial(_function, function=name, parameter=parameter)


def elu(call: Call) -> tuple[FloatOp, ...]:
    """ELU; its scales, which SELU and CELU use, must be 1."""
    if call.arguments["scale"] != 1 or call.arguments["input_scale"] != 1:
        raise call.refuse("has scales other than 1", "use nn.ELU")
    return _function(call, function="elu", parameter="alpha")


def gelu(call: Call) -> tuple[FloatOp, ...]:
    """GELU, exact or by tanh."""
    forms = {"none": "gelu", "tanh": "gelu_tanh"}
    return _function(call, function=forms[call.arguments["approximate"]])


def _function(call: Call, *, function: str, parameter: str = "") -> tuple[FloatOp, ...]:
    number = call.arguments[parameter] if parameter else 0.0
    if not is_number(number) or not math.isfinite(number):
        raise call.refuse(f"has the parameter {number!r}", "use a finite number")
    source = call.activation("self").name
    return (
        Activation(inputs=(source,), function=function, parameter=float(number), **call.base()),
    )
