"""What a flattened tensor still is on the array: an image. Findings where that does not do.

Codes of (C, H, W) lie as an image whatever they are called. A linear layer reads such an image
whole; element by element, or as whole channels, it can be used like any other; what looks at
single features of it cannot be computed.
"""

from __future__ import annotations

from rmsmp_hls.errors import LoweringError, RmsmpError
from rmsmp_hls.ir.float_ops import (
    Activation,
    Add,
    BatchNorm,
    Clamp,
    Concat,
    Dropout,
    Flatten,
    FloatOp,
    Multiply,
    SelectChannels,
    Unflatten,
)
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import Shape
from rmsmp_hls.numerics.functions import FUNCTIONS

_ELEMENTWISE = (Activation, Add, Multiply, BatchNorm, Clamp, Concat, Dropout, Flatten)


def check_layout(graph: FloatGraph) -> list[RmsmpError]:
    """Return a finding for every operation that the array cannot lay out or does not know."""
    images: dict[str, Shape] = {}
    findings: list[RmsmpError] = []
    for op in graph:
        sources = [images[name] for name in op.inputs]
        what, fix = _problem(op, sources)
        if what:
            where = f"layer {op.module or op.name!r}"
            findings.append(LoweringError(what, where=where, fix=fix))
        images[op.name] = _image(op, sources)
    return findings


def _image(op: FloatOp, sources: list[Shape]) -> Shape:
    if len(op.shape) == 3:
        return op.shape
    if not sources or not isinstance(op, _ELEMENTWISE):
        return (op.shape[0], 1, 1)
    first = sources[0]
    if isinstance(op, Concat):
        return (sum(source[0] for source in sources), *first[1:])
    return first


def _problem(op: FloatOp, sources: list[Shape]) -> tuple[str, str]:
    """Return (what, fix), both "" if the operation can be computed."""
    flattened = len(op.shape) == 1 or isinstance(op, Unflatten)
    hidden = flattened and any(source[1:] != (1, 1) for source in sources)
    if hidden and isinstance(op, (BatchNorm, SelectChannels, Unflatten)):
        return (
            f"{type(op).__name__} looks at single features of a flattened image {list(sources[0])}",
            "put it in front of the flatten, or pool the image to one pixel",
        )
    if hidden and isinstance(op, (Add, Multiply)) and sources[0] != sources[1]:
        return (
            f"{type(op).__name__} of flattened images {list(sources[0])} and {list(sources[1])}, "
            "which lie in different orders",
            "compute it in front of the flatten, on tensors of equal shape",
        )
    if hidden and isinstance(op, Concat) and len({source[1:] for source in sources}) > 1:
        sizes = ", ".join(str(list(source)) for source in sources)
        return (
            f"Concat of flattened images of different sizes: {sizes}",
            "pool them to the same size before they are flattened",
        )
    if isinstance(op, Activation) and op.function not in FUNCTIONS:
        return f"unknown activation function {op.function!r}", f"known: {', '.join(FUNCTIONS)}"
    return "", ""
