"""Chains: an operation with the batch norm and clamp that are computed in one go with it."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.ir.float_ops import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Concat,
    Conv2d,
    Dropout,
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

MATMULS = (Conv2d, Linear)
_CLAMPED = (*MATMULS, Add, Multiply, AvgPool2d, Activation, BatchNorm)
_HEADS = (Input, *MATMULS, Add, Multiply, AvgPool2d, Activation, Concat)
_RENAMED = (Flatten, Unflatten, Dropout)  # the same codes in the same places
TRANSPARENT = (*_RENAMED, MaxPool2d, SelectChannels, Upsample, Pad)
"""Operations that codes pass unchanged (in evaluation)."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A head, and the names of the batch norm and the clamp behind it, or ""."""

    head: FloatOp
    batchnorm: str
    clamp: str

    @property
    def tail(self) -> str:
        """The last operation."""
        return self.clamp or self.batchnorm or self.head.name


def find_chains(graph: FloatGraph) -> tuple[Chain, ...]:
    """Return all chains, in the order of their heads.

    Every operation that is not transparent is in exactly one. A batch norm or clamp whose
    producer is read by others too, or cannot take it along, starts a chain of its own.
    """
    return tuple(_chain(graph, op) for op in graph if _is_head(graph, op))


def _is_head(graph: FloatGraph, op: FloatOp) -> bool:
    if isinstance(op, _HEADS):
        return True
    return isinstance(op, (BatchNorm, Clamp)) and not _continues(graph, op)


def _continues(graph: FloatGraph, op: FloatOp) -> bool:
    """Whether a batch norm or clamp belongs to the chain of its producer."""
    producer = graph.op(op.inputs[0])
    if len(graph.consumers(producer.name)) != 1 or producer.name == graph.output:
        return False
    return isinstance(producer, MATMULS if isinstance(op, BatchNorm) else _CLAMPED)


def _chain(graph: FloatGraph, head: FloatOp) -> Chain:
    last, found = head.name, {BatchNorm: "", Clamp: ""}
    for kind in found:
        readers = graph.consumers(last)
        if len(readers) == 1 and isinstance(readers[0], kind) and _continues(graph, readers[0]):
            found[kind] = last = readers[0].name
    return Chain(head, found[BatchNorm], found[Clamp])


def source_of(graph: FloatGraph, tensor: str) -> FloatOp:
    """Return the operation whose codes `tensor` holds, behind all transparent ones."""
    op = graph.op(tensor)
    while isinstance(op, TRANSPARENT):
        op = graph.op(op.inputs[0])
    return op


def moves_codes(graph: FloatGraph, tensor: str) -> bool:
    """Whether codes are pooled, selected, repeated or padded between their source and `tensor`."""
    op, moved = graph.op(tensor), False
    while isinstance(op, TRANSPARENT):
        moved = moved or not isinstance(op, _RENAMED)
        op = graph.op(op.inputs[0])
    return moved
