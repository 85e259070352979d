"""The graph as the array runs it: input folded, copies explicit, every tensor in a buffer.

A buffer is room in the activation memory. Operands of a concatenation are written straight
into its buffer where they can be, selections are views: neither has a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntConcat, IntMatmul, IntOp, IntSelect
from rmsmp_hls.numerics.codebooks import LANE_CODEBOOKS
from rmsmp_hls.schedule.copies import CopyInserter, gather_repeated, nest_concats
from rmsmp_hls.schedule.fold_input import Fold, fold_input, plain_fold
from rmsmp_hls.schedule.forms import find_forms, select_slots
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
        load: how LOAD walks the input: `fold`, or that of an input of few channels which is not
            unrolled; None: word by word.
        buffers: buffers by name.
        places: tensor -> where it lies; logits have no place.
        channels, banks: TN and NB.
    """

    ops: tuple[IntOp, ...]
    owners: dict[str, str]
    fold: Fold | None
    load: Fold | None
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
    formats = formats or (shift_add or LANE_CODEBOOKS[0],)
    ops = gather_repeated(nest_concats(folded.ops), formats)
    inserter = CopyInserter(ops, find_forms(ops, channels), channels)
    ops = inserter.relays(ops, formats)
    ops, parents = inserter.parts(ops, fold is not None)
    buffers, places = _places(ops, inserter.slots, parents, channels)
    load = fold or plain_fold(graph.input.shape, banks)
    return Arrangement(ops, inserter.owners, fold, load, buffers, places, channels, banks)


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
