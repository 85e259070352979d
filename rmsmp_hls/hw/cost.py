"""What an array costs: a model, stated formula by formula; every figure is *modelled*.

The figures of the shift-add lanes are *measured*: counts of an open synthesis tool for the lanes
in SystemVerilog (docs/lanes.md; simulated bit by bit, not placed, routed or timed; lanes that HLS
makes of the C++ may take more). Interface figures come from HLS synthesis reports. No figure has
yet been calibrated on a synthesis of the whole array.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from rmsmp_hls.errors import ConfigError, ResourceError
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cycles import BEAT_WORDS, FOLD_CODES, TABLE_WORDS, address_words, ceil_div
from rmsmp_hls.hw.lane_figures import lane_cost, rtl_family, shared_figure
from rmsmp_hls.hw.rams import lutram, ramb18


@dataclass(frozen=True, slots=True)
class Resources:
    """Modelled use of the four resources; bram36 counts a RAMB18 as half."""

    lut: int
    ff: int
    dsp: int
    bram36: float

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            lut=self.lut + other.lut,
            ff=self.ff + other.ff,
            dsp=self.dsp + other.dsp,
            bram36=self.bram36 + other.bram36,
        )

    def fits(self, board: Board, shares: Shares | None = None) -> bool:
        """Return whether this stays within the shares of the board; `check_fits` says why not."""
        return not excess(self, board, shares or Shares())


@dataclass(frozen=True, slots=True)
class Shares:
    """The part of each resource that the array may take, 0..1; the rest is for routing,
    interconnect and the model's error."""

    lut: float = 0.70
    ff: float = 0.70
    dsp: float = 0.90
    bram36: float = 0.85

    def __post_init__(self) -> None:
        """Refuse shares outside 0..1."""
        wrong = [f.name for f in fields(self) if not 0 < getattr(self, f.name) <= 1]
        if wrong:
            raise ConfigError(
                f"shares of {', '.join(wrong)} must be above 0 and at most 1", where="shares"
            )


@dataclass(frozen=True, slots=True)
class UnitCost:
    """One unit of the array and its modelled cost."""

    unit: str
    resources: Resources


def _shift_add_lanes(a: ArrayShape) -> Resources:
    """The codebook's lane in SystemVerilog, *measured* at `channels` inputs (4: on a line through
    16, 32 and 64, whose error `rmsmp-hls lanes` states), for every lane and pixel, its
    accumulator at `acc_bits`; the decoder of every weight once for all pixels."""
    family = rtl_family(a.dsp)
    cost = lane_cost("shift_add", family, a.shift_add_codebook)
    decode = shared_figure("decode", family, a.shift_add_codebook)
    lanes = a.shift_add_lanes * a.pixels
    added = a.acc_bits - cost.accumulator_bits
    lut = lanes * (cost.at("lut", a.channels) + added)
    lut += a.shift_add_lanes * a.channels * decode.lut
    ff = lanes * (cost.at("ff", a.channels) + added)
    return Resources(lut=round(lut), ff=round(ff), dsp=0, bram36=0)


def fixed_dsp(a: ArrayShape) -> int:
    """DSPs of the fixed lanes: (fixed4 / 2 + fixed8) * TN * TP / 2, exact."""
    return (a.fixed4_lanes // 2 + a.fixed8_lanes) * a.channels * (a.pixels // 2)


def _fixed_lanes(a: ArrayShape) -> Resources:
    """DSPs as `fixed_dsp`; per nibble row and pixel one `acc_bits` ternary adder for every two
    cascades (study: 24 LUT per 2 n products), and as many flip-flops."""
    rows = a.fixed4_lanes + 2 * a.fixed8_lanes
    adders = rows * a.pixels * ceil_div(a.channels, 2 * a.dsp.cascade) * a.acc_bits
    return Resources(lut=adders, ff=adders, dsp=fixed_dsp(a), bram36=0)


def _weight_registers(a: ArrayShape) -> Resources:
    """Two copies (active, shadow) of NR * TN nibbles; the shadow's enables in a few LUTs."""
    return Resources(lut=a.weight_beats, ff=2 * 4 * a.nibble_rows * a.channels, dsp=0, bram36=0)


def _partial_sums(a: ArrayShape) -> Resources:
    """Two halves, each `tile_groups` deep and TM * TP * acc_bits wide, one read and one write
    port each, in LUT RAM if shallow, else in block RAM; four such words in registers (two
    read, one to write, one to drain); the drained word shifts by TQ rows per cycle: a LUT per
    bit."""
    bits = a.rows * a.pixels * a.acc_bits
    if a.partial_sums_in_lutram:
        return Resources(lut=bits + 2 * lutram(bits, a.tile_groups), ff=4 * bits, dsp=0, bram36=0)
    return Resources(lut=bits, ff=4 * bits, dsp=0, bram36=ramb18(bits, a.tile_groups))


def _activation_memory(a: ArrayShape) -> Resources:
    """NB * TN memories of 4-bit words, `activation_depth` deep, in LUT RAM if shallow, else in
    block RAM (RAMB18 as 4096 x 4)."""
    count = a.banks * a.channels
    if a.activations_in_lutram:
        return Resources(lut=count * lutram(4, a.activation_depth), ff=0, dsp=0, bram36=0)
    return Resources(lut=0, ff=0, dsp=0, bram36=count * ramb18(4, a.activation_depth) / 2)


def _address_dsps(a: ArrayShape, products: int) -> int:
    """DSPs of `products` products y * line_stride or x * pixel_stride: one each, two where an
    address is wider than the multiplier's short side (18 bits, sign included)."""
    return products * (1 if a.activation_depth <= 1 << 17 else 2)


def _read_network(a: ArrayShape) -> Resources:
    """TN * TP nibbles, each one of NB banks (4 inputs per LUT), registered three times on
    the way to the lanes; NB read addresses of about 16 bits, routed in 3 LUTs a bit; address
    products: one per line, one per pixel."""
    lut = 4 * a.channels * a.pixels * ceil_div(a.banks, 4) + 48 * a.banks
    ff = 3 * 4 * a.channels * a.pixels + 32 * a.banks
    return Resources(lut=lut, ff=ff, dsp=_address_dsps(a, 1 + a.pixels), bram36=0)


def shifted_terms(operand_bits: int, sum_bits: int, terms: int) -> tuple[int, int]:
    """Return (LUTs, flip-flops) of `terms` shifted copies of an operand, each added to a sum.

    A copy has operand_bits + 17 bits: shifts by 0 .. 3, then by 0, 4, 8, 12 take a LUT a bit each
    (four inputs, two of select); the shift by 16 and the sign are in the adder's LUT, one per bit
    of the sum. Copies and sums are registered. Modelled, not synthesized.
    """
    return terms * (2 * (operand_bits + 17) + sum_bits), terms * (operand_bits + 17 + sum_bits)


def _window_buses(a: ArrayShape) -> Resources:
    """Of arrays with windows: NB * TN nibbles rotated, each one of NB banks (4 inputs per LUT), a
    nibble of every bus, pixel and position of three (dense, stride 1, stride 2: a LUT per bit)
    and its registers, of which the read network has those of one bus; the activations of the
    other buses packed for the DSPs, five LUTs for each pair of pixels and position."""
    if a.window_taps == 1:
        return Resources(lut=0, ff=0, dsp=0, bram36=0)
    rotate = 4 * a.channels * a.banks * ceil_div(a.banks, 4)
    nibbles = a.window_taps * a.channels * a.pixels
    more = (a.window_taps - 1) * a.channels * a.pixels
    return Resources(
        lut=rotate + 4 * nibbles + 5 * more // 2,
        ff=4 * a.channels * a.banks + 3 * 4 * more,
        dsp=0,
        bram36=0,
    )


def _drain_lanes(a: ArrayShape) -> Resources:
    """TQ * TP requantization lanes: 150 LUTs for correction, 48-bit shift and clamp (estimate).
    Multiplier and bias: a DSP each, two where a sum plus correction is wider than the
    multiplier's long side (27 or 25 bits); or `shifted_terms` added to the bias."""
    lanes = a.drain_rows * a.pixels
    if a.multiplier_terms:
        lut, ff = shifted_terms(a.acc_bits, 49, a.multiplier_terms)
        return Resources(lut=(150 + lut) * lanes, ff=(200 + ff) * lanes, dsp=0, bram36=0)
    limit = 27 if a.dsp is DspFamily.DSP48E2 else 25
    each = 1 if a.acc_bits <= limit else 2
    return Resources(lut=150 * lanes, ff=200 * lanes, dsp=each * lanes, bram36=0)


def _write_network(a: ArrayShape) -> Resources:
    """The drain: pixels to banks, then rows to positions: NB * TQ nibbles of TP inputs and NB * TN
    of TQ inputs (4 inputs per LUT), and an enable and 16 address bits per position; address
    products: one per line, one per pixel. Every memory: the sum of its bank's and its position's
    address, and its one write port, which drain, vector unit, LOAD, folded LOAD and RESTORE
    share: a LUT per address bit, two per data bit and two for the enable (five inputs each)."""
    memories = a.banks * a.channels
    to_bank = 4 * a.banks * a.drain_rows * ceil_div(a.pixels, 4)
    to_position = 4 * memories * ceil_div(a.drain_rows, 4)
    addresses = a.channels * (2 * a.drain_rows + 16)
    bits = (a.activation_depth - 1).bit_length()
    return Resources(
        lut=to_bank + to_position + addresses + memories * (2 * bits + 2 * 4 + 2),
        ff=memories * (4 + bits + 1) + 20 * a.channels,
        dsp=_address_dsps(a, 1 + a.pixels),
        bram36=0,
    )


def _row_parameters(a: ArrayShape) -> Resources:
    """128 bits for every row lane, two halves, TQ read at once, in LUT RAM."""
    lut = a.drain_rows * lutram(128, 2 * (a.rows // a.drain_rows))
    return Resources(lut=lut, ff=128 * a.drain_rows, dsp=0, bram36=0)


def _vector_unit(a: ArrayShape) -> Resources:
    """TE lanes: a DSP each, for code (or product of two codes, 18 bits) by multiplier, or
    `shifted_terms`, the last of which the sum takes; 110 LUTs for maximum, sum, shift and clamp
    (estimate); 95 for the 9 x 9 product of two codes (five carry
    chains of two rows each, four adders); a table of 16 x 128 bits in LUT RAM and an entry's 8
    bits of 16 inputs (4 inputs per LUT). A nibble of every lane is one of NB * TN / TE; four
    address products."""
    n = a.vector_lanes
    table = lutram(128, TABLE_WORDS) + 8 * 4
    lut, ff = shifted_terms(18, 36, a.multiplier_terms)
    if a.multiplier_terms:
        lut -= 36
    return Resources(
        lut=(110 + 95 + table + lut) * n + a.banks * a.channels,
        ff=(150 + 2 * 18 + 128 + ff) * n,
        dsp=(0 if a.multiplier_terms else n) + _address_dsps(a, 4),
        bram36=0,
    )


def _load_and_store(a: ArrayShape) -> Resources:
    """STORE: four nibbles, each one of NB * TN / 4. LOAD and folded LOAD: a beat of the input port
    that moves by one or two words, a LUT per bit. Folded LOAD: 16 codes of a step, each of two
    planes and, by the number of channels, of four codes (two LUTs per bit); in every bank a
    pixel's counters (x, slot, address: 50 bits, 100 LUTs with their comparisons) and the codes
    rotated in two stages of four inputs (a LUT per bit each); for every position two LUTs that
    compare the slot; codes and enables registered. Two address products each of LOAD and STORE."""
    memories, beat, step = a.banks * a.channels, 32 * BEAT_WORDS, 4 * FOLD_CODES
    return Resources(
        lut=memories + 2 * beat + 2 * step + (100 + 2 * step) * a.banks + 2 * memories,
        ff=2 * beat + step + (50 + step) * a.banks + memories,
        dsp=_address_dsps(a, 4),
        bram36=0,
    )


def _spill_registers(a: ArrayShape) -> Resources:
    """SAVE and RESTORE: each a register of the spill words of one address, which moves by a word
    per cycle; SAVE's takes the memory's nibbles instead: a LUT per bit. 100 LUTs and flip-flops
    each for the walk over runs (estimate)."""
    bits = address_words(a) * a.weight_word_bits
    return Resources(lut=bits + 200, ff=2 * bits + 200, dsp=0, bram36=0)


def _ports(a: ArrayShape) -> Resources:
    """Memory ports: weights (as many as `weight_ports`), parameters and input (128 bits), program
    and output (32 bits), and spill, which both reads and writes and counts as two.

    A reading or writing port of b bits: 640 + 1.85 b LUTs, 490 + 1.8 b flip-flops,
    2 ceil(b / 36) RAMB18: a line through 580-700 LUTs, 512-548 FFs, 2 RAMB18 at 32 bits and
    1585 LUTs, 1415 FFs, 30 RAMB18 at 512 bits, as HLS synthesis reports of other designs
    state for their m_axi adapters. The weight FIFO is 512 beats, the others are shallow."""
    total = Resources(lut=400, ff=500, dsp=0, bram36=0)  # s_axilite registers, about
    wide = (a.weight_word_bits,) * (a.weight_ports + 2)  # weights; spill both ways
    for bits in (*wide, 128, 128, 32, 32):
        total += Resources(
            lut=round(640 + 1.85 * bits),
            ff=round(490 + 1.8 * bits),
            dsp=0,
            bram36=ceil_div(bits, 36),
        )
    fifo = ramb18(a.weight_beat_bits, 512) / 2
    return total + Resources(lut=lutram(2 * 128 + 2 * 32, 32), ff=200, dsp=0, bram36=fifo)


LENGTH_DSPS = 8 + 7 + 2 * 3 + 2 + 2
"""DSPs of the products that give the loops' lengths before they start, none shared: a product of
two 32-bit numbers takes 3, one side of at most 18 bits 2, both 1. Matrix multiplication: blocks 3,
steps 3, drain 2; vector unit: window 1, image 1, blocks 2, taps 3; LOAD and STORE: image 1, chunks
2; folded LOAD: 2; SAVE and RESTORE: 1 each."""


def _control(a: ArrayShape) -> Resources:
    """Loop counters, descriptor registers (40 words), state machines: 4000 LUTs, 6000 FFs,
    an estimate that does not depend on the shape; the counters of the groups of channels (a row
    tile of 32 bits, three addresses of about 16): a LUT and a flip-flop per bit, and a LUT per two
    compared ones; the loops' lengths."""
    groups = 32 + 3 * 16
    return Resources(lut=4000 + groups + 24, ff=6000 + groups, dsp=LENGTH_DSPS, bram36=0)


_UNITS = (
    ("shift-add lanes", _shift_add_lanes),
    ("fixed lanes", _fixed_lanes),
    ("weight registers", _weight_registers),
    ("partial sums", _partial_sums),
    ("activation memory", _activation_memory),
    ("read network", _read_network),
    ("window buses", _window_buses),
    ("drain lanes", _drain_lanes),
    ("write network", _write_network),
    ("row parameters", _row_parameters),
    ("vector unit", _vector_unit),
    ("load and store", _load_and_store),
    ("spill registers", _spill_registers),
    ("memory ports", _ports),
    ("control", _control),
)


def unit_costs(array: ArrayShape) -> tuple[UnitCost, ...]:
    """Return the modelled cost of every unit of the array, in the order of the data's way."""
    return tuple(UnitCost(name, price(array)) for name, price in _UNITS)


def array_cost(array: ArrayShape) -> Resources:
    """Return the modelled cost of the whole array."""
    total = Resources(lut=0, ff=0, dsp=0, bram36=0)
    for _, price in _UNITS:
        total += price(array)
    return total


_UNITS_OF = {
    "drain_rows": (_drain_lanes, _write_network, _row_parameters),
    "tile_groups": (_partial_sums,),
    "vector_lanes": (_vector_unit,),
}
"""The units whose cost depends on a size, each on one of these only."""


def cost_change(array: ArrayShape, field: str, value: int) -> Resources:
    """Return what the cost changes by if `field` (drain_rows, tile_groups or vector_lanes) becomes
    `value`: the same whatever the other two and the depth of the activation memory are."""
    changed = replace(array, **{field: value})  # type: ignore[arg-type]
    lut, ff, dsp, bram36 = 0, 0, 0, 0.0
    for price in _UNITS_OF[field]:
        after, before = price(changed), price(array)
        lut, ff = lut + after.lut - before.lut, ff + after.ff - before.ff
        dsp, bram36 = dsp + after.dsp - before.dsp, bram36 + after.bram36 - before.bram36
    return Resources(lut, ff, dsp, bram36)


def excess(cost: Resources, board: Board, shares: Shares) -> tuple[str, ...]:
    """Return a sentence for every resource of which `cost` takes more than its share."""
    found = []
    for name, label in (("lut", "LUT"), ("ff", "FF"), ("dsp", "DSP"), ("bram36", "BRAM36")):
        used, there = getattr(cost, name), getattr(board, name)
        share = getattr(shares, name)
        if used > there * share:
            found.append(
                f"{label}: {used:g} modelled, {there * share:.0f} available "
                f"({share:.0%} of the board's {there:g})"
            )
    return tuple(found)


def check_fits(array: ArrayShape, board: Board, shares: Shares | None = None) -> Resources:
    """Return the modelled cost of `array` if it stays within the shares of the board.

    Raises:
        ResourceError: it does not; names every exceeded resource.
    """
    shares = shares or Shares()
    cost = array_cost(array)
    found = excess(cost, board, shares)
    if found:
        raise ResourceError.gather(
            [
                ResourceError(
                    text,
                    where=f"board {board.name}",
                    fix="choose a smaller array or a larger board, or raise the resource share",
                )
                for text in found
            ]
        )
    return cost
