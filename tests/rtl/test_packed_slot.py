"""The packed DSP slot equals the plain product for every operand, and sums to its bound."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from rmsmp_hls.rtl.lanes import (
    LaneKind,
    LaneSpec,
    RtlFamily,
    cascade_bound,
    cascade_offset,
    generate_lane,
    static_files,
)
from rmsmp_hls.toolchain.yosys import synthesize
from tests.rtl.simulate import join, run_cycles, signed, yosys_or_skip

Operands = tuple[int, int, int, int]  # w0, w1, a0, a1


def _pack_b(a0: int, a1: int, field: int) -> int:
    return ((a1 << field) + a0) & 0x3FFFF


def _fields(p: int, family: RtlFamily) -> list[int]:
    """The four sums of a cascade as the slot reads them: three plain fields, one exact."""
    field, offset = family.dsp.field_bits, cascade_offset(family.dsp)
    low = [((p >> (field * k)) & ((1 << field) - 1)) - offset for k in range(3)]
    return [*low, signed(p, 48) >> (3 * field)]


def _cascade(
    folder: Path, family: RtlFamily, length: int, steps: list[list[Operands]]
) -> list[list[int]]:
    """Feed a cascade `length` operands per step, skewed; return its four sums of every step."""
    cycles = []
    for t in range(len(steps) + 2 * length + 4):
        at = [steps[t - k][k] if 0 <= t - k < len(steps) else (0, 0, 0, 0) for k in range(length)]
        cycles.append(
            {
                "ap_ce": 1, "load": (1 << length) - 1, "w0": join([o[0] for o in at], 4),
                "w1": join([o[1] for o in at], 4),
                "b": join([_pack_b(o[2], o[3], family.dsp.field_bits) for o in at], 18),
            }
        )  # fmt: skip
    top = f"""module top(input wire ap_clk, input wire ap_ce, input wire [{length - 1}:0] load,
  input wire [{4 * length - 1}:0] w0, w1, input wire [{18 * length - 1}:0] b, output wire [47:0] p);
  rmsmp_dsp_cascade #(.LENGTH({length}), .FIELD({family.dsp.field_bits}),
    .OFFSET({cascade_offset(family.dsp)}), .ULTRASCALE({family.ultrascale})) cascade (
    .ap_clk(ap_clk), .ap_ce(ap_ce), .load(load), .w0(w0), .w1(w1), .b(b), .p(p));
endmodule
"""
    inputs = {"ap_ce": 1, "load": length, "w0": 4 * length, "w1": 4 * length, "b": 18 * length}
    seen = run_cycles(
        folder, yosys_or_skip(), {**static_files(), "top.sv": top}, "top", inputs, {"p": 48}, cycles
    )
    return [_fields(seen[t + length + 3]["p"], family) for t in range(len(steps))]


def _plain(step: list[Operands]) -> list[int]:
    return [sum(o[r] * o[2 + p] for o in step) for r, p in ((0, 0), (0, 1), (1, 0), (1, 1))]


@pytest.mark.slow
@pytest.mark.parametrize("family", RtlFamily)
def test_every_operand(family: RtlFamily, tmp_path: Path) -> None:
    """All 16^4 = 65,536 operands of one DSP give the four plain products."""
    nibbles = range(-8, 8)
    steps = [[o] for o in itertools.product(nibbles, repeat=4)]
    assert _cascade(tmp_path, family, 1, steps) == [_plain(step) for step in steps]


@pytest.mark.parametrize("family", RtlFamily)
def test_every_operand_in_integers(family: RtlFamily) -> None:
    """The packing itself, in integers: one product of packed operands gives the four."""
    field, offset = family.dsp.field_bits, cascade_offset(family.dsp)
    constant = offset * (1 + (1 << field) + (1 << 2 * field))
    for w0, w1, a0, a1 in itertools.product(range(-8, 8), repeat=4):
        p = constant + ((w1 << 2 * field) + w0) * ((a1 << field) + a0)
        assert _fields(p & ((1 << 48) - 1), family) == [w0 * a0, w0 * a1, w1 * a0, w1 * a1]


def _extremes(length: int, used: int) -> list[list[Operands]]:
    """`used` operands of a cascade at every corner of -8, 7 (so 64, -56, 49), the others 0."""
    return [
        [corner] * used + [(0, 0, 0, 0)] * (length - used)
        for corner in itertools.product((-8, 7), repeat=4)
    ]


@pytest.mark.parametrize("family", RtlFamily)
def test_extremes_of_every_length(family: RtlFamily, tmp_path: Path) -> None:
    """Up to the bound, sums of extreme products and random ones are exact."""
    bound = family.dsp.cascade
    assert cascade_bound(family.dsp) == bound
    steps = [step for used in range(1, bound + 1) for step in _extremes(bound, used)]
    rng = random.Random(3)
    steps += [
        [tuple(rng.randrange(-8, 8) for _ in range(4)) for _ in range(bound)]  # type: ignore[misc]
        for _ in range(200)
    ]
    assert _cascade(tmp_path, family, bound, steps) == [_plain(step) for step in steps]


@pytest.mark.parametrize("family", RtlFamily)
def test_one_beyond_the_bound_fails(family: RtlFamily, tmp_path: Path) -> None:
    """A cascade one longer loses the sum of products that are all 64."""
    length = family.dsp.cascade + 1
    steps = _extremes(length, length)
    assert _cascade(tmp_path, family, length, steps) != [_plain(step) for step in steps]


def _check_slot(spec: LaneSpec, folder: Path, *, netlist: bool) -> None:
    """Random and extreme rows through the whole slot, weights swapped now and then, stalls."""
    yosys = yosys_or_skip()
    lane = generate_lane(spec)
    length = min(spec.family.dsp.cascade, spec.inputs)
    field = spec.family.dsp.field_bits
    rng = random.Random(spec.name)
    count = 120
    rows, wanted, totals = [], [], [0] * 4
    weights: list[tuple[int, int]] = []
    for t in range(count):
        if t % 20 == 0:
            corner = ((-8, -8), (7, 7), (-8, 7), (7, -8))
            weights = [
                (rng.randrange(-8, 8), rng.randrange(-8, 8)) if t else corner[0]
                for _ in range(spec.inputs)
            ]
        pixels = [(rng.randrange(-8, 8), rng.randrange(-8, 8)) for _ in range(spec.inputs)]
        if t < 4:
            pixels = [((-8, -8), (7, 7), (-8, 7), (7, -8))[t]] * spec.inputs
        rows.append([(*w, *p) for w, p in zip(weights, pixels, strict=True)])
        dots = _plain(rows[-1])  # type: ignore[arg-type]
        first = t % 6 == 0 or not spec.accumulator_bits
        totals = [d + (0 if first else s) for d, s in zip(dots, totals, strict=True)]
        wanted.append(totals)
    cycles = []
    t = 0
    while t < count + length + lane.latency:
        at = [
            rows[t - k % length][k] if 0 <= t - k % length < count else (0, 0, 0, 0)
            for k in range(spec.inputs)
        ]
        ready = rng.random() < 0.85
        load = sum(((t - k) % 20 == 0) << k for k in range(length)) if ready else 0
        cycle = {
            "ap_ce": ready, "load": load, "w0": join([o[0] for o in at], 4),
            "w1": join([o[1] for o in at], 4),
            "packed_activations": join([_pack_b(o[2], o[3], field) for o in at], 18),
        }  # fmt: skip
        if spec.accumulator_bits:
            cycle["first"] = t % 6 == 0
        cycles.append(cycle)
        t += ready
    files = lane.files
    if netlist:
        _, path = synthesize(yosys, files, spec.name, spec.family.value, folder / "yosys")
        files = {"netlist.v": path.read_text()}
    inputs = {
        "ap_ce": 1, "load": length, "w0": 4 * spec.inputs, "w1": 4 * spec.inputs,
        "packed_activations": 18 * spec.inputs,
    }  # fmt: skip
    if spec.accumulator_bits:
        inputs["first"] = 1
    out = "sum" if spec.accumulator_bits else "dot"
    seen = run_cycles(folder / "sim", yosys, files, spec.name, inputs, {out: 4 * lane.bits}, cycles)
    enabled = [row[out] for row, cycle in zip(seen, cycles, strict=True) if cycle["ap_ce"]]
    got = [
        [signed(enabled[t + lane.latency], lane.bits, f) for f in range(4)] for t in range(count)
    ]
    assert got == wanted


@pytest.mark.parametrize("accumulator_bits", [24, 0])
@pytest.mark.parametrize("inputs", [8, 16, 32])
@pytest.mark.parametrize("family", RtlFamily)
def test_slot(family: RtlFamily, inputs: int, accumulator_bits: int, tmp_path: Path) -> None:
    """Slots of one, two and four cascades, with and without accumulators."""
    spec = LaneSpec(LaneKind.PACKED, family, inputs, "Fixed-4", 2, accumulator_bits)
    _check_slot(spec, tmp_path, netlist=False)


@pytest.mark.slow
@pytest.mark.parametrize("family", RtlFamily)
def test_slot_netlist(family: RtlFamily, tmp_path: Path) -> None:
    """What yosys makes of the slot computes the same (DSP48E2: our own model of the cell)."""
    _check_slot(LaneSpec(LaneKind.PACKED, family, 16, "Fixed-4", 2), tmp_path, netlist=True)


def test_pack_activations(tmp_path: Path) -> None:
    """The packed operand of two pixels, for every pair and both fields."""
    pairs = list(itertools.product(range(-8, 8), repeat=2))
    for field in (10, 11):
        top = f"""module top(input wire ap_clk, input wire [3:0] a0, a1, output wire [17:0] b);
  rmsmp_pack_activations #(.FIELD({field})) pack (.a0(a0), .a1(a1), .b(b));
endmodule
"""
        seen = run_cycles(
            tmp_path / str(field), yosys_or_skip(), {**static_files(), "top.sv": top}, "top",
            {"a0": 4, "a1": 4}, {"b": 18}, [{"a0": a0, "a1": a1} for a0, a1 in pairs],
        )  # fmt: skip
        assert [row["b"] for row in seen] == [_pack_b(a0, a1, field) for a0, a1 in pairs]
