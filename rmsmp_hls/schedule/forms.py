"""The slots of every tensor: who decides them, and where two tensors must agree.

The rows of a matrix multiplication may write any slots; the vector unit keeps those of its
operand; a concatenation starts every operand at a new block; a selection renames. Wishes
for the slots of matrix multiplications come from depthwise layers, whose blocks should mix
the kinds of rows, and from operations with two operands, whose slots must be the same.
What no wish can settle is copied by a matrix multiplication with identity weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntConcat,
    IntInput,
    IntMatmul,
    IntMultiply,
    IntOp,
    IntSelect,
)
from rmsmp_hls.schedule.buses import WINDOW_BUSES
from rmsmp_hls.schedule.layout import Slots, dense_slots, slot_blocks
from rmsmp_hls.schedule.place_rows import kind_of


@dataclass(frozen=True, slots=True)
class Forms:
    """Slots of every tensor, counted from its first block, and what must be copied.

    Attributes:
        slots: tensor -> slots; logits are dense.
        relays: operations whose second operand must first be copied to the slots of the first.
    """

    slots: dict[str, Slots]
    relays: frozenset[str]


def is_depthwise(op: IntOp) -> bool:
    """Return whether every row reads one channel of its own."""
    return isinstance(op, IntMatmul) and op.groups == op.shape[0] and op.codes.shape[1] == 1


def concat_slots(parts: list[Slots], channels: int) -> Slots:
    """Return the slots of a concatenation: every operand starts at a new block."""
    found: list[int] = []
    start = 0
    for part in parts:
        found += [start + slot for slot in part]
        start += slot_blocks(part, channels) * channels
    return tuple(found)


def select_slots(source: Slots, indices: tuple[int, ...], channels: int) -> tuple[int, Slots]:
    """Return the first block of a selection in its operand, and its slots from there."""
    taken = [source[index] for index in indices]
    first = min(taken) // channels
    return first, tuple(slot - first * channels for slot in taken)


def mixed_slots(formats: tuple[str, ...], channels: int) -> Slots:
    """Return slots that spread the kinds of rows evenly over the fewest blocks.

    Rows sorted by kind are dealt to the blocks in turn: no block has more than one row of a
    kind above another, nor fixed-4 and fixed-8 rows together. Within a block they are dealt to
    the buses of a window in turn.
    """
    blocks = ceil_div(len(formats), channels)
    order = sorted(range(len(formats)), key=lambda row: (kind_of(formats[row]), row))
    slots = [0] * len(formats)
    for number, row in enumerate(order):
        turn, block = divmod(number, blocks)
        place, bus = divmod(turn, WINDOW_BUSES)
        slots[row] = block * channels + bus * (channels // WINDOW_BUSES) + place
    return tuple(slots)


def find_forms(ops: tuple[IntOp, ...], channels: int) -> Forms:
    """Return the slots of every tensor of `ops` for TN = `channels`."""
    finder = _Finder(ops, channels)
    finder.wish_mixes()
    number = 0
    while number < len(ops):
        number = finder.visit(number)
    return Forms(finder.slots, frozenset(finder.relays))


class _Finder:
    def __init__(self, ops: tuple[IntOp, ...], channels: int) -> None:
        self.ops = ops
        self.channels = channels
        self.number = {op.name: number for number, op in enumerate(ops)}
        self.wishes: dict[str, Slots] = {}
        self.relays: set[str] = set()
        self.slots: dict[str, Slots] = {}

    def free_root(self, name: str) -> str | None:
        """Return the matrix multiplication that decides the slots of `name` if no wish does."""
        op = self.ops[self.number[name]]
        while not isinstance(op, IntInput | IntConcat | IntSelect):
            if isinstance(op, IntMatmul) and not is_depthwise(op):
                return None if op.name in self.wishes else op.name
            op = self.ops[self.number[op.inputs[0]]]
        return None

    def wish_mixes(self) -> None:
        """Let the operands of depthwise layers mix the kinds of rows in every block."""
        for op in self.ops:
            if not (isinstance(op, IntMatmul) and is_depthwise(op)):
                continue
            root = self.free_root(op.inputs[0])
            if (
                root
                and op.shape[0] > self.channels // WINDOW_BUSES
                and len({*map(kind_of, op.formats)}) > 1
            ):
                self.wishes[root] = mixed_slots(op.formats, self.channels)

    def visit(self, number: int) -> int:
        """Give the tensor of operation `number` its slots; return which is next."""
        op = self.ops[number]
        if isinstance(op, IntAdd | IntMultiply) and op.name not in self.relays:
            a, b = (self.slots[name] for name in op.inputs)
            if a != b:
                for loser, wish in ((op.inputs[1], a), (op.inputs[0], b)):
                    root = self.free_root(loser)
                    if root:
                        self.wishes[root] = wish
                        return self.number[root]
                self.relays.add(op.name)
        self.slots[op.name] = self._slots(op)
        return number + 1

    def _slots(self, op: IntOp) -> Slots:
        if isinstance(op, IntMatmul) and not is_depthwise(op):
            return self.wishes.get(op.name) or dense_slots(op.shape[0])
        if isinstance(op, IntInput) or op.output is None:
            return dense_slots(op.shape[0])
        sources = [self.slots[name] for name in op.inputs]
        if isinstance(op, IntConcat):
            return concat_slots(sources, self.channels)
        if isinstance(op, IntSelect):
            return select_slots(sources[0], op.indices, self.channels)[1]
        return sources[0]
