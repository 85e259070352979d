"""Requantization: clamp((acc * multiplier + bias) >> shift) with all 49 bits of the sum."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from rmsmp_hls.rtl.lanes import RtlFamily, static_files
from rmsmp_hls.toolchain.yosys import synthesize
from tests.rtl.simulate import run_cycles, signed, yosys_or_skip

LATENCY = 6


def _check(family: RtlFamily, folder: Path, *, netlist: bool) -> None:
    yosys = yosys_or_skip()
    rng = random.Random(5)
    limits = [(-(1 << 23), (1 << 23) - 1), (-(1 << 17), (1 << 17) - 1), (-(1 << 47), (1 << 47) - 1)]
    cases = [
        (*values, shift, low, high)
        for values in itertools.product(*limits)
        for shift in (0, 20, 48, 63)
        for low, high in ((-(1 << 31), (1 << 31) - 1), (-128, 127))
    ]
    for _ in range(400):
        acc, multiplier, bias = (rng.randint(*limit) >> rng.randrange(20) for limit in limits)
        low, high = sorted(rng.randint(-300, 300) for _ in range(2))
        cases.append((acc, multiplier, bias, rng.randrange(64), low, high))
    wanted = [
        max(low, min(high, (acc * multiplier + bias) >> shift))
        for acc, multiplier, bias, shift, low, high in cases
    ]
    inputs = {
        "acc": 24, "multiplier": 18, "bias": 48, "shift": 6, "low": 32, "high": 32, "ap_ce": 1,
    }  # fmt: skip
    cycles = [dict(zip(inputs, (*case, 1), strict=True)) for case in cases]
    top = f"""module top(input wire ap_clk, ap_ce, input wire [23:0] acc,
  input wire [17:0] multiplier, input wire [47:0] bias, input wire [5:0] shift,
  input wire [31:0] low, high, output wire [31:0] y);
  rmsmp_requantize #(.ACC_BITS(24), .BOUND_BITS(32), .ULTRASCALE({family.ultrascale})) lane (
    .ap_clk(ap_clk), .ap_ce(ap_ce), .acc(acc), .multiplier(multiplier), .bias(bias),
    .shift(shift), .low(low), .high(high), .y(y));
endmodule
"""
    files = {**static_files(), "top.sv": top}
    if netlist:
        _, path = synthesize(yosys, files, "top", family.value, folder / "yosys")
        files = {"netlist.v": path.read_text()}
    cycles += [{"ap_ce": 1}] * LATENCY
    seen = run_cycles(folder / "sim", yosys, files, "top", inputs, {"y": 32}, cycles)
    assert [signed(row["y"], 32) for row in seen[LATENCY:]] == wanted


@pytest.mark.parametrize("family", RtlFamily)
def test_rtl(family: RtlFamily, tmp_path: Path) -> None:
    """Corners of every operand, sums that overflow 48 bits, random ones."""
    _check(family, tmp_path, netlist=False)


@pytest.mark.slow
@pytest.mark.parametrize("family", RtlFamily)
def test_netlist(family: RtlFamily, tmp_path: Path) -> None:
    """What yosys makes of it computes the same."""
    _check(family, tmp_path, netlist=True)
