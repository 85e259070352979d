"""The rules of legal graphs (docs/ir.md), checked after every stage. A finding is a bug of ours
or a damaged artefact, never a user's mistake."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmsmp_hls.errors import IrVerificationError, RmsmpError
from rmsmp_hls.ir.graph import Graph, Level
from rmsmp_hls.ir.int_ops import IntAdd, IntMatmul, IntMaxPool, IntSumPool
from rmsmp_hls.ir.quant_ops import QuantMatmul
from rmsmp_hls.numerics.codebooks import codebook

_ARITY = {
    "Input": 0, "QuantInput": 0, "IntInput": 0,
    "Add": 2, "QuantAdd": 2, "IntAdd": 2,
}  # fmt: skip


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
        arity = _ARITY.get(type(op).__name__, 1)
        if len(op.inputs) != arity:
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
    if isinstance(op, (IntMatmul, IntAdd, IntSumPool)):
        broken += _requantization(op)
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
            codebook(name).decode(codes[row].astype(np.int64))
        except (ValueError, RmsmpError) as error:
            broken.append(f"row {row}: {error}")
    return broken


def _requantization(op: IntMatmul | IntAdd | IntSumPool) -> list[str]:
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


def _geometry(graph: Graph[Any], op: Any) -> list[str]:
    if len(op.shape) != 3:
        return [f"shape {op.shape} is not (C, H, W)"]
    if isinstance(op, IntAdd):
        shapes = {graph.op(name).shape for name in op.inputs} | {op.shape}
        return [] if len(shapes) == 1 else [f"adds unequal shapes {sorted(shapes)}"]
    if isinstance(op, (IntMatmul, IntMaxPool, IntSumPool)):
        channels, height, width = graph.op(op.inputs[0]).shape
        expected = op.window.output_size(height, width)
        if op.shape[1:] != expected:
            return [f"makes {op.shape[1:]}, its window gives {expected}"]
        if isinstance(op, IntMatmul):
            taps = (channels, *op.window.kernel)
            return [] if op.codes.shape[1:] == taps else [f"weights are not [O, {taps}]"]
        return [] if op.shape[0] == channels else ["pooling changes the channels"]
    return []
