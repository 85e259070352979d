"""Iterations: the closed form equals the sum over blocks that docs/hardware.md states."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.array import WEIGHT_PORTS, ArrayShape, DspFamily
from rmsmp_hls.hw.cycles import (
    Tiling,
    address_words,
    block_bytes,
    block_wait,
    choose_tiling,
    folded_load_iterations,
    line_words,
    matmul_cycles,
    matmul_iterations,
    move_iterations,
    pixels_of_group,
    spill_iterations,
    spill_wait,
    vector_iterations,
)

ARRAY = ArrayShape(
    shift_add_lanes=10, fixed4_lanes=4, fixed8_lanes=2, channels=16, pixels=4, banks=8,
    drain_rows=4, vector_lanes=4, tile_groups=16, activation_depth=64, weight_word_bits=64,
    acc_bits=24, shift_add_codebook="SP2-4", dsp=DspFamily.DSP48E2,
)  # fmt: skip


def slow_iterations(tiling: Tiling, array: ArrayShape) -> int:
    """The page's formula, block by block."""
    sizes = []
    left = tiling.groups
    while left:
        sizes += [min(left, tiling.groups_per_tile)] * tiling.row_tiles
        left -= sizes[-1]
    total = 0
    for block in range(len(sizes) + 1):
        terms = [0]
        if block < len(sizes):
            length = max(sizes[block], array.weight_beats, array.min_step)
            terms.append(tiling.steps * length + (array.weight_beats if block == 0 else 0))
            terms.append(array.rows)
        if block > 0:
            terms.append(sizes[block - 1] * (array.rows // array.drain_rows) * tiling.repeat)
        total += max(terms)
    return total


@given(
    out=st.tuples(st.integers(1, 12), st.integers(1, 12)), stride=st.integers(1, 4),
    span=st.sampled_from((1, 3)),
    steps=st.integers(1, 40), row_tiles=st.integers(1, 5), planes=st.integers(1, 2),
    logits=st.booleans(), tile_groups=st.integers(1, 40), drain=st.sampled_from((1, 2, 4, 8, 16)),
    bits=st.sampled_from((32, 64, 128)), ports=st.sampled_from(WEIGHT_PORTS),
)  # fmt: skip
def test_the_closed_form_is_the_sum_over_blocks(
    out, stride, span, steps, row_tiles, planes, logits, tile_groups, drain, bits, ports
) -> None:
    """Any tiling; what binds is charged without loss."""
    array = replace(
        ARRAY, tile_groups=tile_groups, drain_rows=drain, weight_word_bits=bits, weight_ports=ports
    )
    tiling = choose_tiling(
        array, out_height=out[0], out_width=out[1],
        group_pixels=pixels_of_group(array, stride, logits, span), steps=steps,
        row_tiles=row_tiles, planes=planes, logits=logits,
    )  # fmt: skip
    assert 1 <= tiling.last_groups <= tiling.groups_per_tile <= tile_groups
    assert matmul_iterations(tiling, array) == slow_iterations(tiling, array)
    cycles = matmul_cycles(tiling, array)
    assert cycles.busy <= cycles.iterations


def test_what_binds_is_named() -> None:
    """Large tiles compute; few pixels wait for weights or steps; short sums for the drain."""

    def binds(height: int, steps: int, **changes: int) -> str:
        array = replace(ARRAY, **changes)
        tiling = choose_tiling(
            array, out_height=height, out_width=4, group_pixels=4, steps=steps, row_tiles=4,
            planes=1, logits=False,
        )  # fmt: skip
        return matmul_cycles(tiling, array).binds

    assert binds(200, 50, tile_groups=100) == "compute"
    assert binds(2, 50) == "weights"
    assert binds(2, 50, weight_word_bits=512) == "min_step"
    assert binds(2, 50, weight_ports=4) == "min_step"
    assert binds(200, 1, drain_rows=1, tile_groups=100) == "drain"


def test_strides_bound_the_pixels_of_a_group() -> None:
    """Reads of one cycle touch each bank at most once."""
    for stride in range(1, 9):
        pixels = pixels_of_group(ARRAY, stride, logits=False)
        assert len({x * stride % ARRAY.banks for x in range(pixels)}) == pixels
    assert pixels_of_group(ARRAY, 2, logits=False) == 4
    assert pixels_of_group(ARRAY, 4, logits=False) == 2
    assert pixels_of_group(ARRAY, 1, logits=True) == 1


@pytest.mark.parametrize("span", [2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_columns_of_a_group_of_windows_lie_in_distinct_banks(span: int, stride: int) -> None:
    """As many pixels as columns allow, no more than TP."""
    pixels = pixels_of_group(ARRAY, stride, logits=False, span=span)
    columns = {x * stride + tap for x in range(pixels) for tap in range(span)}
    assert max(columns) < ARRAY.banks
    assert pixels == ARRAY.pixels or max(columns) + stride >= ARRAY.banks
    assert pixels_of_group(ARRAY, stride, logits=True, span=span) == 1


def test_the_small_formulas() -> None:
    """Vector unit with and without a table, moves, folded loads and spills, by hand."""
    assert vector_iterations(ARRAY, 3, 5, 2, 9, 2) == 3 * 5 * 2 * 4 * 9 * 2 + 1
    assert vector_iterations(ARRAY, 3, 5, 2, 1, 2, table=True) == 3 * 5 * 2 * 4 * 2 + 1 + 16
    assert move_iterations(3, 5, 5, 2) == 3 * 5 * 5 * 2
    assert folded_load_iterations(3, 5, 2, 1, 2, 1) == 3 * (2 + 5 + 1) * 2
    assert folded_load_iterations(3, 5, 2, 1, 2, 4) == 3 * (1 + 2) * 2
    assert [line_words(width, 1) for width in (1, 4, 5)] == [4, 4, 8]
    assert line_words(3, 3) == 12
    assert address_words(replace(ARRAY, weight_word_bits=128)) == 4  # 8 * 16 nibbles
    assert address_words(replace(ARRAY, banks=4, channels=4, weight_word_bits=512)) == 1
    assert spill_iterations(ARRAY, 3, 7) == 3 * 7 * 8


def test_a_beat_is_a_word_of_every_port() -> None:
    """18 * 16 nibbles are 18 words of 64 bits: 18, 9 or 5 beats; spill words stay 64 bits wide."""
    beats = [replace(ARRAY, weight_ports=ports).weight_beats for ports in WEIGHT_PORTS]
    assert beats == [18, 9, 5]
    assert replace(ARRAY, weight_ports=4).weight_beat_bits == 256
    assert address_words(replace(ARRAY, weight_ports=4)) == address_words(ARRAY)
    with pytest.raises(ConfigError, match="at most 1024"):
        replace(ARRAY, weight_ports=4, weight_word_bits=512)
    with pytest.raises(ConfigError, match="weight_ports must be 1, 2 or 4"):
        replace(ARRAY, weight_ports=3)


@pytest.mark.parametrize("ports", WEIGHT_PORTS)
def test_blocks_wait_for_a_slow_ddr(ports: int) -> None:
    """Weights in whole beats and 16 bytes per row lane, once per block; else nothing waits."""
    array = replace(ARRAY, weight_ports=ports)
    tiling = Tiling(4, 3, 30, 10, 3, 2, 7, 1)
    fetched = 3 * 2 * (7 * array.weight_beats * ports * 8 + 16 * 16)
    assert block_bytes(tiling, array) == fetched
    assert block_wait(array, tiling, fetched, 1.0) == 0
    assert block_wait(array, tiling, fetched - 5, 1.0) == 5
    assert block_wait(array, tiling, 100, fetched / 300) == 200


def test_spills_wait_for_a_slow_ddr() -> None:
    """At half the port's bytes per cycle every word takes two cycles; a quick DDR adds nothing."""
    port = ARRAY.weight_word_bits / 8
    assert spill_wait(ARRAY, 100, port / 2) == 100
    assert spill_wait(ARRAY, 100, port) == spill_wait(ARRAY, 100, 3 * port) == 0
