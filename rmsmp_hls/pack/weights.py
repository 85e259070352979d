"""Weight tiles: rows in lanes -> nibbles -> words of the weight port, and the correction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.numerics.codebooks import codebook, decode_rows
from rmsmp_hls.schedule.layout import Slots
from rmsmp_hls.schedule.sections import operand_channels
from rmsmp_hls.schedule.steps import RowPlan

Nibbles = npt.NDArray[np.uint8]
Columns = npt.NDArray[np.int64]


def split_nibbles(op: IntMatmul) -> tuple[Nibbles, Nibbles]:
    """Return (low, high) nibbles of all weights, each [O, I, KH, KW].

    Low is the stored code of a 4-bit row, whose high is 0; of a Fixed-8 weight w the two
    signed nibbles of w = 16 * high + low, low in -8..7.
    """
    codes = np.asarray(op.codes.array).astype(np.int64)
    eight = np.array([codebook(name).bits > 4 for name in op.formats])
    low, high = codes & 15, np.zeros_like(codes)
    values = codes[eight]
    values = values - ((values & 0x80) << 1)
    signed_low = ((values + 8) & 15) - 8
    low[eight] = signed_low & 15
    high[eight] = ((values - signed_low) >> 4) & 15
    return low.astype(np.uint8), high.astype(np.uint8)


def _steps(nibbles: Nibbles, columns: Columns, places: int, channels: int, planes: int) -> Nibbles:
    """[O, I, KH, KW] -> [O + 1, steps, TN], steps (ky, kx, block, plane); row O is zero."""
    rows, _, kernel_h, kernel_w = nibbles.shape
    padded = np.zeros((rows + 1, places, kernel_h, kernel_w), dtype=np.uint8)
    padded[np.arange(rows)[:, None], columns] = nibbles
    tiles = padded.transpose(0, 2, 3, 1).reshape(rows + 1, -1, channels)
    return np.repeat(tiles, planes, axis=1)


def _columns(op: IntMatmul, rows: RowPlan, slots: Slots, array: ArrayShape) -> Columns:
    """Return [O, I / groups]: where every weight stands among the channel places of its tile."""
    section = np.zeros(op.shape[0], dtype=np.int64)
    lane_rows = np.array(rows.places.lanes, dtype=np.int64).reshape(-1, array.rows)
    for tile, members in enumerate(lane_rows):
        section[members[members >= 0]] = tile // rows.tiles_per_group
    read = np.array(slots, dtype=np.int64)[
        operand_channels(op.shape[0], op.codes.shape[1], op.groups)
    ]
    return np.asarray(read - section[:, None] * rows.blocks * array.channels)


def pack_weights(
    op: IntMatmul, rows: RowPlan, array: ArrayShape, planes: int, slots: Slots
) -> bytes:
    """Return the weight tiles of one matrix multiplication, in the order of the stream.

    Args:
        op: the operation.
        rows: where its rows sit and which channel blocks they read.
        array: the array.
        planes: planes of the operand; all planes carry the same weights.
        slots: slots of the operand's channels.
    """
    columns, places = _columns(op, rows, slots, array), rows.blocks * array.channels
    low, high = (
        _steps(part, columns, places, array.channels, planes) for part in split_nibbles(op)
    )
    channel = np.array(rows.places.lanes, dtype=np.int64).reshape(-1, array.rows)
    channel = np.where(channel < 0, len(op.formats), channel)
    single = array.shift_add_lanes + array.fixed4_lanes
    pair = channel[:, single:]
    # [row tiles, nibble rows, steps, TN]: of a fixed-8 lane the low row, then the high one.
    pairs = np.stack([low[pair], high[pair]], axis=2)
    tiles = np.concatenate(
        [
            low[channel[:, :single]],
            pairs.reshape(len(channel), 2 * pair.shape[1], *low.shape[1:]),
        ],
        axis=1,
    )
    flat = tiles.transpose(0, 2, 1, 3).reshape(len(channel) * low.shape[1], -1)
    padded = np.zeros((len(flat), array.weight_words * array.weight_word_bits // 4), dtype=np.uint8)
    padded[:, : flat.shape[1]] = flat
    return (padded[:, 0::2] | padded[:, 1::2] << 4).astype(np.uint8).tobytes()


def unsigned_planes(source: ActFormat) -> tuple[int, ...]:
    """Return the planes whose nibbles enter the lanes as `nibble - 8`.

    All but the highest plane of a signed code, which enters as it is.
    """
    return tuple(p for p in range(source.planes) if not (source.signed and p == source.planes - 1))


def corrections(op: IntMatmul, source: ActFormat) -> npt.NDArray[np.int64]:
    """Return what the shifted activations leave out, per row: sum of 8 * 16^plane * sum(w)."""
    sums = decode_rows(op.codes.array, op.formats).sum(axis=(1, 2, 3))
    factor = sum(8 * 16**plane for plane in unsigned_planes(source))
    return np.asarray(sums * factor, dtype=np.int64)
