"""The lanes of the emulator: blocks, steps and drain of a MATMUL record."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.numerics.multipliers import stored_multiplier
from rmsmp_hls.pack.emulate_memory import Ints, Memory, require
from rmsmp_hls.pack.params import RowParameters
from rmsmp_hls.pack.program import MatmulFlags, Record
from rmsmp_hls.schedule.buses import lane_buses


class MatmulUnit:
    """Executes MATMUL records on a memory."""

    def __init__(self, array: ArrayShape, memory: Memory) -> None:
        self.array, self.memory = array, memory
        magnitudes = codebook(array.shift_add_codebook).magnitudes
        self._buses = np.array(lane_buses(array))
        half = [*magnitudes, *[0] * (8 - len(magnitudes))]
        self._table = np.array([*half, *(-magnitude for magnitude in half)], dtype=np.int64)

    def _tile(self, weights: Iterator[bytes]) -> Ints:
        """Return one weight tile as signed integers [TM, TN]; a fixed-8 lane is one row."""
        array = self.array
        data = b"".join(next(weights) for _ in range(array.weight_beats))
        pairs = np.frombuffer(data, dtype=np.uint8)
        nibbles = np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1).astype(np.int64)
        rows = nibbles[: array.nibble_rows * array.channels].reshape(-1, array.channels)
        shift, four = array.shift_add_lanes, array.fixed4_lanes
        signed = rows - ((rows >> 3) << 4)
        eight = signed[shift + four :]
        return np.concatenate(
            [
                self._table[rows[:shift]],
                signed[shift : shift + four],
                eight[0::2] + 16 * eight[1::2],
            ]
        )

    def _activations(self, record: Record, group: int, step: int, offset: int) -> Ints:
        """Return the signed nibbles [bus, TP, TN] that one group reads in one step, `offset`
        addresses behind the first group of channels."""
        array = self.array
        planes, blocks = record["planes"], record["blocks"]
        tap, rest = divmod(step, blocks * planes)
        block, plane = divmod(rest, planes)
        ky, kx = divmod(tap, record["kernel_w"])
        signed = bool(record["flags"] & MatmulFlags.INPUT_SIGNED)
        window = bool(record["flags"] & MatmulFlags.WINDOW)
        as_is = signed and plane == planes - 1
        fields = (record["base"], record["line_stride"], record["pixel_stride"])
        y, first = divmod(group, record["groups_per_line"])
        sy = y * record["stride_h"] - record["padding_top"] + ky * record["dilation_h"]
        columns = array.window_taps if window else 1
        of_bus = array.channels // columns
        shape = (columns, array.pixels, array.channels)
        nibbles = np.full(shape, 0 if as_is else -8, dtype=np.int64)
        read: dict[int, int] = {}
        for pixel in range(record["group_pixels"]):
            x = first * record["group_pixels"] + pixel
            if x >= record["destination_width"]:
                continue
            left = x * record["stride_w"] - record["padding_left"] + kx * record["dilation_w"]
            for column in range(columns):
                # As many columns as banks are read; taps behind them have weight 0.
                behind = pixel * record["stride_w"] + column - (array.banks - 1)
                sx = left + column - (max(0, behind) if window else 0)
                if not (0 <= sy < record["height"] and 0 <= sx < record["width"]):
                    continue
                at = self.memory.address(fields, sy, sx, offset + block * planes + plane)
                bank = sx % array.banks
                require(read.setdefault(bank, at) == at, "a bank is read twice in a cycle")
                raw = self.memory.cells[bank, :, at]
                codes = raw - ((raw >> 3) << 4) if as_is else raw - 8
                # Every bus takes its own channels; in a dense layer there is one with all.
                place = slice(column * of_bus, (column + 1) * of_bus)
                nibbles[:, pixel, place] = codes.reshape(columns, of_bus)
        return nibbles

    def _dots(self, lanes: Ints, buses: Ints) -> Ints:
        """Return the dot products [TM, TP] of the lanes [TM, TN] with the buses [bus, TP, TN]."""
        if len(buses) == 1:
            return np.asarray(lanes @ buses[0].T, dtype=np.int64)
        return np.asarray(np.einsum("mn,mpn->mp", lanes, buses[self._buses]), dtype=np.int64)

    def run(
        self, record: Record, weights: Iterator[bytes], params: Iterator[bytes], output: list[int]
    ) -> int:
        """Execute a MATMUL; return its iterations."""
        array = self.array
        limit = 1 << (array.acc_bits - 1)
        per_group = array.rows // array.drain_rows * record["repeat"]
        count = drain_before = 0
        best: tuple[int, int] | None = None
        for tile in range(record["pixel_tiles"]):
            first = tile * record["groups_per_tile"]
            groups = range(first, min(first + record["groups_per_tile"], record["groups"]))
            require(0 < len(groups) <= array.tile_groups, "a pixel tile is empty or too large")
            for row_tile in range(record["row_tiles"]):
                rows = [RowParameters.decode(next(params)) for _ in range(array.rows)]
                psum = np.zeros((len(groups), array.rows, array.pixels), dtype=np.int64)
                for step in range(record["steps"]):
                    lanes = self._tile(weights)
                    shift = 4 * (step % record["planes"])
                    offset = row_tile // record["tiles_per_group"] * record["group_stride"]
                    for index, group in enumerate(groups):
                        buses = self._activations(record, group, step, offset)
                        psum[index] += self._dots(lanes, buses) << shift
                    require(
                        bool((psum >= -limit).all() and (psum < limit).all()),
                        f"a partial sum does not fit {array.acc_bits} bits",
                    )
                best = self._drain(record, groups, rows, psum, output, best)
                compute = record["steps"] * max(len(groups), array.weight_beats, array.min_step)
                prologue = array.weight_beats if tile == row_tile == 0 else 0
                count += max(compute + prologue, array.rows, drain_before)
                drain_before = len(groups) * per_group
        if record["flags"] & MatmulFlags.ARGMAX:
            assert best is not None, "logits have a row"
            output.append(best[1])
        return count + drain_before

    def _drain(
        self,
        record: Record,
        groups: range,
        rows: list[RowParameters],
        psum: Ints,
        output: list[int],
        best: tuple[int, int] | None,
    ) -> tuple[int, int] | None:
        """Write a block back; return the best (y, channel) so far of logits."""
        logits = bool(record["flags"] & MatmulFlags.LOGITS)
        for start in range(0, len(rows), self.array.drain_rows):
            valid = [r.position for r in rows[start : start + self.array.drain_rows] if r.valid]
            require(logits or len(set(valid)) == len(valid), "two rows drain to one position")
        for index, group in enumerate(groups):
            y, first = divmod(group, record["groups_per_line"])
            for lane, row in enumerate(rows):
                for pixel in range(record["group_pixels"]):
                    acc = int(psum[index, lane, pixel]) + row.correction
                    multiplier = stored_multiplier(row.multiplier, self.array.multiplier_terms)
                    scaled = (acc * multiplier + row.bias) >> record["shift"]
                    result = min(max(scaled, record["low"]), record["high"])
                    channel = row.block * self.array.channels + row.position
                    if logits:
                        output.append(acc & 0xFFFFFFFF)
                        if row.valid and (best is None or (result, -channel) > (best[0], -best[1])):
                            best = (result, channel)
                        continue
                    x = first * record["group_pixels"] + pixel
                    if row.valid and x < record["destination_width"]:
                        self.memory.write(record, y, x, row.block, row.position, result)
        return best
