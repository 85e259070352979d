"""Operations on shape alone, which become views; and those that compute nothing."""

from __future__ import annotations

from itertools import pairwise

from rmsmp_hls.frontend.layouts import lay_out
from rmsmp_hls.frontend.ops.call import Call, Made
from rmsmp_hls.frontend.views import View, whole
from rmsmp_hls.ir.float_ops import Dropout, FloatOp, SelectChannels


def reshape(call: Call) -> Made:
    """Any operation that keeps the elements in order: view, flatten, squeeze, unsqueeze."""
    view = call.view("self")
    return _made(call, view.reshaped(call.shape) or _laid_out(call, view).reshaped(call.shape))


def permute(call: Call) -> Made:
    """aten.permute."""
    return _made(call, call.view("self").permuted(call.arguments["dims"]))


def transpose(call: Call) -> Made:
    """aten.transpose and its aliases: two dimensions change places."""
    view, arguments = call.view("self"), call.arguments
    first, second = (
        arguments[a if a in arguments else b] % len(view.groups)
        for a, b in (("dim0", "axis0"), ("dim1", "axis1"))
    )
    order = list(range(len(view.groups)))
    order[first], order[second] = second, first
    return _made(call, view.permuted(order))


def expand(call: Call) -> Made:
    """aten.expand, aten.expand_as: dimensions of size 1 repeated."""
    return _made(call, call.view("self").expanded(call.shape))


def cut(call: Call) -> Made:
    """aten.slice with constant bounds."""
    view, axis = _view_axis(call)
    size = view.shape[axis]
    start, end = (call.arguments[name] for name in ("start", "end"))
    start, _, step = slice(start, end, call.arguments["step"]).indices(size)
    return _made(call, _cut(call, view, axis, start, call.shape[axis], step))


def narrow(call: Call) -> Made:
    """aten.narrow."""
    view, axis = _view_axis(call)
    start = call.arguments["start"] % view.shape[axis]
    return _made(call, _cut(call, view, axis, start, call.arguments["length"]))


def select(call: Call) -> Made:
    """aten.select: one index of a dimension, which goes."""
    view, axis = _view_axis(call)
    one = _cut(call, view, axis, call.arguments["index"] % view.shape[axis], 1)
    return _made(call, None if one is None else one.dropped(axis))


def split(call: Call) -> Made:
    """aten.split, chunk, split_with_sizes, tensor_split: pieces of a dimension, in order."""
    view, axis = _view_axis(call)
    pieces, start = [], 0
    for number, shape in enumerate(call.shapes):
        pieces.append(_cut(call, view, axis, start, shape[axis]))
        start += shape[axis]
        if number == len(call.shapes) - 1 and start != view.shape[axis]:
            raise ValueError("the pieces are not the whole")
    return _made(call, *pieces)


def unbind(call: Call) -> Made:
    """aten.unbind: every index of a dimension, which goes."""
    view, axis = _view_axis(call)
    ones = [_cut(call, view, axis, index, 1) for index in range(len(call.shapes))]
    return _made(call, *(None if one is None else one.dropped(axis) for one in ones))


def index_select(call: Call) -> Made | tuple[FloatOp, ...]:
    """aten.index_select and x[:, index] where the index is a constant."""
    if "indices" in call.arguments:
        view, indices = call.view("self"), call.arguments["indices"]
        given = [axis for axis, index in enumerate(indices) if index is not None]
        axis, index = (given[0], indices[given[0]]) if len(given) == 1 else (0, None)
    else:
        (view, axis), index = _view_axis(call), call.arguments["index"]
    values = None if index is None else call.around.integers(index.name)
    if values is None or axis == 0 or len(values) != call.shape[axis] or not values:
        raise call.refuse(
            "selects by an index that is not a constant list known here",
            "use slices, chunk or split of the channels: x[:, :8]",
        )
    values = tuple(value % view.shape[axis] for value in values)
    if axis == 1 and len(view.shape) > 2:
        source = call.laid_out(view)
        return (SelectChannels(inputs=(source.name,), indices=values, **call.base()),)
    steps = {later - value for value, later in pairwise(values)} or {1}
    if len(steps) > 1 or min(steps) < 1:
        raise call.refuse("selects unevenly", "use slices of the channels, and concatenate them")
    return _made(call, _cut(call, view, axis, values[0], len(values), steps.pop()))


def channel_shuffle(call: Call) -> Made:
    """aten.channel_shuffle: channels [g, C / g] in the order [C / g, g]."""
    view, groups = call.view("self"), call.arguments["groups"]
    batch, channels, *pixels = view.shape
    parts = view.reshaped((batch, groups, channels // groups, *pixels))
    if parts is None:
        return _made(call, None)
    order = [0, 2, 1, *range(3, len(parts.groups))]
    return _made(call, parts.permuted(order).reshaped(view.shape))


def identity(call: Call) -> Made:
    """The result is the argument."""
    return Made((call.view("self" if "self" in call.arguments else "input"),))


def conversion(call: Call) -> Made:
    """A conversion to the number type that the tensor has, or to another device."""
    if not call.same_type:
        raise call.refuse("changes the number type", "compute in one floating point type")
    return identity(call)


def dropout(call: Call) -> tuple[FloatOp, ...]:
    """aten.dropout that only training computes."""
    if call.arguments["train"]:
        raise call.refuse(
            "is active in evaluation too", "pass training=self.training, or use nn.Dropout"
        )
    source = call.activation("self" if "self" in call.arguments else "input").name
    p = float(call.arguments["p"])
    if not 0 <= p <= 1:
        raise call.refuse(f"has the probability {p}", "use a probability from 0 to 1")
    return (Dropout(inputs=(source,), p=p, **call.base()),)


def feature_dropout(call: Call) -> tuple[FloatOp, ...]:
    """Dropout of whole channels: as a module only, which training then calls."""
    if not call.owned:
        raise call.refuse("drops whole channels", "use the module nn.Dropout2d instead")
    return dropout(call)


def softmax(call: Call) -> Made:
    """Softmax over the classes at the very end: left to the host, the largest stays the largest."""
    view, dim = call.view("self"), call.arguments["dim"]
    if dim % len(view.shape) != 1 or not call.same_type:
        raise call.refuse(
            f"is over dimension {dim} of a tensor of shape {view.shape}",
            "only a softmax over the classes (dim=1) that is the network's result is supported",
        )
    name = "log_softmax" if "log" in call.op else "softmax"
    note = (
        f"{name} at the end is left to the host: the accelerator returns what it reads, the "
        "largest of which is the same class"
    )
    ends = f"the result of {name}, which is only supported as the network's own result"
    return Made((view,), note=note, ends=ends)


def _view_axis(call: Call) -> tuple[View, int]:
    view = call.view("self")
    return view, call.arguments["dim"] % len(view.groups)


def _cut(call: Call, view: View, axis: int, start: int, length: int, step: int = 1) -> View | None:
    """Return a slice; of dimensions that several walks make, laid out first."""
    found = view.cut(axis, start, length, step)
    return found or _laid_out(call, view).cut(axis, start, length, step)


def _laid_out(call: Call, view: View) -> View:
    if lay_out(view) is None:
        return view
    operand = call.laid_out(view)
    again = whole(operand.name, operand.shape, view.batch, view.shape)
    return again.affine(view.scale, view.shift)


def _made(call: Call, *views: View | None) -> Made:
    """Return the views, which must have the shapes that the call states."""
    if len(views) != len(call.shapes):
        raise ValueError("another number of results")
    found: list[View] = []
    for number, (view, shape) in enumerate(zip(views, call.shapes, strict=True)):
        if view is None:
            raise call.refuse(
                f"makes a tensor of shape {shape} in an order that no selection of channels has",
                "keep whole channels together; move no pixels",
            )
        if view.shape != tuple(shape):
            raise ValueError(f"makes {view.shape}, not {shape}")
        found.append(call.linked(view, number))
    return Made(tuple(found))
