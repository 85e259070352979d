"""Which channel blocks a row of a grouped convolution reads.

A *section* is a run of channel blocks; all sections of a layer are of one size and lie one
behind the other. A row tile reads one section, so the smallest size is the best that holds
the operand channels of every row in one section.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.schedule.buses import WINDOW_BUSES, Counts, bus_of
from rmsmp_hls.schedule.layout import Slots, slot_blocks
from rmsmp_hls.schedule.place_rows import kind_counts


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of one layer.

    Attributes:
        blocks: channel blocks of a section.
        count: sections.
        of_rows: section of every row.
    """

    blocks: int
    count: int
    of_rows: tuple[int, ...]

    def fullest(self, formats: tuple[str, ...]) -> Counts:
        """Return the most rows of each kind (shift-add, fixed-4, fixed-8) in one section."""
        if self.count == 1:
            return kind_counts(formats)
        members: list[list[str]] = [[] for _ in range(self.count)]
        for section, row_format in zip(self.of_rows, formats, strict=True):
            members[section].append(row_format)
        return _most(members)

    def on_buses(self, formats: tuple[str, ...], slots: Slots, channels: int) -> tuple[Counts, ...]:
        """Return the most rows of each kind in one section, bus by bus.

        Args:
            formats: of every row.
            slots: slot of the one channel that every row reads.
            channels: TN.
        """
        members: list[list[list[str]]] = [
            [[] for _ in range(self.count)] for _ in range(WINDOW_BUSES)
        ]
        for section, row_format, slot in zip(self.of_rows, formats, slots, strict=True):
            members[bus_of(slot, channels)][section].append(row_format)
        return tuple(_most(sections) for sections in members)


def _most(members: list[list[str]]) -> Counts:
    """Return the most rows of each kind among some lists of formats."""
    counts = [kind_counts(rows) for rows in members]
    most = [max(count[kind] for count in counts) for kind in range(3)]
    return most[0], most[1], most[2]


def operand_channels(
    rows: int, group_channels: int, groups: int, taken: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return [len(taken), group_channels]: the operand channels that the rows `taken` read, of a
    layer of `rows` rows."""
    group = taken // (rows // groups)
    return np.asarray(group[:, None] * group_channels + np.arange(group_channels))


def sections(op: IntMatmul, slots: Slots, channels: int) -> Sections:
    """Return the sections of `op`, whose operand has these slots, for TN = `channels`."""
    return _sections(op.shape[0], op.groups, slots, channels)


@lru_cache(maxsize=1024)
def _sections(rows: int, groups: int, slots: Slots, channels: int) -> Sections:
    blocks = slot_blocks(slots, channels)
    if groups > 1:
        block = np.array(slots).reshape(groups, -1) // channels
        low, high = block.min(axis=1), block.max(axis=1)
        for size in range(1, blocks // 2 + 1):
            if blocks % size == 0 and (low // size == high // size).all():
                of_rows = np.repeat(low // size, rows // groups)
                return Sections(size, blocks // size, tuple(of_rows.tolist()))
    return Sections(blocks, 1, (0,) * rows)
