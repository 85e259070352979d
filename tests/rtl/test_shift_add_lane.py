"""Shift-add lanes equal sums of weight times activation, RTL and netlist."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.rtl.lanes import LaneKind, LaneSpec, RtlFamily, code_weights, generate_lane
from rmsmp_hls.rtl.product import product_of
from rmsmp_hls.toolchain.yosys import synthesize
from tests.rtl.simulate import join, run_cycles, signed, yosys_or_skip

CYCLES = 160


def _check(spec: LaneSpec, folder: Path, *, netlist: bool) -> None:
    """Random codes and activations, each extreme of every code first; stalls in between."""
    yosys = yosys_or_skip()
    lane = generate_lane(spec)
    controls = product_of(codebook(spec.codebook)).controls
    weights = code_weights(spec.codebook)
    rng = random.Random(spec.name)
    cycles, wanted, total = [], [], 0
    for t in range(CYCLES):
        codes = [rng.randrange(16) for _ in range(spec.inputs)]
        activations = [rng.randrange(-8, 8) for _ in range(spec.inputs)]
        if t < 32:
            codes = [t // 2] * spec.inputs
            activations = [-8 if t % 2 else 7] * spec.inputs
        first, enabled = t % 5 == 0, t % 11 != 3
        decoded = [
            sum(((c.table >> code) & 1) << i for i, c in enumerate(controls)) for code in codes
        ]
        cycle = {
            "ap_ce": enabled, "controls": join(decoded, len(controls)),
            "activations": join(activations, 4),
        }  # fmt: skip
        if spec.accumulator_bits:
            cycle["first"] = first
        cycles.append(cycle)
        if enabled:
            dot = sum(weights[c] * a for c, a in zip(codes, activations, strict=True))
            total = dot + (0 if first or not spec.accumulator_bits else total)
            wanted.append(total)
    files = lane.files
    if netlist:
        _, path = synthesize(yosys, files, spec.name, spec.family.value, folder / "yosys")
        files = {"netlist.v": path.read_text()}
    inputs = {"ap_ce": 1, "controls": len(controls) * spec.inputs, "activations": 4 * spec.inputs}
    if spec.accumulator_bits:
        inputs["first"] = 1
    out = "sum" if spec.accumulator_bits else "dot"
    seen = run_cycles(folder / "sim", yosys, files, spec.name, inputs, {out: lane.bits}, cycles)
    enabled_rows = [row[out] for row, cycle in zip(seen, cycles, strict=True) if cycle["ap_ce"]]
    results = [signed(value, lane.bits) for value in enabled_rows[lane.latency :]]
    assert results == wanted[: len(results)]
    assert len(results) > CYCLES // 2


@pytest.mark.parametrize("accumulator_bits", [24, 0])
@pytest.mark.parametrize("family", RtlFamily)
@pytest.mark.parametrize("name", ["SP2-4", "PoT-4", "APoT-4"])
def test_rtl(name: str, family: RtlFamily, accumulator_bits: int, tmp_path: Path) -> None:
    """The lane of every codebook and fabric, with and without accumulator."""
    spec = LaneSpec(LaneKind.SHIFT_ADD, family, 8, name, 1, accumulator_bits)
    _check(spec, tmp_path, netlist=False)


@pytest.mark.parametrize("inputs", [16, 32])
def test_wider_trees(inputs: int, tmp_path: Path) -> None:
    """Trees of other depths place every +1 in time."""
    _check(LaneSpec(LaneKind.SHIFT_ADD, RtlFamily.XC7, inputs, "SP2-4"), tmp_path, netlist=False)


@pytest.mark.slow
@pytest.mark.parametrize("family", RtlFamily)
@pytest.mark.parametrize("name", ["SP2-4", "PoT-4", "APoT-4"])
def test_netlist(name: str, family: RtlFamily, tmp_path: Path) -> None:
    """What yosys makes of the lane computes the same."""
    _check(LaneSpec(LaneKind.SHIFT_ADD, family, 32, name), tmp_path, netlist=True)
