"""Weight tiles: rows in lanes -> nibbles -> beats of the weight ports, and the correction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.numerics.codebooks import codebook, decode_rows, row_blocks
from rmsmp_hls.schedule.buses import WINDOW_BUSES
from rmsmp_hls.schedule.layout import Slots
from rmsmp_hls.schedule.sections import operand_channels
from rmsmp_hls.schedule.steps import RowPlan

Nibbles = npt.NDArray[np.uint8]
Columns = npt.NDArray[np.int64]


def split_nibbles(
    codes: npt.NDArray[np.generic], formats: Sequence[str]
) -> tuple[Nibbles, Nibbles]:
    """Return (low, high) nibbles of the weights of some rows, each the shape of `codes`.

    Low is the stored code of a 4-bit row, whose high is 0; of a Fixed-8 weight w the two
    signed nibbles of w = 16 * high + low, low in -8..7.
    """
    wide = np.asarray(codes).astype(np.int16)
    eight = np.array([codebook(name).bits > 4 for name in formats], dtype=bool)
    low, high = wide & 15, np.zeros_like(wide)
    values = wide[eight]
    values = values - ((values & 0x80) << 1)
    signed_low = ((values + 8) & 15) - 8
    low[eight] = signed_low & 15
    high[eight] = ((values - signed_low) >> 4) & 15
    return low.astype(np.uint8), high.astype(np.uint8)


def _steps(nibbles: Nibbles, columns: Columns, places: int, channels: int, planes: int) -> Nibbles:
    """[R, I, KH, KW] -> [R, steps, TN], steps (ky, kx, block, plane)."""
    rows, _, kernel_h, kernel_w = nibbles.shape
    padded = np.zeros((rows, places, kernel_h, kernel_w), dtype=np.uint8)
    padded[np.arange(rows)[:, None], columns] = nibbles
    steps = kernel_h * kernel_w * places // channels
    tiles = padded.transpose(0, 2, 3, 1).reshape(rows, steps, channels)
    return np.repeat(tiles, planes, axis=1)


def _window_steps(nibbles: Nibbles, columns: Columns, channels: int, planes: int) -> Nibbles:
    """[R, 1, KH, KW] -> [R, steps, TN], steps (ky, WINDOW_BUSES columns, plane).

    Tap k of the columns lies at position k * TN / WINDOW_BUSES plus that of the channel among those
    of its bus.
    """
    rows, _, kernel_h, kernel_w = nibbles.shape
    across = ceil_div(kernel_w, WINDOW_BUSES)
    of_bus = channels // WINDOW_BUSES
    padded = np.zeros((rows, kernel_h, across * WINDOW_BUSES), dtype=np.uint8)
    padded[:, :, :kernel_w] = nibbles[:, 0]
    tiles = np.zeros((rows, kernel_h * across, WINDOW_BUSES, of_bus), dtype=np.uint8)
    tiles[np.arange(rows), :, :, columns[:, 0] % of_bus] = padded.reshape(
        rows, kernel_h * across, WINDOW_BUSES
    )
    return np.repeat(tiles.reshape(rows, kernel_h * across, channels), planes, axis=1)


def pack_weights(
    op: IntMatmul, rows: RowPlan, array: ArrayShape, planes: int, slots: Slots
) -> bytes:
    """Return the weight tiles of one matrix multiplication, in the order of the stream.

    Row tile by row tile: a large layer takes little more memory than its codes.

    Args:
        op: the operation.
        rows: where its rows sit and which channel blocks they read.
        array: the array.
        planes: planes of the operand; all planes carry the same weights.
        slots: slots of the operand's channels.
    """
    lanes = np.array(rows.places.lanes, dtype=np.int64).reshape(-1, array.rows)
    return b"".join(
        _tile(op, members, tile // rows.tiles_per_group * rows.blocks, rows, array, planes, slots)
        for tile, members in enumerate(lanes)
    )


def _tile(
    op: IntMatmul,
    lanes: npt.NDArray[np.int64],
    first_block: int,
    rows: RowPlan,
    array: ArrayShape,
    planes: int,
    slots: Slots,
) -> bytes:
    """Return the beats of one row tile, all its steps; `lanes` [TM] are its rows, -1 for none."""
    taken = lanes[lanes >= 0]
    read = operand_channels(op.shape[0], op.codes.shape[1], op.groups, taken)
    columns = np.array(slots, dtype=np.int64)[read] - first_block * array.channels
    formats = [op.formats[row] for row in taken]
    nibbles = split_nibbles(op.codes.array[taken], formats)
    places = rows.blocks * array.channels
    low, high = (
        _window_steps(part, columns, array.channels, planes)
        if rows.windows
        else _steps(part, columns, places, array.channels, planes)
        for part in nibbles
    )
    shape = (array.rows, *low.shape[1:])
    all_low, all_high = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
    all_low[lanes >= 0], all_high[lanes >= 0] = low, high
    single = array.shift_add_lanes + array.fixed4_lanes
    # [nibble rows, steps, TN]: of a fixed-8 lane the low row, then the high one.
    pairs = np.stack([all_low[single:], all_high[single:]], axis=1)
    tile = np.concatenate([all_low[:single], pairs.reshape(-1, *low.shape[1:])])
    flat = tile.transpose(1, 0, 2).reshape(low.shape[1], -1)
    padded = np.zeros((len(flat), array.weight_beats * array.weight_beat_bits // 4), dtype=np.uint8)
    padded[:, : flat.shape[1]] = flat
    return (padded[:, 0::2] | padded[:, 1::2] << 4).astype(np.uint8).tobytes()


def unsigned_planes(source: ActFormat) -> tuple[int, ...]:
    """Return the planes whose nibbles enter the lanes as `nibble - 8`.

    All but the highest plane of a signed code, which enters as it is.
    """
    return tuple(p for p in range(source.planes) if not (source.signed and p == source.planes - 1))


def corrections(op: IntMatmul, source: ActFormat) -> npt.NDArray[np.int64]:
    """Return what the shifted activations leave out, per row: sum of 8 * 16^plane * sum(w)."""
    sums = np.zeros(len(op.formats), dtype=np.int64)
    for block in row_blocks(op.codes.array):
        weights = decode_rows(op.codes.array[block], op.formats[block])
        sums[block] = weights.reshape(len(weights), -1).sum(axis=1)
    factor = sum(8 * 16**plane for plane in unsigned_planes(source))
    return np.asarray(sums * factor, dtype=np.int64)
