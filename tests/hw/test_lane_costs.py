"""Costs of groups of lanes: measured sizes exactly, others on the line; SLICEMs and reloads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.array import DspFamily
from rmsmp_hls.hw.board import boards, load_board
from rmsmp_hls.hw.lane_costs import LaneGroupCost, lane_group_cost
from rmsmp_hls.hw.lane_figures import (
    FAMILIES,
    fitted_lanes,
    lane_cost,
    shared_figure,
    stored_figures,
)

E2 = DspFamily.DSP48E2


def _cost(kind: str, book: str, *, channels: int = 32, pixels: int = 4) -> LaneGroupCost:
    return lane_group_cost(
        kind, book, E2, rows=40, channels=channels, pixels=pixels, accumulator_bits=24
    )


def test_aims_are_met() -> None:
    """Raw LUTs per 4 x 4-bit multiply-accumulate at 32 inputs: SP2 17.4, tables 9.6, DSP slots 0.8
    with a quarter of a DSP48E2."""
    figures = {f.key: f for f, _ in stored_figures("xcup")}
    shift_add = figures["shift_add", "SP2-4", 32, 1]
    assert shift_add.lut / shift_add.macs <= 17.4
    for book in ("SP2-4", "Fixed-4"):
        table = figures["table", book, 32, 4]
        assert table.lut / table.macs <= 9.6
    packed = figures["packed", "Fixed-4", 32, 2]
    assert packed.lut / packed.macs <= 0.8
    assert packed.dsp / packed.macs == 0.25


def test_table_lanes_need_slicems_and_sixteen_cycles() -> None:
    """Four LUTs of a SLICEM per multiply-accumulate; a tile must last the reload."""
    table = _cost("table", "Fixed-4")
    assert table.slicem_lut == 40 * 32 * 4 * 4
    assert table.min_step == 16
    assert _cost("shift_add", "SP2-4").slicem_lut == 0
    assert _cost("shift_add", "SP2-4").min_step == 1


def test_packed_slots_take_a_quarter_of_a_dsp() -> None:
    """Two rows and two pixels per slot; an odd row takes a whole slot."""
    assert _cost("packed", "Fixed-4").resources.dsp == 40 * 32 * 4 / 4
    odd = lane_group_cost("packed", "Fixed-4", E2, rows=3, channels=32, pixels=2,
                          accumulator_bits=24)  # fmt: skip
    assert odd.resources.dsp == 2 * 32


def test_shared_parts_are_counted() -> None:
    """A decoder for every weight of a shift-add row; one sequencer for all tables."""
    decode = shared_figure("decode", "xcup", "SP2-4").lut
    lane = lane_cost("shift_add", "xcup", "SP2-4").at("lut", 32)
    assert _cost("shift_add", "SP2-4").resources.lut == round(40 * 4 * lane + 40 * 32 * decode)
    none = lane_group_cost("table", "SP2-4", E2, rows=0, channels=32, pixels=4,
                           accumulator_bits=24)  # fmt: skip
    assert none.resources.lut == 0


def test_measured_sizes_are_exact_and_others_on_the_line() -> None:
    """A figure where there is one; between and beyond, the line."""
    cost = lane_cost("packed", "xcup", "Fixed-4")
    figures = {f.key: f for f, _ in stored_figures("xcup")}
    assert cost.at("lut", 64) == figures["packed", "Fixed-4", 64, 2].lut
    assert cost.at("lut", 4) == cost.lut.at(4) != cost.lut.at(8)


def test_wider_accumulators_cost_a_lut_a_bit() -> None:
    """Per row and pixel."""
    wide = lane_group_cost("table", "SP2-4", E2, rows=40, channels=32, pixels=4,
                           accumulator_bits=28)  # fmt: skip
    assert wide.resources.lut - _cost("table", "SP2-4").resources.lut == 4 * 40 * 4


@pytest.mark.parametrize("family", FAMILIES)
def test_lines_state_their_error(family: str) -> None:
    """Fitted sizes lie within 2 % of the line for LUT lanes; so do the held-out 128 inputs."""
    figures = {f.key: f for f, _ in stored_figures(family)}
    for kind, book in fitted_lanes(family):
        cost = lane_cost(kind, family, book)
        held_out = [f for f in figures.values() if (f.kind, f.codebook) == (kind, book)]
        errors = {f.inputs: abs(cost.lut.at(f.inputs) - f.lut) / f.lut for f in held_out}
        assert cost.error == max(errors[8], errors[128])
        if kind != "packed":
            assert max(errors[n] for n in (16, 32, 64, 128)) < 0.02
            assert cost.error < 0.06


def test_boards_say_their_slicem_luts() -> None:
    """Every shipped board has a figure, less than its LUTs; one without it is refused."""
    table = _cost("table", "Fixed-4")
    for board in boards():
        assert 0 < board.slicem_lut < board.lut
        assert "unverified" in board.source("slicem_lut")
    assert table.fits_slicem(load_board("zcu102"))
    assert not table.fits_slicem(load_board("pynq-z2"))
    unknown = replace(load_board("zcu102"), slicem_lut=0)
    assert _cost("shift_add", "SP2-4").fits_slicem(unknown)
    with pytest.raises(ConfigError, match="LUTs in SLICEMs is not known"):
        table.fits_slicem(unknown)


def test_unknown_lanes_are_refused() -> None:
    """A kind that is none, and a codebook that was not measured for it."""
    with pytest.raises(ConfigError, match="unknown kind of lane"):
        _cost("magic", "SP2-4")
    with pytest.raises(ConfigError, match="no measured figure of packed lanes"):
        _cost("packed", "SP2-4")
