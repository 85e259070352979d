"""Row parameters and weight tiles, bit by bit against slow loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.pack.params import RowParameters, pack_params
from rmsmp_hls.pack.weights import corrections, pack_weights, split_nibbles, unsigned_planes
from rmsmp_hls.schedule.layout import dense_slots
from rmsmp_hls.schedule.place_rows import place_rows
from rmsmp_hls.schedule.steps import RowPlan
from tests.schedule.graphs import Builder, fmt, window
from tests.schedule.test_schedule import ARRAY


def convolution(planes_bits: int = 4, signed: bool = False, rows: int = 19) -> IntMatmul:
    net = Builder((11, 4, 4), fmt(planes_bits, signed), 7)
    op = net.matmul("c", "x", rows, fmt(), window(2), ratio=(3, 2, 2)).ops[-1]
    assert isinstance(op, IntMatmul)
    return op


@given(
    st.integers(-(1 << 17), (1 << 17) - 1), st.integers(-(1 << 47), (1 << 47) - 1),
    st.integers(-(1 << 31), (1 << 31) - 1), st.integers(0, 255), st.integers(0, 65535),
    st.integers(0, 1),
)  # fmt: skip
def test_parameters_lie_at_the_bits_of_the_page(
    multiplier: int, bias: int, correction: int, position: int, block: int, valid: int
) -> None:
    """Each field read back by hand from the 128-bit word, and by `decode`."""
    row = RowParameters(multiplier, bias, correction, position, block, valid)
    word = int.from_bytes(row.encode(), "little")
    assert word & 0x3FFFF == multiplier & 0x3FFFF
    assert word >> 18 & (1 << 48) - 1 == bias & (1 << 48) - 1
    assert word >> 66 & 0xFFFFFFFF == correction & 0xFFFFFFFF
    assert (word >> 98 & 255, word >> 106 & 65535, word >> 122) == (position, block, valid)
    assert RowParameters.decode(row.encode()) == row


def test_a_parameter_that_does_not_fit_is_refused() -> None:
    """No silent wrap."""
    with pytest.raises(OverflowError, match="multiplier"):
        RowParameters(multiplier=1 << 17).encode()


def test_lanes_without_a_row_have_no_parameters() -> None:
    """All zero, valid = 0; the others say where their channel goes."""
    op = convolution()
    places = place_rows(op.formats, ARRAY)
    data = pack_params(op, places.lanes, ARRAY, fmt(), dense_slots(19))
    assert len(data) == 16 * len(places.lanes)
    for index, channel in enumerate(places.lanes):
        row = RowParameters.decode(data[16 * index : 16 * index + 16])
        if channel < 0:
            assert row == RowParameters()
        else:
            assert row.block * ARRAY.channels + row.position == channel
            assert row.multiplier == op.multiplier.array[channel]
            assert row.bias == op.bias.array[channel]


def test_fixed8_weights_split_into_signed_nibbles() -> None:
    """16 * high + low for every weight of the format."""
    op = convolution()
    low, high = (part.astype(int) for part in split_nibbles(op.codes.array, op.formats))
    signed = [part - 16 * (part > 7) for part in (low, high)]
    for row, name in enumerate(op.formats):
        if name == "Fixed-8":
            weights = codebook(name).decode(op.codes.array[row])
            np.testing.assert_array_equal(16 * signed[1][row] + signed[0][row], weights)
        else:
            np.testing.assert_array_equal(low[row], op.codes.array[row])
            assert not high[row].any()
    every = np.arange(-119, 120)
    assert np.array_equal(((every + 8) & 15) - 8 + ((every + 8) >> 4) * 16, every)


@pytest.mark.parametrize("planes", [1, 2])
def test_tiles_lie_as_the_page_says(planes: int) -> None:
    """Nibble q of tile (row tile, ky, kx, block, plane), looked up one by one."""
    op = convolution()
    places = place_rows(op.formats, ARRAY)
    data = pack_weights(op, RowPlan(places, 2, places.tiles, 0), ARRAY, planes, dense_slots(11))
    low, high = split_nibbles(op.codes.array, op.formats)
    tile_bytes = ARRAY.weight_beats * ARRAY.weight_beat_bits // 8
    single = ARRAY.shift_add_lanes + ARRAY.fixed4_lanes
    steps = [
        (ky, kx, b, p) for ky in (0, 1) for kx in (0, 1) for b in (0, 1) for p in range(planes)
    ]
    assert len(data) == places.tiles * len(steps) * tile_bytes
    for number in range(places.tiles * len(steps)):
        row_tile, step = divmod(number, len(steps))
        ky, kx, block, _ = steps[step]
        tile = data[number * tile_bytes : (number + 1) * tile_bytes]
        for nibble_row in range(ARRAY.nibble_rows):
            paired = max(0, nibble_row - single)
            lane = nibble_row if nibble_row < single else single + paired // 2
            part = high if nibble_row >= single and paired % 2 else low
            channel = places.lanes[row_tile * ARRAY.rows + lane]
            for position in range(ARRAY.channels):
                q = nibble_row * ARRAY.channels + position
                column = block * ARRAY.channels + position
                there = channel >= 0 and column < 11
                expected = part[channel, column, ky, kx] if there else 0
                assert tile[q // 2] >> (4 * (q % 2)) & 15 == expected


@pytest.mark.parametrize(
    ("bits", "signed", "planes", "factor"),
    [(4, False, (0,), 8), (4, True, (), 0), (8, False, (0, 1), 136), (5, True, (0,), 8)],
)
def test_the_correction_covers_all_unsigned_planes(
    bits: int, signed: bool, planes: tuple[int, ...], factor: int
) -> None:
    """8 * 16^plane * sum(w): all but the highest plane of a signed code."""
    op = convolution(bits, signed)
    assert unsigned_planes(fmt(bits, signed)) == planes
    sums = [
        int(codebook(name).decode(op.codes.array[row]).sum()) for row, name in enumerate(op.formats)
    ]
    assert corrections(op, fmt(bits, signed)).tolist() == [factor * total for total in sums]
