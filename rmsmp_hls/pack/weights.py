"""Weight tiles: rows in lanes -> nibbles -> words of the weight port, and the correction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.numerics.codebooks import codebook

Nibbles = npt.NDArray[np.uint8]


def row_integers(op: IntMatmul) -> npt.NDArray[np.int64]:
    """Return the signed integers of all weights, [O, I, KH, KW]."""
    codes = np.asarray(op.codes.array)
    integers = np.zeros(codes.shape, dtype=np.int64)
    formats = np.array(op.formats)
    for name in set(op.formats):
        rows = formats == name
        integers[rows] = codebook(name).decode(codes[rows])
    return integers


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


def _steps(nibbles: Nibbles, channels: int, planes: int) -> Nibbles:
    """[O, I, KH, KW] -> [O + 1, steps, TN], steps (ky, kx, block, plane); row O is zero."""
    rows, depth, kernel_h, kernel_w = nibbles.shape
    blocks = ceil_div(depth, channels)
    padded = np.zeros((rows + 1, kernel_h, kernel_w, blocks * channels), dtype=np.uint8)
    padded[:rows, :, :, :depth] = nibbles.transpose(0, 2, 3, 1)
    tiles = padded.reshape(rows + 1, kernel_h * kernel_w * blocks, channels)
    return np.repeat(tiles, planes, axis=1)


def pack_weights(op: IntMatmul, lanes: tuple[int, ...], array: ArrayShape, planes: int) -> bytes:
    """Return the weight tiles of one matrix multiplication, in the order of the stream.

    Args:
        op: the operation.
        lanes: output channel of every lane of every row tile, -1 for none.
        array: the array.
        planes: planes of the operand; all planes carry the same weights.
    """
    low, high = (_steps(part, array.channels, planes) for part in split_nibbles(op))
    channel = np.array(lanes, dtype=np.int64).reshape(-1, array.rows)
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
    sums = row_integers(op).sum(axis=(1, 2, 3))
    factor = sum(8 * 16**plane for plane in unsigned_planes(source))
    return np.asarray(sums * factor, dtype=np.int64)
