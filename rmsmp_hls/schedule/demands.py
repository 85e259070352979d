"""What the operations of an arranged network ask of the memory, in the planner's words.

What lies in DRAM is cut by who made it: every tensor that a step makes has a *region* of its own,
dense lines one behind the other. A reader needs a *view*: the neighbouring regions that its operand
touches, side by side as in the buffer that they are parts of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rmsmp_hls.errors import ResourceError
from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.int_ops import IntConcat, IntInput, IntOp, IntSelect, IntUpsample
from rmsmp_hls.schedule.arrange import Arrangement, buffer_lifetimes
from rmsmp_hls.schedule.layout import slot_blocks
from rmsmp_hls.schedule.spill import Buffer, Reading, Work, tightest
from rmsmp_hls.schedule.strips import first_line_step, operation_window


@dataclass(frozen=True, slots=True)
class Region:
    """The channel blocks of a buffer that one operation makes; `line_words` are addresses."""

    tensor: str
    block: int
    blocks: int
    line_words: int


@dataclass(frozen=True, slots=True)
class View:
    """Neighbouring regions of a buffer; `name` is unique in the network."""

    name: str
    buffer: str
    regions: tuple[Region, ...]
    line_words: int

    @property
    def block(self) -> int:
        """First block, in the buffer."""
        return self.regions[0].block

    @property
    def blocks(self) -> int:
        """Blocks from the first to the last."""
        return self.regions[-1].block + self.regions[-1].blocks - self.block


class Demands:
    """Regions, views, buffers and works of an arranged network with result `output`."""

    def __init__(self, arrangement: Arrangement, output: str) -> None:
        self.arrangement = arrangement
        self.output = output
        self.made = {op.name: op for op in arrangement.ops}
        self.regions: dict[str, tuple[Region, ...]] = {}
        for op in arrangement.ops:
            if op.output is not None and not isinstance(op, IntConcat | IntSelect):
                place = arrangement.places[op.name]
                blocks = slot_blocks(place.slots, arrangement.channels)
                words = self._line_words(place.buffer, blocks)
                known = self.regions.get(place.buffer, ())
                parts = (*known, Region(op.name, place.block, blocks, words))
                self.regions[place.buffer] = tuple(sorted(parts, key=lambda part: part.block))

    def buffers(self) -> tuple[Buffer, ...]:
        """Return all buffers with the moments at which they are in use."""
        banks = self.arrangement.banks
        return tuple(
            Buffer(name, room.height, room.line_stride(banks), first, last)
            for name, first, last in buffer_lifetimes(self.arrangement, self.output)
            for room in (self.arrangement.buffers[name],)
        )

    def works(self) -> tuple[Work, ...]:
        """Return one work for every operation that has a step."""
        return tuple(
            work
            for number, op in enumerate(self.arrangement.ops)
            for work in self._work(number, op)
        )

    def region(self, name: str) -> Region:
        """Return the region of a tensor that a step makes."""
        buffer = self.arrangement.places[name].buffer
        return next(part for part in self.regions[buffer] if part.tensor == name)

    def view(self, name: str) -> View:
        """Return what a reader of tensor `name` needs of its buffer."""
        place = self.arrangement.places[name]
        end = place.block + slot_blocks(place.slots, self.arrangement.channels)
        parts = tuple(
            part
            for part in self.regions[place.buffer]
            if part.block < end and place.block < part.block + part.blocks
        )
        blocks = parts[-1].block + parts[-1].blocks - parts[0].block
        words = self._line_words(place.buffer, blocks)
        return View(f"{place.buffer}:{parts[0].block}:{blocks}", place.buffer, parts, words)

    def reading(self, op: IntOp, name: str) -> Reading:
        """Return how `op` reads its operand `name`."""
        view = self.view(name)
        plain = Reading(buffer=view.buffer, view=view.name, line_words=view.line_words)
        if isinstance(op, IntConcat | IntSelect):
            return plain
        if self.made[name].shape[1:] == (1, 1) and op.shape[1:] != (1, 1) and name != op.inputs[0]:
            return replace(plain, whole=True)
        if isinstance(op, IntUpsample):
            return replace(plain, repeat=op.factors[0])
        window = operation_window(op)
        span = (window.kernel[0] - 1) * window.dilation[0] + 1
        return replace(plain, stride=window.stride[0], span=span, padding=window.padding[0])

    def _line_words(self, buffer: str, blocks: int) -> int:
        room = self.arrangement.buffers[buffer]
        return ceil_div(room.width, self.arrangement.banks) * blocks * room.planes

    def _work(self, number: int, op: IntOp) -> Iterator[Work]:
        if isinstance(op, IntConcat | IntSelect):
            if op.name == self.output:  # it is only stored
                yield Work(number, op.shape[1], (self.reading(op, op.name),), "", 0)
            return
        stored = op.name in self.arrangement.places
        yield Work(
            number=number,
            lines=op.shape[1],
            reads=tuple(self.reading(op, name) for name in op.inputs),
            writes=self.arrangement.places[op.name].buffer if stored else "",
            line_words=self.region(op.name).line_words if stored else 0,
            multiple=1 if isinstance(op, IntInput) else first_line_step(op),
        )


def no_room(demands: Demands, available: int) -> ResourceError:
    """Return the error that some operation's lines do not fit `available` words per bank."""
    work, needs = tightest(demands.buffers(), demands.works())
    named = ", ".join(f"{name[:60]} ({words})" for name, words in needs)
    return ResourceError(
        f"an activation memory of {available} words per bank is too small, also with tensors in "
        "DRAM: the lines that one operation needs at once do not fit",
        where=f"{demands.arrangement.ops[work.number].name[:60]}: needs lines of {named}, words "
        "per bank each",
        fix="choose a smaller input image, a larger board, or an array with more memory",
    )
