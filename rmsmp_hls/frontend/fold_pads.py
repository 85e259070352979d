"""Zero padding becomes padding of the windows behind it, where all of them count it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rmsmp_hls.ir.float_ops import AvgPool2d, Conv2d, FloatOp, Pad

Sides = tuple[int, int, int, int]


def fold_pads(ops: Sequence[FloatOp], output: str) -> tuple[FloatOp, ...]:
    """Return the operations with each `Pad` folded whose every reader is a convolution, an
    average pool (the mean counts padding) or another `Pad`; the padding of a maximum never wins.

    Args:
        ops: in topological order.
        output: name of the result, which stays.
    """
    found = {op.name: op for op in ops}
    reading: dict[str, dict[str, None]] = {}
    for op in ops:
        for source in op.inputs:
            reading.setdefault(source, {})[op.name] = None
    for op in reversed(ops):
        pad = found[op.name]
        readers = [found[name] for name in reading.get(op.name, {})]
        if not isinstance(pad, Pad) or op.name == output or not readers:
            continue
        if not all(isinstance(reader, (Conv2d, AvgPool2d, Pad)) for reader in readers):
            continue
        for reader in readers:
            found[reader.name] = _padded(reader, pad)
            reading[pad.inputs[0]][reader.name] = None
        del reading[pad.inputs[0]][pad.name]
        del found[op.name]
    return tuple(found.values())


def _padded(reader: FloatOp, pad: Pad) -> FloatOp:
    if isinstance(reader, Pad):
        return replace(reader, inputs=pad.inputs, padding=_sum(reader.padding, pad.padding))
    assert isinstance(reader, (Conv2d, AvgPool2d))
    window = replace(reader.window, padding=_sum(reader.window.padding, pad.padding))
    return replace(reader, inputs=pad.inputs, window=window)


def _sum(first: Sides, second: Sides) -> Sides:
    top, left, bottom, right = (a + b for a, b in zip(first, second, strict=True))
    return (top, left, bottom, right)
