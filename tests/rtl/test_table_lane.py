"""Table lanes equal sums of weight times activation over reloads and bank swaps."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rmsmp_hls.hw.lane_costs import RELOAD_CYCLES
from rmsmp_hls.rtl.lanes import (
    LaneKind,
    LaneSpec,
    RtlFamily,
    code_weights,
    generate_lane,
    table_bits,
    table_fits,
)
from rmsmp_hls.toolchain.yosys import synthesize
from tests.rtl.simulate import join, run_cycles, signed, yosys_or_skip

TILES = 8


def _with_sequencer(spec: LaneSpec, bits: int) -> str:
    """A top that joins a lane and the sequencer of the loaders."""
    return f"""module top(
  input wire ap_clk, input wire ap_rst, input wire ap_ce, input wire start, input wire swap,
  input wire [{4 * spec.inputs - 1}:0] codes, input wire first,
  input wire [{4 * spec.inputs * spec.pixels - 1}:0] activations,
  output wire [{bits * spec.pixels - 1}:0] sum);
  wire bank, subtract, clear, write; wire [1:0] select; wire [4:0] write_address;
  rmsmp_table_sequencer sequencer (.ap_clk(ap_clk), .ap_rst(ap_rst), .ap_ce(ap_ce), .start(start),
    .swap(swap), .bank(bank), .select(select), .subtract(subtract), .clear(clear), .write(write),
    .write_address(write_address), .busy());
  {spec.name} lane (.ap_clk(ap_clk), .ap_ce(ap_ce), .codes(codes), .select(select),
    .subtract(subtract), .clear(clear), .write(write), .write_address(write_address),
    .bank(bank), .activations(activations), .first(first), .sum(sum));
endmodule
"""


def _tile(spec: LaneSpec, number: int, rng: random.Random) -> list[int]:
    """Codes of a tile: all of one code first, then random; groups that no table holds are cut."""
    weights = code_weights(spec.codebook)
    codes = [rng.randrange(16) for _ in range(spec.inputs)]
    if number < 4:
        extreme = (max, min)[number % 2](range(16), key=lambda code: weights[code])
        codes = [extreme] * spec.inputs
    for g in range(0, spec.inputs, 4):
        if not table_fits(spec.codebook, tuple(weights[c] for c in codes[g : g + 4])):
            codes[g] = 0
    return codes


def _check(spec: LaneSpec, folder: Path, *, netlist: bool) -> None:
    """Tile after tile: 17 cycles or more of activations while the next tile's codes load."""
    yosys = yosys_or_skip()
    lane = generate_lane(spec)
    weights = code_weights(spec.codebook)
    rng = random.Random(spec.name)
    cycles: list[dict[str, int]] = [{"ap_rst": 1, "ap_ce": 1}] * 2
    wanted: dict[int, list[int]] = {}
    tiles = [_tile(spec, number, rng) for number in range(TILES)]
    totals = [0] * spec.pixels
    enabled = 0
    for number in range(TILES + 1):
        steps = 0
        while steps < RELOAD_CYCLES + 1 + number % 3:
            active, coming = tiles[number - 1], tiles[min(number, TILES - 1)]
            values = [
                [rng.randrange(-8, 8) for _ in range(spec.inputs)] for _ in range(spec.pixels)
            ]
            if steps < 2:
                values = [[(-8, 7)[steps]] * spec.inputs] * spec.pixels
            first, ready = steps % 4 == 0, rng.random() < 0.8
            cycles.append(
                {
                    "ap_ce": ready, "start": steps == 0, "swap": steps == 0 and number > 0,
                    "codes": join(coming, 4), "first": first,
                    "activations": join([a for pixel in values for a in pixel], 4),
                }
            )  # fmt: skip
            if not ready:
                continue
            for p in range(spec.pixels):
                dot = sum(weights[c] * a for c, a in zip(active, values[p], strict=True))
                totals[p] = dot + (0 if first else totals[p])
            if number:
                wanted[enabled] = list(totals)
            enabled += 1
            steps += 1
    files = {**lane.files, "top.sv": _with_sequencer(spec, lane.bits)}
    if netlist:
        _, path = synthesize(yosys, files, "top", spec.family.value, folder / "yosys")
        files = {"netlist.v": path.read_text()}
    inputs = {
        "ap_rst": 1, "ap_ce": 1, "start": 1, "swap": 1, "codes": 4 * spec.inputs, "first": 1,
        "activations": 4 * spec.inputs * spec.pixels,
    }  # fmt: skip
    out = {"sum": lane.bits * spec.pixels}
    seen = run_cycles(folder / "sim", yosys, files, "top", inputs, out, cycles)
    rows = [row["sum"] for row, c in zip(seen[2:], cycles[2:], strict=True) if c["ap_ce"]]
    checked = 0
    for at, expected in wanted.items():
        if at + lane.latency < len(rows):
            row = rows[at + lane.latency]
            assert [signed(row, lane.bits, p) for p in range(spec.pixels)] == expected, at
            checked += 1
    assert checked > TILES * RELOAD_CYCLES / 2


@pytest.mark.parametrize("family", RtlFamily)
@pytest.mark.parametrize("name", ["Fixed-4", "SP2-4", "PoT-4", "APoT-4"])
def test_rtl(name: str, family: RtlFamily, tmp_path: Path) -> None:
    """Every codebook and fabric, two pixels, eight inputs, stalls at random."""
    _check(LaneSpec(LaneKind.TABLE, family, 8, name, 2), tmp_path, netlist=False)


def test_wider_trees(tmp_path: Path) -> None:
    """Thirty-two inputs, four pixels: the lane that is measured."""
    _check(LaneSpec(LaneKind.TABLE, RtlFamily.XCUP, 32, "Fixed-4", 4), tmp_path, netlist=False)


@pytest.mark.slow
@pytest.mark.parametrize("family", RtlFamily)
@pytest.mark.parametrize("name", ["Fixed-4", "SP2-4", "PoT-4"])
def test_netlist(name: str, family: RtlFamily, tmp_path: Path) -> None:
    """What yosys makes of lane and sequencer computes the same."""
    _check(LaneSpec(LaneKind.TABLE, family, 16, name, 2), tmp_path, netlist=True)


def test_a_table_holds_all_groups_but_one() -> None:
    """Six bits hold every group of Fixed-4, and of SP2-4 all but four times +8."""
    assert table_bits("Fixed-4") == table_bits("SP2-4") == 6
    assert table_fits("Fixed-4", (-8, -8, -8, -8)) and table_fits("Fixed-4", (7, 7, 7, 7))
    assert table_fits("SP2-4", (-8, -8, -8, -8)) and table_fits("SP2-4", (8, 8, 8, 6))
    assert not table_fits("SP2-4", (8, 8, 8, 8))
