"""Pooling: windows, adaptive pools of equal windows, means over height and width."""

from __future__ import annotations

from dataclasses import replace

from rmsmp_hls.frontend.layouts import image_shape, pooled_axes, without_axes
from rmsmp_hls.frontend.ops.call import Call, Made
from rmsmp_hls.frontend.ops.numbers import pair, sides
from rmsmp_hls.frontend.views import View
from rmsmp_hls.ir.float_ops import AvgPool2d, Flatten, FloatOp, MaxPool2d
from rmsmp_hls.ir.types import Window


def max_pool(call: Call) -> tuple[FloatOp, ...]:
    """aten.max_pool1d, aten.max_pool2d; of forms with indices the first result."""
    dilation = pair(call.arguments["dilation"], len(call.shape))
    window = _window(call, dilation)
    if window.reads_only_padding(*image_shape(call.view("self").shape)[1:]):
        raise call.refuse("has windows of nothing but padding", "use less padding")
    return (MaxPool2d(inputs=(call.activation("self").name,), window=window, **call.base()),)


def avg_pool(call: Call) -> tuple[FloatOp, ...]:
    """aten.avg_pool1d, aten.avg_pool2d where the divisor is the whole window."""
    window = _window(call, (1, 1))
    if any(window.padding) and not call.arguments["count_include_pad"]:
        raise call.refuse(
            "has count_include_pad=False, whose divisor differs at the border",
            "use count_include_pad=True or padding=0",
        )
    if call.arguments.get("divisor_override") is not None:
        raise call.refuse("has a divisor_override", "leave the divisor to the window")
    return (AvgPool2d(inputs=(call.activation("self").name,), window=window, **call.base()),)


def adaptive_avg_pool(call: Call) -> tuple[FloatOp, ...] | Made:
    """aten.adaptive_avg_pool1d and 2d where all windows are equal."""
    view = call.view("self")
    if call.shape[2:] == (1,) and _check_rank(call) == 3:
        return _mean(call, view, {2}, keep=True)  # also of an image whose pixels are in a row
    window = _equal_windows(call)
    return (AvgPool2d(inputs=(call.activation("self").name,), window=window, **call.base()),)


def adaptive_max_pool(call: Call) -> tuple[FloatOp, ...]:
    """aten.adaptive_max_pool1d and 2d, the first result, where all windows are equal."""
    window = _equal_windows(call)
    return (MaxPool2d(inputs=(call.activation("self").name,), window=window, **call.base()),)


def mean(call: Call) -> tuple[FloatOp, ...] | Made:
    """aten.mean over height, width or both of an image, or over the length of [N, C, L]."""
    view, dims = call.view("self"), call.arguments["dim"]
    if call.arguments["dtype"] is not None:
        raise call.refuse("changes the number type", "leave dtype out of mean")
    axes = {dim % len(view.shape) for dim in dims} if dims else set(range(len(view.shape)))
    return _mean(call, view, axes, call.arguments["keepdim"])


def _mean(call: Call, view: View, axes: set[int], keep: bool) -> tuple[FloatOp, ...] | Made:
    """Return a mean over `axes`, which may also walk over all pixels in a row."""
    pooled = None if view.is_affine else pooled_axes(view, axes)
    after = None if pooled is None else without_axes(view, axes, pooled, keep)
    if pooled is None or after is None or after.shape != call.shape:
        raise call.refuse(
            f"is a mean over dimensions {sorted(axes)} of a tensor of shape {view.shape}",
            "only the mean over height and width of [N, C, H, W], dim=(2, 3), or over the length "
            "of [N, C, L], dim=2, is supported",
        )
    _, height, width = view.base_shape
    kernel = (height if pooled[0] else 1, width if pooled[1] else 1)
    flat = after.is_whole and len(after.shape) == 2
    base = call.base(after.base_shape) | ({"name": f"{call.name}.pool"} if flat else {})
    pool = AvgPool2d(inputs=(view.base,), window=Window(kernel, kernel), **base)
    if flat:
        return (pool, Flatten(inputs=(pool.name,), **call.base()))
    return Made((call.linked(replace(after, base=pool.name)),), (pool,))


def _check_rank(call: Call) -> int:
    """Return the rank of the operand: torch reads [C, H, W] where a 2-D pool gets three sizes."""
    shape = call.view("self").shape
    rank = 4 if "2d" in call.op else 3
    if len(shape) != rank or len(call.shape) != rank:
        raise call.refuse(
            f"reads a tensor of shape {shape}",
            "pool [N, C, H, W] by 2-D operations and [N, C, L] by 1-D operations",
        )
    return rank


def _equal_windows(call: Call) -> Window:
    _check_rank(call)
    (height, width), (rows, cols) = (
        image_shape(shape)[1:] for shape in (call.view("self").shape, call.shape)
    )
    if height % rows or width % cols:
        raise call.refuse(
            f"pools {height} x {width} to {rows} x {cols}, which takes windows of several sizes",
            "choose an output size that divides the input's, e.g. 1",
        )
    kernel = (height // rows, width // cols)
    return Window(kernel, kernel)


def _window(call: Call, dilation: tuple[int, int]) -> Window:
    rank, shape = _check_rank(call), call.view("self").shape
    kernel = pair(call.arguments["kernel_size"], rank)
    stride = pair(call.arguments["stride"], rank) if call.arguments["stride"] else kernel
    window = Window(kernel, stride, sides(pair(call.arguments["padding"], rank, 0)), dilation)
    if window.output_size(*image_shape(shape)[1:]) != image_shape(call.shape)[1:]:
        raise call.refuse(
            "has ceil_mode=True, which here adds windows that reach past the border",
            "use ceil_mode=False, or a size that the stride divides",
        )
    return window
