"""The shape of the array: the parameters that make one bitstream.

Everything the generated `config.hpp` says, the packer obeys and the cost model prices
stands here, once. Meaning of every field: docs/hardware.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.numerics.multipliers import MOST_TERMS

LUTRAM_DEPTH = 64
"""Memories up to this depth lie in LUT RAM: RAM64M / RAM32M shapes, UG474 / UG574."""

PARAM_BYTES = 16
"""Bytes of a row lane's parameters: a word of the parameter port."""

WEIGHT_PORTS = (1, 2, 4)
"""Numbers of weight ports that an array may have."""

MOST_BEAT_BITS = 1024
"""Bits of the widest beat: the widest number of the vendor's integer types."""


class DspFamily(Enum):
    """The DSP slice: (field width, products per cascade, offset) of the 2 x 2 packing."""

    DSP48E1 = (10, 8, 480)
    DSP48E2 = (11, 16, 960)

    @property
    def field_bits(self) -> int:
        """Distance of the packed fields, bits."""
        return self.value[0]

    @property
    def cascade(self) -> int:
        """Most products that one cascade may sum."""
        return self.value[1]

    @property
    def offset(self) -> int:
        """Constant that keeps the lower fields non-negative."""
        return self.value[2]


def _divides(part: int, whole: int) -> bool:
    return part >= 1 and whole % part == 0


@dataclass(frozen=True, slots=True)
class ArrayShape:
    """One array. Row lanes are typed by position: shift-add, then fixed-4, then fixed-8.

    Attributes:
        shift_add_lanes, fixed4_lanes, fixed8_lanes: row slots of each kind; TM is their sum.
        channels: TN, input channels per cycle = codes in an activation word.
        pixels: TP, output pixels per cycle; even (the DSP packing takes pairs).
        banks: activation banks along x; a power of two, >= pixels.
        drain_rows: rows that leave the array per cycle (each for all `pixels`); divides TM.
        vector_lanes: channels per cycle of the pooling / adding unit; divides `channels`.
        tile_groups: pixel groups whose partial sums are held on chip.
        activation_depth: words of each activation bank.
        weight_word_bits: width of a weight port, and of the spill port: 32, 64, 128, 256 or 512.
        acc_bits: width of a partial sum, <= 32.
        shift_add_codebook: name of the codebook of the shift-add lanes.
        dsp: the DSP family of the part.
        min_step: fewest cycles between two visits of one partial sum.
        multiplier_terms: 0: requantization multiplies by any 18-bit number, in DSPs; 1 .. 3: it
            adds so many shifted copies, in LUTs, and refuses multipliers with more terms.
        window_taps: 4: a row of a depthwise layer takes up to four neighbouring columns of its
            channel in one cycle, over as many activation buses; 1: one column, one bus.
        weight_ports: ports that deliver weights side by side, 1, 2 or 4: a word of each per cycle,
            together a beat.
    """

    shift_add_lanes: int
    fixed4_lanes: int
    fixed8_lanes: int
    channels: int
    pixels: int
    banks: int
    drain_rows: int
    vector_lanes: int
    tile_groups: int
    activation_depth: int
    weight_word_bits: int
    acc_bits: int
    shift_add_codebook: str
    dsp: DspFamily
    min_step: int = 16
    multiplier_terms: int = 0
    window_taps: int = 1
    weight_ports: int = 1

    def __post_init__(self) -> None:
        """Refuse shapes that the hardware cannot have."""
        rules = (
            (
                min(self.shift_add_lanes, self.fixed4_lanes, self.fixed8_lanes) >= 0,
                "row lanes must not be negative",
            ),
            (self.fixed4_lanes % 2 == 0, "fixed4_lanes must be even: a DSP takes two rows"),
            (self.rows >= 1, "the array has no row lane"),
            (self.channels in (4, 8, 16, 32, 64, 128), "channels must be 4, 8, 16, 32, 64 or 128"),
            (self.pixels >= 2 and self.pixels % 2 == 0, "pixels must be even and at least 2"),
            (self.banks & (self.banks - 1) == 0, "banks must be a power of two"),
            (self.banks >= self.pixels, "banks must be at least pixels"),
            (_divides(self.drain_rows, self.rows), "drain_rows must divide the row lanes"),
            (self.drain_rows <= self.channels, "drain_rows must not pass channels"),
            (_divides(self.vector_lanes, self.channels), "vector_lanes must divide channels"),
            (self.vector_lanes % 4 == 0, "vector_lanes must be a multiple of 4"),
            (self.weight_word_bits in (32, 64, 128, 256, 512), "weight_word_bits: 32 .. 512"),
            (8 <= self.acc_bits <= 32, "acc_bits must be 8 .. 32"),
            (self.tile_groups >= 1, "tile_groups must be positive"),
            (self.activation_depth >= 1, "activation_depth must be positive"),
            (self.min_step >= 8, "min_step must be at least 8"),
            (0 <= self.multiplier_terms <= MOST_TERMS, "multiplier_terms must be 0 .. 3"),
            (self.window_taps in (1, 4), "window_taps must be 1 or 4"),
            (self.weight_ports in WEIGHT_PORTS, "weight_ports must be 1, 2 or 4"),
            (
                self.weight_beat_bits <= MOST_BEAT_BITS,
                f"weight_ports * weight_word_bits must be at most {MOST_BEAT_BITS}",
            ),
        )
        broken = [ConfigError(text, where="array shape") for holds, text in rules if not holds]
        if broken:
            raise ConfigError.gather(broken)

    @property
    def rows(self) -> int:
        """TM, row lanes of all kinds."""
        return self.shift_add_lanes + self.fixed4_lanes + self.fixed8_lanes

    @property
    def nibble_rows(self) -> int:
        """Rows of 4-bit weights in a weight tile: a fixed-8 lane takes two."""
        return self.shift_add_lanes + self.fixed4_lanes + 2 * self.fixed8_lanes

    @property
    def weight_beat_bits(self) -> int:
        """Bits that all weight ports deliver in one cycle: a beat."""
        return self.weight_ports * self.weight_word_bits

    @property
    def weight_beats(self) -> int:
        """WPT, beats per weight tile."""
        bits = self.nibble_rows * self.channels * 4
        return -(-bits // self.weight_beat_bits)

    @property
    def activations_in_lutram(self) -> bool:
        """Whether the activation banks are shallow enough for LUT RAM."""
        return self.activation_depth <= LUTRAM_DEPTH

    @property
    def partial_sums_in_lutram(self) -> bool:
        """Whether the partial sums are shallow enough for LUT RAM."""
        return self.tile_groups <= LUTRAM_DEPTH

    @property
    def macs_per_cycle(self) -> int:
        """TM x TN x TP."""
        return self.rows * self.channels * self.pixels
