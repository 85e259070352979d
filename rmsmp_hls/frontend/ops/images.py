"""Concatenation, padding and upsampling."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmsmp_hls.frontend.ops.call import Call, Made
from rmsmp_hls.ir.float_ops import Concat, FloatOp, Pad, Upsample

_MOST_PIXELS = 1 << 20  # of a side
_NEAREST = "use mode='nearest' with a whole scale_factor"


def concat(call: Call) -> tuple[FloatOp, ...] | Made:
    """aten.cat along channels, or of vectors."""
    views = [call.view_of(value, "tensors") for value in call.arguments["tensors"]]
    dim = call.arguments["dim"] % len(call.shape)
    if dim != 1:
        raise call.refuse(
            f"joins along dimension {dim} of a tensor of shape {call.shape}",
            "join along channels only, dim=1",
        )
    if len(views) == 1:
        return Made((call.linked(views[0]),))
    return (Concat(inputs=tuple(call.laid_out(view).name for view in views), **call.base()),)


def pad(call: Call) -> tuple[FloatOp, ...] | Made:
    """aten.pad and aten.constant_pad_nd with zeros around height and width, or length."""
    if call.arguments.get("mode", "constant") != "constant":
        raise call.refuse(
            f"pads by {call.arguments['mode']!r}", "use padding_mode='zeros', or F.pad with zeros"
        )
    view, pads = call.view("self"), list(call.arguments["pad"])
    if not any(pads):
        return Made((view,))
    if call.arguments["value"] not in (None, 0) or view.shift != 0:
        raise call.refuse(f"pads with {call.arguments['value']}", "pad with zeros")
    spatial = 2 * (len(view.shape) - 2)
    if min(pads) < 0 or any(pads[spatial:]) or spatial < 2:
        raise call.refuse(
            f"has the padding {pads}", "pad height and width only, and cut nothing off"
        )
    left, right, top, bottom = [*pads[:spatial], 0, 0][:4]
    source = call.laid_out(view).name
    return (Pad(inputs=(source,), padding=(top, left, bottom, right), **call.base()),)


def upsample(call: Call) -> tuple[FloatOp, ...]:
    """Nearest-neighbour upsampling of one or two dimensions by whole factors."""
    names = ("scale_factors", "scales", "scales_h", "scales_w")
    given = [call.arguments.get(name) for name in names]
    scales: list[Any] = [
        scale
        for entry in given
        if entry is not None
        for scale in (entry if isinstance(entry, (list, tuple)) else [entry])
    ]
    source = call.activation("self" if "self" in call.arguments else "input")
    shape = call.base()["shape"]
    factors = (shape[1] // source.shape[1], shape[2] // source.shape[2])
    exact = (source.shape[0], source.shape[1] * factors[0], source.shape[2] * factors[1]) == shape
    wanted = [float(f) for f in factors[4 - len(call.shape) :]]
    if not exact or (scales and [float(scale) for scale in scales] != wanted):
        raise call.refuse(
            f"makes {shape[1]} x {shape[2]} pixels of {source.shape[1]} x {source.shape[2]}",
            _NEAREST,
        )
    exactly = "exact" in call.op
    if not all(
        _repeats(size, factor, exactly)
        for size, factor in zip(source.shape[1:], factors, strict=True)
    ):
        raise call.refuse(
            f"makes {factors[0]} x {factors[1]} pixels of one, which torch rounds unevenly",
            "use smaller factors, e.g. two upsamplings in a row",
        )
    return (Upsample(inputs=(source.name,), factors=factors, **call.base()),)


def _repeats(size: int, factor: int, exactly: bool) -> bool:
    """Whether torch reads pixel i div factor for pixel i; it computes the position in float32.

    1 / 41 in float32 times 41 is below 1: pixel 41 is then the first, not the second.
    """
    if size * factor > _MOST_PIXELS:
        return False
    pixels = np.arange(size * factor)
    positions = (pixels + np.float32(0.5 * exactly)).astype(np.float32)
    read = np.floor(positions * np.float32(1 / factor)).astype(np.int64)
    return bool(np.array_equal(np.minimum(read, size - 1), pixels // factor))


def other_upsampling(call: Call) -> tuple[FloatOp, ...]:
    """Refuse bilinear and other interpolation."""
    raise call.refuse("interpolates between pixels", _NEAREST)
