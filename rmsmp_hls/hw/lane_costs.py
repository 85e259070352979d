"""What a group of row lanes of one kind costs, tables in LUT memory among them.

For whoever chooses between kinds of lanes. A table lane takes rows of any 4-bit codebook, fixed
ones too; it needs LUTs of SLICEMs, which a device has only so many of, and it reloads its tables
in 16 cycles, so a weight tile must be used that long (`min_step`). Figures: measured, through
`rmsmp_hls/hw/lane_figures.py`; decoders and the sequencer that lanes share are included, weight and
activation registers are not.
"""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.array import DspFamily
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cost import Resources
from rmsmp_hls.hw.lane_figures import lane_cost, rtl_family, shared_figure

RELOAD_CYCLES = 16
"""Cycles of a table reload: the 16 entries of four inputs."""

SLICEM_SHARE = 0.85
"""Part of a device's SLICEM LUTs that tables may take; the rest is for memories and shift
registers. Source: our choice."""

KINDS = ("shift_add", "table", "packed")


@dataclass(frozen=True, slots=True)
class LaneGroupCost:
    """Lanes of one kind in an array.

    Attributes:
        resources: LUTs (those of SLICEMs included), flip-flops, DSPs.
        slicem_lut: LUTs that must lie in SLICEMs.
        min_step: fewest cycles that a weight tile must be used.
        error: largest relative error of the LUT figure at sizes that were not measured: that of the
            line at those that it was not fitted to.
    """

    resources: Resources
    slicem_lut: int
    min_step: int
    error: float

    def fits_slicem(self, board: Board, share: float = SLICEM_SHARE) -> bool:
        """Return whether the board's SLICEMs hold the tables.

        Raises:
            ConfigError: tables are needed and the board does not say how many it has.
        """
        if not self.slicem_lut:
            return True
        if not board.slicem_lut:
            raise ConfigError(
                "the number of LUTs in SLICEMs is not known, and tables need it",
                where=f"board {board.name}",
                fix="add `slicem_lut: ...` to the board file",
            )
        return self.slicem_lut <= share * board.slicem_lut


def lane_group_cost(
    kind: str,
    codebook: str,
    dsp: DspFamily,
    *,
    rows: int,
    channels: int,
    pixels: int,
    accumulator_bits: int,
) -> LaneGroupCost:
    """Return the cost of `rows` rows of 4-bit weights on lanes of one kind.

    Args:
        kind: one of `KINDS`.
        codebook: of the weights; Fixed-4 for packed slots.
        dsp: the DSP family, which tells the fabric.
        rows: row lanes; packed slots take two each, an odd row takes a whole slot.
        channels: inputs per cycle.
        pixels: output pixels per cycle.
        accumulator_bits: width of a partial sum.

    Raises:
        ConfigError: the kind is unknown, or was not measured for that codebook.
    """
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of lane {kind!r}", fix=f"known: {', '.join(KINDS)}")
    family = rtl_family(dsp)
    cost = lane_cost(kind, family, codebook)
    # The figures are of a lane of cost.rows x cost.pixels; its loaders serve all its pixels.
    lanes = -(-rows // cost.rows) * pixels / cost.pixels
    added = (accumulator_bits - cost.accumulator_bits) * cost.accumulators
    lut = lanes * (cost.at("lut", channels) + added)
    ff = lanes * (cost.at("ff", channels) + added)
    if kind == "shift_add":
        decode = shared_figure("decode", family, codebook)
        lut += rows * channels * decode.lut
    elif kind == "table" and rows:
        sequencer = shared_figure("sequencer", family)
        lut, ff = lut + sequencer.lut, ff + sequencer.ff
    return LaneGroupCost(
        resources=Resources(
            lut=round(lut), ff=round(ff), dsp=round(lanes * cost.dsp * channels), bram36=0
        ),
        slicem_lut=round(lanes * cost.at("lutram", channels)),
        min_step=RELOAD_CYCLES if kind == "table" else 1,
        error=cost.error,
    )
