"""The vector unit of the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import TABLE_WORDS
from rmsmp_hls.numerics.multipliers import stored_multiplier
from rmsmp_hls.pack.emulate_memory import Ints, Memory, require
from rmsmp_hls.pack.program import Record, VectorFlags

_LOWEST = -(1 << 40)


class VectorUnit:
    """Executes VECTOR records on a memory."""

    def __init__(self, array: ArrayShape, memory: Memory) -> None:
        self.array, self.memory = array, memory

    def run(self, record: Record, params: Iterator[bytes]) -> int:
        """Execute a VECTOR; return its iterations."""
        flags = VectorFlags(record["flags"])
        table: Ints | None = None
        if VectorFlags.TABLE in flags:
            data = b"".join(next(params) for _ in range(TABLE_WORDS))
            table = np.frombuffer(data, dtype=np.uint8).astype(np.int64)
        taps = 2 if VectorFlags.BINARY in flags else record["kernel_h"] * record["kernel_w"]
        require(table is None or taps == 1, "a table has one tap")
        require(
            record["destination_planes"] < 2 or taps * record["tap_planes"] >= 2,
            "a high nibble meets the next low nibble",
        )
        count = 1 + (0 if table is None else TABLE_WORDS)
        chunks = self.array.channels // self.array.vector_lanes
        for y in range(record["destination_height"]):
            for x in range(record["destination_width"]):
                for block in range(record["blocks"]):
                    count += chunks * taps * record["tap_planes"]
                    code = self._result(record, flags, table, y, x, block)
                    for position in range(self.array.channels):
                        self.memory.write(record, y, x, block, position, int(code[position]))
        return count

    def _result(
        self, record: Record, flags: VectorFlags, table: Ints | None, y: int, x: int, block: int
    ) -> Ints:
        """Return the codes of a channel block of one output pixel."""
        maximum = VectorFlags.MAXIMUM in flags
        first, second = (
            stored_multiplier(record[name], self.array.multiplier_terms)
            for name in ("multiplier_a", "multiplier_b")
        )
        total = np.full(self.array.channels, _LOWEST if maximum else 0, dtype=np.int64)
        for part in self._taps(record, flags, y, x, block):
            if table is not None:
                return np.asarray(table[part & 255], dtype=np.int64)
            if maximum:
                total = np.maximum(total, part)
            elif VectorFlags.MULTIPLY in flags:
                total = part
            else:
                total = total + part * first
        if VectorFlags.BINARY in flags:
            part = self._second(record, flags, y, x, block)
            multiplied = VectorFlags.MULTIPLY in flags
            total = total * part * first if multiplied else total + part * second
        if maximum:
            return total
        scaled = (total + record["bias"]) >> record["shift"]
        return np.asarray(np.clip(scaled, record["low"], record["high"]), dtype=np.int64)

    def _taps(
        self, record: Record, flags: VectorFlags, y: int, x: int, block: int
    ) -> Iterator[Ints]:
        """Yield the codes of the first operand under the window, padding left out."""
        place = (record["base"], record["line_stride"], record["pixel_stride"])
        signed = VectorFlags.A_SIGNED in flags
        top = y // record["repeat_h"] * record["stride_h"] - record["padding_top"]
        left = x // record["repeat_w"] * record["stride_w"] - record["padding_left"]
        for ky in range(record["kernel_h"]):
            for kx in range(record["kernel_w"]):
                sy = top + ky * record["dilation_h"]
                sx = left + kx * record["dilation_w"]
                if 0 <= sy < record["height"] and 0 <= sx < record["width"]:
                    yield self.memory.code(place, record["planes"], signed, sy, sx, block)

    def _second(self, record: Record, flags: VectorFlags, y: int, x: int, block: int) -> Ints:
        """Return the codes of the second operand."""
        place = (record["b_base"], record["b_line_stride"], record["b_pixel_stride"])
        if VectorFlags.BROADCAST in flags:
            y = x = 0
        signed = VectorFlags.B_SIGNED in flags
        return self.memory.code(place, record["b_planes"], signed, y, x, block)
