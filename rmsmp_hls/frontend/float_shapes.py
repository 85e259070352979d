"""Checks the shapes that a file states against those that its operations make."""

from __future__ import annotations

import math

from rmsmp_hls.ir.float_ops import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Flatten,
    FloatOp,
    Input,
    Linear,
    MaxPool2d,
    Multiply,
    Pad,
    SelectChannels,
    Unflatten,
    Upsample,
)
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import Shape, Window


def wrong_shapes(graph: FloatGraph) -> list[str]:
    """Return a sentence for each operation whose shape is not the one that it makes.

    Shapes of parameters are not looked at: `bind_constants` compares them.
    """
    shapes: dict[str, Shape] = {}
    wrong: list[str] = []
    for op in graph:
        shapes[op.name] = op.shape
        if isinstance(op, Input):
            continue
        sources = [shapes.get(name, ()) for name in op.inputs]
        window = getattr(op, "window", None)
        if isinstance(window, Window) and not _possible(window):
            wrong.append(f"{op.name!r} has the impossible window {window}")
        elif op.shape != _made(op, sources):
            wrong.append(f"{op.name!r} cannot make shape {op.shape} of {sources}")
    return wrong


def _possible(window: Window) -> bool:
    positive = min(*window.kernel, *window.stride, *window.dilation) > 0
    return positive and min(window.padding) >= 0


def _made(op: FloatOp, sources: list[Shape]) -> Shape | None:
    """Return the shape that `op` makes, None if it cannot read its sources."""
    source = sources[0]
    if isinstance(op, (Conv2d, MaxPool2d, AvgPool2d)):
        if len(source) != 3:
            return None
        channels = source[0]
        if isinstance(op, Conv2d):
            if op.groups < 1 or source[0] % op.groups or op.shape[0] % op.groups:
                return None
            channels = op.shape[0]
        return (channels, *op.window.output_size(*source[1:]))
    if isinstance(op, Linear):
        return (op.shape[0],) if len(source) == 1 else None
    if isinstance(op, (Add, Multiply)):
        return source if sources[1] in (source, (source[0], 1, 1)) else None
    if isinstance(op, Flatten):
        return (math.prod(source),)
    if isinstance(op, (Concat, SelectChannels, Upsample, Pad, Unflatten)):
        return _moved(op, sources)
    return source  # batch norm, clamp, activation, dropout


def _moved(
    op: Concat | SelectChannels | Upsample | Pad | Unflatten, sources: list[Shape]
) -> Shape | None:
    """Return the shape of what moves elements only."""
    source = sources[0]
    if isinstance(op, Concat):
        same = len({shape[1:] for shape in sources}) == 1
        return (sum(shape[0] for shape in sources), *source[1:]) if same else None
    if isinstance(op, Unflatten):
        return (*source, 1, 1) if len(source) == 1 else None
    if len(source) != 3:
        return None
    channels, height, width = source
    if isinstance(op, SelectChannels):
        there = op.indices and min(op.indices) >= 0 and max(op.indices) < channels
        return (len(op.indices), height, width) if there else None
    if isinstance(op, Upsample):
        possible = min(op.factors) > 0
        return (channels, height * op.factors[0], width * op.factors[1]) if possible else None
    top, left, bottom, right = op.padding
    return None if min(op.padding) < 0 else (channels, top + height + bottom, left + width + right)
