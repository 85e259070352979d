"""Sums and products of tensors, and of a tensor and a number."""

from __future__ import annotations

import math
from typing import Any

from rmsmp_hls.frontend.ops.call import FOLD, Call, Made, Operand
from rmsmp_hls.frontend.ops.numbers import is_number
from rmsmp_hls.frontend.views import View
from rmsmp_hls.ir.float_ops import Add, FloatOp, Multiply


def add(call: Call) -> tuple[FloatOp, ...] | Made:
    """aten.add of two tensors, alpha = 1, or of a tensor and a number."""
    number = call.arguments["other"]
    if call.arguments["alpha"] != 1:
        raise call.refuse(f"has alpha={call.arguments['alpha']}", "add without alpha")
    if is_number(number):
        return _affine(call, 1.0, number)
    operands = _operands(call, [call.view("self"), call.view("other")])
    return (Add(inputs=tuple(operand.name for operand in operands), **call.base()),)


def subtract(call: Call) -> Made:
    """aten.sub of a tensor and a number."""
    number = call.arguments["other"]
    if not is_number(number) or call.arguments["alpha"] != 1:
        raise call.refuse(
            "subtracts tensors", "use an addition, with the sign in the weights of a branch"
        )
    return _affine(call, 1.0, -number)


def multiply(call: Call) -> tuple[FloatOp, ...] | Made:
    """aten.mul of two tensors, or of a tensor and a number."""
    number = call.arguments["other"]
    if is_number(number):
        return _affine(call, number, 0.0)
    return _product(call, call.view("self"), call.view("other"))


def square(call: Call) -> tuple[FloatOp, ...] | Made:
    """aten.square, and aten.pow with the exponent 2: a tensor times itself."""
    if call.arguments.get("exponent", 2) != 2:
        raise call.refuse("is a power", "only the square is supported")
    return _product(call, call.view("self"), call.view("self"))


def divide(call: Call) -> Made:
    """aten.div of a tensor by a number."""
    number = call.arguments["other"]
    if not is_number(number) or number == 0 or call.arguments.get("rounding_mode") is not None:
        raise call.refuse("divides by a tensor, by 0 or to integers", FOLD)
    return _affine(call, 1 / number, 0.0)


def _affine(call: Call, scale: float, shift: float) -> Made:
    view = call.view("self").affine(scale, shift)
    if not (math.isfinite(view.scale) and math.isfinite(view.shift)) or not call.same_type:
        raise call.refuse("makes infinite numbers or another number type", FOLD)
    return Made((call.linked(view),))


def _product(call: Call, first: View, second: View) -> tuple[FloatOp, ...] | Made:
    """Return a product; factors of the operands (not summands) become one of the result."""
    scale = 1.0
    if (first.is_affine or second.is_affine) and first.shift == second.shift == 0:
        scale = first.scale * second.scale
        first, second = first.affine(1 / first.scale, 0.0), second.affine(1 / second.scale, 0.0)
    operands = _operands(call, [first, second])
    op = Multiply(inputs=tuple(operand.name for operand in operands), **call.base())
    if scale == 1.0:
        return (op,)
    return Made((call.linked(call.result(op).affine(scale, 0.0)),), (op,))


def _operands(call: Call, views: list[View]) -> list[Operand]:
    """Return the operands, the one of shape (C, 1, 1) last."""
    if len({len(view.groups) for view in views}) == 1:
        views = [_without_repetition(view) for view in views]
        operands = [call.laid_out(view) for view in views]
        first, second = (operand.shape for operand in operands)
        result: Any = call.base()["shape"]
        for large, small, order in ((first, second, 1), (second, first, -1)):
            if large == result and small in (large, (large[0], 1, 1)):
                return operands[::order]
    raise call.refuse(
        f"broadcasts shapes {call.view('self').shape} and {call.view('other').shape}",
        "combine tensors of equal shape, or one of them [N, C, 1, 1]",
    )


def _without_repetition(view: View) -> View:
    """Return an operand before expand_as, which broadcasting does in any case."""
    return view.unexpanded() if len(view.groups) > 2 else view
