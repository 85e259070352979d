"""Random arrays that can compute rows of all three kinds, and boards."""

from __future__ import annotations

from rmsmp_hls.hw.array import MOST_BEAT_BITS, WEIGHT_PORTS, ArrayShape, DspFamily
from tests.fuzz.choices import Choices

DEPTH = 1 << 14
"""Words of each activation bank: more than any network of the fuzzer needs."""
_CODEBOOKS = ("SP2-4", "PoT-4", "APoT-4")


def random_array(choices: Choices) -> ArrayShape:
    """Return an array; at least one kind of rows has a lane, often all have."""
    lanes = (
        choices.pick((4, 1, 2, 3, 5, 8, 0)), choices.pick((2, 4, 6, 0)), choices.pick((1, 2, 3, 0)),
    )  # fmt: skip
    if not sum(lanes):
        lanes = (2, 2, 1)
    rows = sum(lanes)
    pixels = choices.pick((2, 4, 6, 8))
    channels = choices.pick((8, 4, 16, 32))
    narrow = 1 << (pixels - 1).bit_length()
    word_bits = choices.pick((64, 32, 128, 256, 512))
    drains = [n for n in range(1, rows + 1) if rows % n == 0 and n <= channels]
    return ArrayShape(
        shift_add_lanes=lanes[0], fixed4_lanes=lanes[1], fixed8_lanes=lanes[2],
        channels=channels, pixels=pixels,
        banks=narrow * choices.pick((1, 1, 2)),
        drain_rows=choices.pick(drains),
        vector_lanes=choices.pick([n for n in (4, 8, 16, 32) if channels % n == 0]),
        tile_groups=choices.pick((16, 1, 2, 3, 5, 7, 64)),
        activation_depth=DEPTH,
        weight_word_bits=word_bits,
        acc_bits=32,
        shift_add_codebook=choices.pick(_CODEBOOKS),
        dsp=choices.pick(tuple(DspFamily)),
        min_step=choices.pick((8, 9, 16)),
        multiplier_terms=choices.pick((0, 2, 1, 3, 0)),
        window_taps=choices.pick((4, 1)),
        weight_ports=choices.pick([n for n in WEIGHT_PORTS if n * word_bits <= MOST_BEAT_BITS]),
    )  # fmt: skip


def random_shares(choices: Choices, array: ArrayShape) -> tuple[int, int, int]:
    """Return shares of shift-add, Fixed-4 and Fixed-8 rows for which the array has lanes."""
    shares = [choices.pick((65, 0, 10, 100)), choices.pick((30, 0, 10)), choices.pick((5, 0, 30))]
    if not array.shift_add_lanes:
        shares[0] = 0
    if not array.fixed4_lanes + array.fixed8_lanes:
        shares[1] = 0
    if not array.fixed8_lanes:
        shares[2] = 0
    if not sum(shares):
        shares = [array.shift_add_lanes, array.fixed4_lanes, array.fixed8_lanes]
    return shares[0], shares[1], shares[2]
