"""Checks the shapes that a file states against those that its operations make."""

from __future__ import annotations

import math

from rmsmp_hls.ir.float_ops import (
    Add,
    AvgPool2d,
    Conv2d,
    Flatten,
    FloatOp,
    Input,
    Linear,
    MaxPool2d,
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
        channels = op.shape[0] if isinstance(op, Conv2d) else source[0]
        return (channels, *op.window.output_size(*source[1:]))
    if isinstance(op, Linear):
        return (op.shape[0],) if len(source) == 1 else None
    if isinstance(op, Add):
        return source if sources[0] == sources[1] else None
    if isinstance(op, Flatten):
        return (math.prod(source),)
    return source  # batch norm, clamp, dropout
