"""Formats of tensors that must be codes and have no quantizer in the file.

Three cases follow from formats that are known: codes that are only moved, pooled means and
activation functions of codes (their range is known exactly), and the operands of an add
whose result has a format: 8 bits over twice the result's range.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rmsmp_hls.frontend.onnx.quantizers import TRANSPARENT
from rmsmp_hls.ir.float_ops import Activation, Add, AvgPool2d, Clamp, Concat
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.numerics.functions import apply_function
from rmsmp_hls.quant.placement import QuantPlan, QuantPoint

_BITS = 8
_HEADROOM = 2.0  # operands of an add beyond this part of its result's range saturate


def derive_formats(
    graph: FloatGraph, plan: QuantPlan, known: Mapping[str, ActFormat]
) -> tuple[dict[str, ActFormat], tuple[str, ...]]:
    """Return (formats of points that `known` lacks, points that have none even so)."""
    formats = dict(known)
    missing = [p for p in plan.points if p.tensor not in formats]
    while missing:
        for point in missing:
            made = _forward(graph, point, formats) or _backward(graph, point, formats)
            if made is not None:
                formats[point.tensor] = made
        left = [p for p in missing if p.tensor not in formats]
        if len(left) == len(missing):
            break
        missing = left
    for narrow in plan.narrows:
        if narrow.name not in formats and narrow.source in formats:
            formats[narrow.name] = formats[narrow.source]
    derived = {name: made for name, made in formats.items() if name not in known}
    return derived, tuple(point.tensor for point in missing)


def _carried(graph: FloatGraph, name: str, formats: Mapping[str, ActFormat]) -> ActFormat | None:
    """Return the format of the codes of a tensor, through what only moves them."""
    while name not in formats:
        op = graph.op(name)
        if not isinstance(op, TRANSPARENT):
            return None
        if isinstance(op, Concat):
            found = {_carried(graph, source, formats) for source in op.inputs}
            return found.pop() if len(found) == 1 else None
        name = op.inputs[0]
    return formats[name]


def _forward(
    graph: FloatGraph, point: QuantPoint, formats: Mapping[str, ActFormat]
) -> ActFormat | None:
    """Return the format that the operand's codes give the result."""
    head = graph.op(point.head)
    if isinstance(head, TRANSPARENT):
        return _carried(graph, head.name, formats)
    if not isinstance(head, (AvgPool2d, Activation, Clamp)) or point.batchnorm:
        return None
    source = _carried(graph, head.inputs[0], formats)
    if source is None:
        return None
    values = np.arange(source.low, source.high + 1) * source.scale
    if isinstance(head, Activation):
        values = apply_function(head.function, head.parameter, values)
    clamp = graph.op(point.clamp) if point.clamp else head
    if isinstance(clamp, Clamp):
        values = np.clip(values, clamp.low, clamp.high)
    return _covering(float(values.min()), float(values.max()))


def _backward(
    graph: FloatGraph, point: QuantPoint, formats: Mapping[str, ActFormat]
) -> ActFormat | None:
    """Return the format that a result gives the operand of an add."""
    plain = [point.tensor]
    for name in plain:
        for reader in graph.consumers(name):
            if isinstance(reader, TRANSPARENT):
                if isinstance(reader, Concat) and reader.name in formats:
                    return formats[reader.name]
                plain.append(reader.name)
            elif isinstance(reader, Add):
                made = _end(graph, reader.name, formats)
                if made is not None:
                    reach = _HEADROOM * max(made.high, -made.low) * made.scale
                    return _covering(-reach if point.signed else 0.0, reach)
    return None


def _end(graph: FloatGraph, name: str, formats: Mapping[str, ActFormat]) -> ActFormat | None:
    """Return the format at the end of the chain that an add starts."""
    while name not in formats:
        readers = graph.consumers(name)
        if len(readers) != 1 or not isinstance(readers[0], Clamp):
            return None
        name = readers[0].name
    return formats[name]


def _covering(low: float, high: float) -> ActFormat | None:
    """Return the finest 8-bit format that holds the range; None for a range of one value 0."""
    signed = low < 0
    steps = (1 << (_BITS - signed)) - 1
    reach = max(-low, high) if signed else high
    return ActFormat(_BITS, signed, reach / steps) if 0 < reach < np.inf else None
