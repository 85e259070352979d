"""Where the nibbles of a tensor lie: the strides of docs/hardware.md, "Activation memory"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from rmsmp_hls.hw.cycles import ceil_div

Slots = tuple[int, ...]
"""Slot of every channel: position `slot mod TN`, block `slot div TN`."""


@lru_cache(maxsize=256)
def dense_slots(channels: int) -> Slots:
    """Return the slots of a dense tensor: channel c in slot c."""
    return tuple(range(channels))


def slot_blocks(slots: Slots, channels: int) -> int:
    """Return the blocks up to the last slot, for TN = `channels`."""
    return max(slots) // channels + 1


@dataclass(frozen=True, slots=True)
class TensorLayout:
    """One activation tensor, or some of its lines, in the activation memory.

    Attributes:
        name: the tensor.
        buffer: the room it lies in: its own name, or that of the concatenation it is part of.
        base: address of its first line and block, the same in every bank and position.
        channels, width: shape.
        height: lines held.
        bits, signed: format of the codes.
        planes: nibbles of a code.
        blocks: channel blocks from its first to its last slot.
        pixel_stride: addresses from one pixel of a bank to the next.
        line_stride: addresses from one line of a bank to the next.
        slots: slot of every channel, counted from `base`; None: channel c in slot c.
        top: number of the first line held.
        narrow: whether signed codes are symmetric.
    """

    name: str
    buffer: str
    base: int
    channels: int
    height: int
    width: int
    bits: int
    signed: bool
    planes: int
    blocks: int
    pixel_stride: int
    line_stride: int
    slots: Slots | None = None
    top: int = 0
    narrow: bool = True

    @property
    def channel_slots(self) -> Slots:
        """Slot of every channel, also of a dense tensor."""
        return dense_slots(self.channels) if self.slots is None else self.slots

    @property
    def chunks(self) -> int:
        """Words of four neighbouring slots that hold all channels of a pixel."""
        return ceil_div(max(self.channel_slots) + 1, 4)

    @property
    def transfer_words(self) -> int:
        """32-bit words of the lines held in the input or output: four codes each."""
        return self.height * self.width * self.chunks

    def lines(self, first: int, last: int) -> TensorLayout:
        """Return the layout of lines `first` .. `last - 1`, all of which must be held; of no
        lines at all (`last` = `first`) that of nothing."""
        if first == last:
            return replace(self, height=0)
        assert self.top <= first < last <= self.top + self.height, "lines that are not there"
        base = self.base + (first - self.top) * self.line_stride
        return replace(self, base=base, height=last - first, top=first)
