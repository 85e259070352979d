"""The graph as the array runs it: input folded, copies explicit, every tensor in a buffer.

A buffer is room in the activation memory. Operands of a concatenation are written straight
into its buffer where they can be, selections are views: neither has a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntConcat, IntInput, IntMatmul, IntMaxPool, IntOp, IntSelect
from rmsmp_hls.ir.types import ConstTensor, Window
from rmsmp_hls.numerics.codebooks import SHIFT_ADD_NAMES, codebook
from rmsmp_hls.schedule.fold_input import Fold, fold_input
from rmsmp_hls.schedule.forms import Forms, find_forms, select_slots
from rmsmp_hls.schedule.layout import Slots, TensorLayout, dense_slots, slot_blocks


@dataclass(frozen=True, slots=True)
class Buffer:
    """Room for one tensor: channel blocks of a pixel, planes, lines and pixels of a line."""

    name: str
    blocks: int
    planes: int
    height: int
    width: int

    @property
    def pixel_stride(self) -> int:
        """Addresses of one pixel of a bank."""
        return self.blocks * self.planes

    def line_stride(self, banks: int) -> int:
        """Addresses of one line of a bank."""
        return ceil_div(self.width, banks) * self.pixel_stride

    def words(self, banks: int) -> int:
        """Addresses of the whole."""
        return self.height * self.line_stride(banks)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies: buffer, first block in it, slots counted from there."""

    buffer: str
    block: int
    slots: Slots


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What `make_schedule` places and cuts.

    Attributes:
        ops: the operations that the array runs, copies included, in order.
        owners: operation -> operation of the graph that it belongs to.
        fold: how the input is unrolled, None if it is not.
        buffers: buffers by name.
        places: tensor -> where it lies; logits have no place.
        channels, banks: TN and NB.
    """

    ops: tuple[IntOp, ...]
    owners: dict[str, str]
    fold: Fold | None
    buffers: dict[str, Buffer]
    places: dict[str, Place]
    channels: int
    banks: int

    def slots(self, name: str) -> Slots:
        """Return the slots of a tensor, counted from its first block."""
        return self.places[name].slots

    def layout(self, op: IntOp, base: int) -> TensorLayout:
        """Return the layout of the tensor that `op` makes; its buffer starts at `base`."""
        assert op.output is not None, "logits leave the array"
        place = self.places[op.name]
        buffer = self.buffers[place.buffer]
        depth, height, width = op.shape
        return TensorLayout(
            name=op.name,
            buffer=place.buffer,
            base=base + place.block * buffer.planes,
            channels=depth,
            height=height,
            width=width,
            bits=op.output.bits,
            signed=op.output.signed,
            planes=op.output.planes,
            blocks=slot_blocks(place.slots, self.channels),
            pixel_stride=buffer.pixel_stride,
            line_stride=buffer.line_stride(self.banks),
            slots=None if place.slots == dense_slots(depth) else place.slots,
            narrow=op.output.narrow,
        )


def arrange(graph: IntGraph, channels: int, banks: int, shift_add: str = "") -> Arrangement:
    """Return the operations of `graph` as the array runs them, and where their tensors lie.

    Args:
        graph: the network.
        channels, banks: TN and NB.
        shift_add: codebook of the array's shift-add lanes; only a network without a weight
            needs it.
    """
    folded, fold = fold_input(graph, channels, banks)
    formats = next((op.formats for op in graph if isinstance(op, IntMatmul)), ())
    formats = formats or (shift_add or SHIFT_ADD_NAMES[0],)
    ops = _gathered(_nested(folded.ops), formats)
    forms = find_forms(ops, channels)
    builder = _Builder({op.name for op in ops}, forms, channels)
    ops = builder.relays(ops, formats)
    ops, parents = builder.copies(ops, fold is not None)
    buffers, places = _places(ops, builder.slots, parents, channels)
    return Arrangement(ops, builder.owners, fold, buffers, places, channels, banks)


def _nested(ops: tuple[IntOp, ...]) -> tuple[IntOp, ...]:
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


def _gathered(ops: tuple[IntOp, ...], formats: tuple[str, ...]) -> tuple[IntOp, ...]:
    """Let the array copy channels that a selection takes twice: no view has them."""
    made = {op.name: op for op in ops}
    return tuple(
        _gather(op.name, made[op.inputs[0]], op.indices, formats)
        if isinstance(op, IntSelect) and len(set(op.indices)) < len(op.indices)
        else op
        for op in ops
    )


class _Builder:
    """Inserts copies; `slots` and `owners` grow with them."""

    def __init__(self, names: set[str], forms: Forms, channels: int) -> None:
        self.names = names
        self.forms = forms
        self.channels = channels
        self.slots = dict(forms.slots)
        self.owners = {name: name for name in names}

    def _name(self, owner: str, source: str) -> str:
        name = f"{owner}:{source}"
        while name in self.names:
            name += "'"
        self.names.add(name)
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

    def copies(
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
        acc_bits=_GATHER_BITS,
        logit_scale=ConstTensor(np.zeros(0)),
        logit_offset=ConstTensor(np.zeros(0)),
    )


_GATHER_BITS = 9
"""Both planes of a code, each less 8: -136 .. 127."""


def _places(
    ops: tuple[IntOp, ...],
    slots: dict[str, Slots],
    parents: dict[str, tuple[str, int]],
    channels: int,
) -> tuple[dict[str, Buffer], dict[str, Place]]:
    buffers: dict[str, Buffer] = {}
    places: dict[str, Place] = {}
    stored = [op for op in ops if op.output is not None]
    for op in reversed(stored):  # concatenations before their operands
        if isinstance(op, IntSelect):
            continue
        if op.name in parents:
            whole, block = parents[op.name]
            place = places[whole]
            places[op.name] = Place(place.buffer, place.block + block, slots[op.name])
            continue
        assert op.output is not None, "logits were left out"
        blocks = slot_blocks(slots[op.name], channels)
        buffers[op.name] = Buffer(op.name, blocks, op.output.planes, *op.shape[1:])
        places[op.name] = Place(op.name, 0, slots[op.name])
    for op in stored:
        if isinstance(op, IntSelect):
            place = places[op.inputs[0]]
            block, own = select_slots(place.slots, op.indices, channels)
            places[op.name] = Place(place.buffer, place.block + block, own)
    return buffers, places


def buffer_lifetimes(arrangement: Arrangement, output: str) -> Iterable[tuple[str, int, int]]:
    """Yield (buffer, first, last): the numbers of the operations between which it is in use.

    The result stays until the end.
    """
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for number, op in enumerate(arrangement.ops):
        if op.output is not None and not isinstance(op, IntSelect | IntConcat):
            first.setdefault(arrangement.places[op.name].buffer, number)
        for name in (*op.inputs, *([op.name] if op.output is not None else [])):
            last[arrangement.places[name].buffer] = number
    if output in arrangement.places:
        last[arrangement.places[output].buffer] = len(arrangement.ops)
    for name, number in first.items():
        yield name, number, last[name]
