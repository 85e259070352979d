"""Operations that the schedule adds to a network, because a tensor must lie in two places.

Concatenations copy operands that cannot be written in place (by the vector unit), operations
with two operands copy one whose slots differ, and selections that take a channel twice
copy channels (both by the array, with weights 1).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rmsmp_hls.ir.int_ops import IntConcat, IntInput, IntMatmul, IntMaxPool, IntOp, IntSelect
from rmsmp_hls.ir.types import ConstTensor, Window
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.schedule.forms import Forms
from rmsmp_hls.schedule.layout import dense_slots, slot_blocks

GATHER_BITS = 9
"""Partial sums of what copies channels: both planes of a code, each less 8, -136 .. 127."""


def nest_concats(ops: tuple[IntOp, ...]) -> tuple[IntOp, ...]:
    """Let a concatenation read an earlier one instead of that one's operands in a row."""
    found: list[IntOp] = []
    for op in ops:
        if isinstance(op, IntConcat):
            names = op.inputs
            for other in reversed(found):
                if isinstance(other, IntConcat):
                    names = _replaced(names, other.inputs, other.name)
            op = replace(op, inputs=names)
        found.append(op)
    return tuple(found)


def _replaced(names: tuple[str, ...], run: tuple[str, ...], name: str) -> tuple[str, ...]:
    for start in range(len(names) - len(run) + 1):
        if names[start : start + len(run)] == run:
            return (*names[:start], name, *names[start + len(run) :])
    return names


def gather_repeated(ops: tuple[IntOp, ...], formats: tuple[str, ...]) -> tuple[IntOp, ...]:
    """Let the array copy channels that a selection takes twice: no view has them."""
    made = {op.name: op for op in ops}
    return tuple(
        _gather(op.name, made[op.inputs[0]], op.indices, formats)
        if isinstance(op, IntSelect) and len(set(op.indices)) < len(op.indices)
        else op
        for op in ops
    )


class CopyInserter:
    """Inserts copies; `slots` (of every tensor) and `owners` (whom it serves) grow with them."""

    def __init__(self, ops: tuple[IntOp, ...], forms: Forms, channels: int) -> None:
        self.forms = forms
        self.channels = channels
        self.slots = dict(forms.slots)
        self.owners = {op.name: op.name for op in ops}

    def _name(self, owner: str, source: str) -> str:
        name = f"{owner}:{source}"
        while name in self.owners:
            name += "'"
        self.owners[name] = owner
        return name

    def relays(self, ops: tuple[IntOp, ...], formats: tuple[str, ...]) -> tuple[IntOp, ...]:
        """Copy second operands to the slots of the first, by identity weights."""
        found: list[IntOp] = []
        made = {op.name: op for op in ops}
        for op in ops:
            if op.name in self.forms.relays:
                a, b = op.inputs
                every = dense_slots(made[b].shape[0])
                copy = _gather(self._name(op.name, b), made[b], every, formats)
                self.slots[copy.name] = self.slots[a]
                found.append(copy)
                op = replace(op, inputs=(a, copy.name))
            found.append(op)
        return tuple(found)

    def parts(
        self, ops: tuple[IntOp, ...], folded: bool
    ) -> tuple[tuple[IntOp, ...], dict[str, tuple[str, int]]]:
        """Decide which operands of concatenations are written in place, copy the others.

        Returns:
            The operations; operand -> (concatenation, its first block there).
        """
        made = {op.name: op for op in ops}
        parents: dict[str, tuple[str, int]] = {}
        before: dict[str, list[IntOp]] = {}
        inputs: dict[str, tuple[str, ...]] = {}
        for op in reversed(ops):
            if not isinstance(op, IntConcat):
                continue
            block, names = 0, []
            for name in op.inputs:
                source = made[name]
                view = isinstance(source, IntSelect) or (folded and isinstance(source, IntInput))
                if view or name in parents:
                    copy = _copy(self._name(op.name, name), source)
                    self.slots[copy.name] = self.slots[name]
                    before.setdefault(op.name, []).append(copy)
                    name = copy.name
                parents[name] = (op.name, block)
                block += slot_blocks(self.slots[name], self.channels)
                names.append(name)
            inputs[op.name] = tuple(names)
        found: list[IntOp] = []
        for op in ops:
            found += before.get(op.name, [])
            found.append(replace(op, inputs=inputs.get(op.name, op.inputs)))
        return tuple(found), parents


def _copy(name: str, source: IntOp) -> IntMaxPool:
    return IntMaxPool(
        name=name, inputs=(source.name,), shape=source.shape, output=source.output, window=Window()
    )


def _gather(
    name: str, source: IntOp, indices: tuple[int, ...], formats: tuple[str, ...]
) -> IntMatmul:
    """Return the matrix multiplication whose row i is channel indices[i] of `source`; its rows
    take `formats` in turn."""
    assert source.output is not None, "nothing reads logits"
    depth, height, width = source.shape
    rows = len(indices)
    row_formats = tuple(formats[row % len(formats)] for row in range(rows))
    codes = np.zeros((rows, depth, 1, 1), dtype=np.uint8)
    one = np.ones(1, dtype=np.int64)
    for row, (index, row_format) in enumerate(zip(indices, row_formats, strict=True)):
        codes[row, index] = codebook(row_format).encode(one)[0]
    return IntMatmul(
        name=name,
        inputs=(source.name,),
        shape=(rows, height, width),
        output=source.output,
        codes=ConstTensor(codes),
        formats=row_formats,
        window=Window(),
        multiplier=ConstTensor(np.ones(rows, dtype=np.int64)),
        bias=ConstTensor(np.zeros(rows, dtype=np.int64)),
        shift=0,
        low=source.output.low,
        high=source.output.high,
        acc_bits=GATHER_BITS,
        logit_scale=ConstTensor(np.zeros(0)),
        logit_offset=ConstTensor(np.zeros(0)),
    )
