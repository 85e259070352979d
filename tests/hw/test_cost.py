"""The resource model: DSPs exactly, memories by their primitives, and what does not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rmsmp_hls.errors import ConfigError, ResourceError
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.hw.board import load_board
from rmsmp_hls.hw.cost import Resources, Shares, array_cost, check_fits, fixed_dsp, unit_costs
from rmsmp_hls.hw.lane_figures import stored_figures
from rmsmp_hls.hw.rams import lutram, ramb18

ARRAY = ArrayShape(
    shift_add_lanes=40, fixed4_lanes=20, fixed8_lanes=4, channels=32, pixels=4, banks=8,
    drain_rows=4, vector_lanes=8, tile_groups=128, activation_depth=4096, weight_word_bits=128,
    acc_bits=24, shift_add_codebook="SP2-4", dsp=DspFamily.DSP48E2,
)  # fmt: skip


def test_dsps_are_counted_exactly() -> None:
    """(fixed4 / 2 + fixed8) * TN * TP / 2 + TQ * TP + TE, 2 TP + 10 address products, and the
    products that give the loops' lengths: 25."""
    assert fixed_dsp(ARRAY) == (20 // 2 + 4) * 32 * 4 // 2
    others = 8 + 2 * 4 + 10 + 25
    assert array_cost(ARRAY).dsp == 14 * 32 * 2 + 4 * 4 + others
    assert array_cost(replace(ARRAY, acc_bits=28)).dsp == 14 * 32 * 2 + 2 * 4 * 4 + others


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_shifts_and_adds_take_no_dsp(terms: int) -> None:
    """Per term and drain lane 2 (acc_bits + 17) LUTs of shifts and 49 of the sum; per term and
    vector lane 2 * 35, and 36 for all but the last; the DSPs of both are gone."""
    shape = replace(ARRAY, multiplier_terms=terms)
    for name, lanes, each in (
        ("drain lanes", 4 * 4, terms * (2 * (24 + 17) + 49)),
        ("vector unit", 8, terms * 2 * 35 + (terms - 1) * 36),
    ):
        with_dsp, without = _unit(ARRAY, name), _unit(shape, name)
        assert without.lut - with_dsp.lut == lanes * each
        assert with_dsp.dsp - without.dsp == lanes
        assert without.ff > with_dsp.ff
    assert array_cost(ARRAY).dsp - array_cost(shape).dsp == 4 * 4 + 8


def test_shift_add_lanes_cost_what_was_measured() -> None:
    """The measured lane, once per row and pixel, within 1 % at 32 inputs; a decoder per weight."""
    for book in ("SP2-4", "PoT-4", "APoT-4"):
        figures = {f.key: f for f, _ in stored_figures("xcup")}
        lane, decode = figures["shift_add", book, 32, 1], figures["decode", book, 1, 1]
        first = unit_costs(replace(ARRAY, shift_add_codebook=book))[0]
        assert first.unit == "shift-add lanes"
        decoders = 40 * 32 * decode.lut
        assert first.resources.lut - decoders == pytest.approx(40 * 4 * lane.lut, rel=0.01)
        assert first.resources.dsp == 0


@pytest.mark.parametrize(
    ("dsp", "channels", "per_mac"),
    [(DspFamily.DSP48E2, 32, 0.75), (DspFamily.DSP48E2, 16, 1.5), (DspFamily.DSP48E1, 16, 1.5)],
)
def test_fixed_lanes_cost_the_studys_adders(dsp: DspFamily, channels: int, per_mac: float) -> None:
    """24 LUTs per two cascades and pixel: 0.75 LUT per MAC at 32 inputs on DSP48E2."""
    array = replace(ARRAY, dsp=dsp, channels=channels, fixed8_lanes=0)
    lanes = unit_costs(array)[1].resources
    assert lanes.lut == per_mac * 20 * channels * 4


def test_memories_take_the_primitives_shapes() -> None:
    """4096 x 4 in one RAMB18, 512 x 72 in two, 32 x 6 bits in four LUTs."""
    assert ramb18(4, 4096) == 1
    assert ramb18(4, 4097) == 2
    assert ramb18(72, 512) == 2
    assert lutram(6, 32) == 4
    assert lutram(3, 64) == 4
    assert ramb18(4, 1) == 1
    units = {unit.unit: unit.resources for unit in unit_costs(ARRAY)}
    assert units["activation memory"].bram36 == 8 * 32 / 2
    assert units["partial sums"].bram36 == -(-64 * 4 * 24 // 36)


def _unit(array: ArrayShape, name: str) -> Resources:
    return {unit.unit: unit.resources for unit in unit_costs(array)}[name]


def test_a_vector_lane_has_a_product_and_a_table() -> None:
    """Twice the lanes: 8 more DSPs, 95 LUTs for 9 x 9 bits each, 16 x 128 bits in LUT RAM and the
    choice of a byte of 16; what the choice of nibbles takes stays."""
    few, many = (_unit(replace(ARRAY, vector_lanes=n), "vector unit") for n in (8, 16))
    assert many.dsp - few.dsp == 8
    assert many.lut - few.lut == 8 * (110 + 95 + 86 + 32)
    assert few.lut == 8 * 323 + 8 * 32
    assert many.ff - few.ff == 8 * (150 + 36 + 128)


def test_the_folded_load_writes_every_bank_by_itself() -> None:
    """Two LUTs and a flip-flop for each of NB * TN positions; a walk and a rotation of 16 codes for
    each bank; STORE chooses."""
    small = replace(ARRAY, banks=4)
    more, less = (_unit(array, "load and store") for array in (ARRAY, small))
    assert more.lut - less.lut == 4 * 32 * (2 + 1) + 4 * (100 + 2 * 16 * 4)
    assert more.ff - less.ff == 4 * 32 + 4 * (50 + 16 * 4)


def test_spill_takes_two_rows_of_an_address_and_an_adapter_both_ways() -> None:
    """8 banks x 32 nibbles are 8 words of 128 bits: 1024 bits twice; two more 128-bit ports."""
    registers = _unit(ARRAY, "spill registers")
    assert (registers.lut, registers.ff) == (1024 + 200, 2 * 1024 + 200)
    assert _unit(replace(ARRAY, banks=4, channels=16), "spill registers").ff == 2 * 256 + 200
    ports = _unit(ARRAY, "memory ports")
    adapters = (3 * 4 + 2 * 1 + 2 * 4, ramb18(128, 512) / 2)  # 128 bits: weights, params, input
    assert ports.bram36 == sum(adapters)


def test_every_weight_port_has_an_adapter() -> None:
    """Three more ports of 128 bits: 877 LUTs, 720 flip-flops, 4 block RAMs each, and a FIFO of 512
    beats four times as wide; fewer enables of shadow registers."""
    more, less = (_unit(replace(ARRAY, weight_ports=n), "memory ports") for n in (4, 1))
    assert more.lut - less.lut == 3 * 877
    assert more.ff - less.ff == 3 * 720
    assert more.bram36 - less.bram36 == 3 * 4 + (ramb18(512, 512) - ramb18(128, 512)) / 2
    assert _unit(replace(ARRAY, weight_ports=4), "weight registers").lut == 68 * 32 * 4 / 512


def test_writers_share_the_ports_of_all_memories() -> None:
    """A deeper memory costs two LUTs per address bit and memory: the drain's sum and a choice."""
    deep = replace(ARRAY, activation_depth=8192)
    more, less = (_unit(array, "write network") for array in (deep, ARRAY))
    assert more.lut - less.lut == 8 * 32 * 2
    assert more.ff - less.ff == 8 * 32


def test_units_add_up() -> None:
    """The array costs what its units cost."""
    total = Resources(0, 0, 0, 0)
    for unit in unit_costs(ARRAY):
        total += unit.resources
    assert total == array_cost(ARRAY)
    assert all(unit.resources.lut >= 0 for unit in unit_costs(ARRAY))


def test_what_does_not_fit_is_named_with_figures() -> None:
    """Every exceeded resource, used and available."""
    assert check_fits(ARRAY, load_board("zcu102")).fits(load_board("zcu102"))
    with pytest.raises(ResourceError) as caught:
        check_fits(ARRAY, load_board("pynq-z2"))
    message = str(caught.value)
    assert "LUT: " in message and "37240 available (70% of the board's 53200)" in message
    assert "DSP: 963 modelled, 198 available" in message
    assert "BRAM36: " in message


def test_shares_bound_what_may_be_used() -> None:
    """A smaller share refuses what a larger one takes; nonsense is refused."""
    board, cost = load_board("zcu102"), array_cost(ARRAY)
    assert cost.fits(board)
    assert not cost.fits(board, Shares(lut=0.1))
    with pytest.raises(ConfigError, match="shares of lut, dsp"):
        Shares(lut=0, dsp=1.5)


def test_a_codebook_without_a_figure_is_refused() -> None:
    """No silent guess."""
    with pytest.raises(ConfigError, match="no measured figure"):
        array_cost(replace(ARRAY, shift_add_codebook="Other"))
