"""The rules of legal graphs (docs/ir.md), checked after every stage. A finding is a bug of ours
or a damaged artefact, never a user's mistake."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmsmp_hls.errors import IrVerificationError, RmsmpError
from rmsmp_hls.ir.graph import Graph, Level
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntConcat,
    IntMatmul,
    IntMaxPool,
    IntMultiply,
    IntSelect,
    IntSumPool,
    IntTable,
    IntUpsample,
)
from rmsmp_hls.ir.quant_ops import (
    QuantConcat,
    QuantFlatten,
    QuantMatmul,
    QuantMaxPool,
    QuantPad,
    QuantSelect,
    QuantUnflatten,
    QuantUpsample,
)
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.numerics.codebooks import codebook

_NO_OPERANDS = ("Input", "QuantInput", "IntInput")
_TWO = ("Add", "QuantAdd", "IntAdd", "Multiply", "QuantMultiply", "IntMultiply")
_SEVERAL = ("Concat", "QuantConcat", "IntConcat")
_MOVES_CODES = (
    QuantMaxPool, QuantConcat, QuantSelect, QuantUpsample, QuantPad, QuantFlatten, QuantUnflatten,
    IntMaxPool, IntConcat, IntSelect, IntUpsample,
)  # fmt: skip
_Requantized = IntMatmul | IntAdd | IntMultiply | IntSumPool


def verify(graph: Graph[Any], stage: str) -> None:
    """Check every rule of the graph's level.

    Args:
        graph: any level.
        stage: who made it, for the message.

    Raises:
        IrVerificationError: lists all broken rules.
    """
    broken = _structure(graph)
    if not broken and graph.level is not Level.FLOAT:
        for op in graph.ops:
            broken += [f"{op.name}: {text}" for text in _op(graph, op)]
    if broken:
        findings: list[RmsmpError] = [
            IrVerificationError(text, where=f"after {stage}", fix="this is a bug: please report it")
            for text in broken
        ]
        raise IrVerificationError.gather(findings)


def _structure(graph: Graph[Any]) -> list[str]:
    broken: list[str] = []
    seen: set[str] = set()
    for number, op in enumerate(graph.ops):
        if op.name in seen:
            broken.append(f"two operations make {op.name!r}")
        kind = type(op).__name__
        arity = 0 if kind in _NO_OPERANDS else 2 if kind in _TWO + _SEVERAL else 1
        if len(op.inputs) < arity or (len(op.inputs) > arity and kind not in _SEVERAL):
            broken.append(f"{op.name} has {len(op.inputs)} inputs, not {arity}")
        if (arity == 0) != (number == 0):
            broken.append(f"{op.name}: the input must be the first operation, and only one")
        broken += [f"{op.name} reads {n!r} before it is made" for n in op.inputs if n not in seen]
        if not op.shape or any(d <= 0 for d in op.shape):
            broken.append(f"{op.name} has the empty shape {op.shape}")
        seen.add(op.name)
    if graph.output not in seen:
        broken.append(f"nothing makes the result {graph.output!r}")
    return broken


def _op(graph: Graph[Any], op: Any) -> list[str]:
    broken: list[str] = []
    output = op.output
    if output is None and (op.name != graph.output or graph.consumers(op.name)):
        broken.append("makes no codes but is not the result")
    if output is not None and not (2 <= output.bits <= 8 and 0 < output.scale < np.inf):
        broken.append(f"has the illegal format {output}")
    if isinstance(op, (IntMatmul, QuantMatmul)):
        broken += _rows(op)
    if isinstance(op, _Requantized):
        broken += _requantization(op)
    if isinstance(op, _MOVES_CODES) and any(graph.op(n).output != output for n in op.inputs):
        broken.append("moves codes of another format than its own")
    if isinstance(op, IntTable):
        broken += _table(op, graph.op(op.inputs[0]).output)
    if graph.level is Level.INT:
        broken += _geometry(graph, op)
    return broken


def _rows(op: IntMatmul | QuantMatmul) -> list[str]:
    codes = np.asarray(op.codes.array)
    if len(op.formats) != len(codes) or len(codes) != op.shape[0]:
        return [f"has {len(codes)} rows, {len(op.formats)} formats, {op.shape[0]} channels"]
    broken = []
    for row, name in enumerate(op.formats):
        try:
            book = codebook(name)
            if isinstance(op, IntMatmul) and book.array_format != name:
                broken.append(f"row {row}: the array stores {name} as {book.array_format}")
                continue
            book.decode(codes[row].astype(np.int64))
        except (ValueError, RmsmpError) as error:
            broken.append(f"row {row}: {error}")
    return broken


def _requantization(op: _Requantized) -> list[str]:
    if isinstance(op, IntMatmul):
        multipliers, biases = np.asarray(op.multiplier.array), np.asarray(op.bias.array)
    else:
        values = op.multipliers if isinstance(op, IntAdd) else (op.multiplier,)
        multipliers, biases = np.array(values), np.array([op.bias])
    broken = []
    if np.abs(multipliers).max(initial=0) >= 1 << 17:
        broken.append("a multiplier passes 18 bits")
    if np.abs(biases).max(initial=0) >= 1 << 47:
        broken.append("a bias passes 48 bits")
    if not 0 <= op.shift <= 47:
        broken.append(f"shift {op.shift} is not in 0..47")
    if op.low > op.high:
        broken.append(f"bounds {op.low}..{op.high} are empty")
    return broken


def _table(op: IntTable, read: ActFormat | None) -> list[str]:
    table, codes = np.asarray(op.table.array), read.high - read.low + 1 if read else 0
    if table.shape != (codes,):
        return [f"has a table of shape {list(table.shape)} for {codes} codes"]
    assert op.output is not None
    if table.min() < op.output.low or table.max() > op.output.high:
        return ["has table entries beyond its format"]
    return []


def _geometry(graph: Graph[Any], op: Any) -> list[str]:
    if len(op.shape) != 3:
        return [f"shape {op.shape} is not (C, H, W)"]
    sources = [graph.op(name).shape for name in op.inputs]
    if isinstance(op, (IntAdd, IntMultiply)):
        fits = sources[0] == op.shape and sources[1] in (op.shape, (op.shape[0], 1, 1))
        kind = "adds" if isinstance(op, IntAdd) else "multiplies"
        return [] if fits else [f"{kind} unequal shapes {sources} to {op.shape}"]
    if isinstance(op, IntMatmul):
        return _groups(op, sources[0]) or _window(op, sources[0])
    if isinstance(op, (IntMaxPool, IntSumPool)):
        if op.shape[0] != sources[0][0]:
            return ["pooling changes the channels"]
        return _window(op, sources[0])
    if isinstance(op, IntSelect) and not all(0 <= i < sources[0][0] for i in op.indices):
        return [f"selects channels that its operand of {sources[0][0]} does not have"]
    expected = _expected(op, sources)
    return [] if op.shape == expected else [f"has shape {op.shape}, its operands give {expected}"]


def _expected(op: Any, sources: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape of an operation without a window."""
    if not sources:
        return tuple(op.shape)
    channels, height, width = sources[0]
    if isinstance(op, IntConcat):
        sizes = {source[1:] for source in sources}
        total = sum(source[0] for source in sources)
        return (total, height, width) if len(sizes) == 1 else ()
    if isinstance(op, IntSelect):
        return (len(op.indices), height, width)
    if isinstance(op, IntUpsample):
        return (channels, height * op.factors[0], width * op.factors[1])
    return (channels, height, width)


def _window(op: IntMatmul | IntMaxPool | IntSumPool, source: tuple[int, ...]) -> list[str]:
    expected = op.window.output_size(source[1], source[2])
    return (
        [] if op.shape[1:] == expected else [f"makes {op.shape[1:]}, its window gives {expected}"]
    )


def _groups(op: IntMatmul, source: tuple[int, ...]) -> list[str]:
    if op.groups < 1 or source[0] % op.groups or op.shape[0] % op.groups:
        return [f"{op.groups} groups do not divide {source[0]} and {op.shape[0]} channels"]
    taps = (source[0] // op.groups, *op.window.kernel)
    return [] if op.codes.shape[1:] == taps else [f"weights are not [O, {taps}]"]
