"""Measure lanes: synthesize, count, and keep the figures with the tool's version."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from rmsmp_hls.hw.lane_figures import SCHEMA, Figure, read_figures
from rmsmp_hls.numerics.codebooks import CODEBOOKS, Scheme
from rmsmp_hls.rtl.count import count_netlist
from rmsmp_hls.rtl.lanes import (
    Lane,
    LaneKind,
    LaneSpec,
    RtlFamily,
    generate_lane,
    identifier,
    static_files,
)
from rmsmp_hls.toolchain.yosys import Yosys, synthesize

INPUTS = (8, 16, 32, 64, 128)
TABLE_PIXELS = 4
ACCUMULATOR_BITS = 24
REQUANTIZE_LATENCY = 6


def lane_specs(
    family: RtlFamily, inputs: tuple[int, ...] = INPUTS, books: tuple[str, ...] = ()
) -> Iterator[LaneSpec]:
    """Return the lanes to measure: every kind that takes each of the 4-bit codebooks."""
    names = books or tuple(name for name, book in CODEBOOKS.items() if book.bits == 4)
    for name in names:
        for n in inputs:
            if CODEBOOKS[name].scheme is Scheme.SHIFT_ADD:
                yield LaneSpec(LaneKind.SHIFT_ADD, family, n, name, 1, ACCUMULATOR_BITS)
            else:
                yield LaneSpec(LaneKind.PACKED, family, n, name, 2, ACCUMULATOR_BITS)
            yield LaneSpec(LaneKind.TABLE, family, n, name, TABLE_PIXELS, ACCUMULATOR_BITS)


def measure_lane(yosys: Yosys, spec: LaneSpec, folder: Path) -> Figure:
    """Synthesize one lane out of context and count its primitives."""
    lane: Lane = generate_lane(spec)
    netlist, _ = synthesize(yosys, lane.files, spec.name, spec.family.value, folder / spec.name)
    counts = count_netlist(netlist, spec.name)
    return Figure(
        kind=spec.kind.value, family=spec.family.value, codebook=spec.codebook,
        inputs=spec.inputs, pixels=spec.pixels, rows=spec.rows,
        accumulator_bits=spec.accumulator_bits, latency=lane.latency, **asdict(counts),
    )  # fmt: skip


def measure_shared(yosys: Yosys, family: RtlFamily, folder: Path) -> tuple[Figure, ...]:
    """Measure what lanes share: a decoder per weight, the table sequencer, requantization."""
    figures = []
    for name, book in CODEBOOKS.items():
        if book.scheme is Scheme.SHIFT_ADD and book.bits == 4:
            spec = LaneSpec(LaneKind.SHIFT_ADD, family, 8, name)
            top = f"rmsmp_decode_{identifier(name)}"
            figures.append(
                _shared(yosys, family, folder, "decode", name, top, generate_lane(spec).files, 0)
            )
    files = static_files()
    top = "rmsmp_table_sequencer"
    figures.append(_shared(yosys, family, folder, "sequencer", "", top, files, 0))
    for bits in (9, 32):
        text = _requantize_top(family, bits)
        files = {**static_files(), "rmsmp_measured.sv": text}
        figures.append(
            _shared(
                yosys, family, folder, f"requantize{bits}", "", "rmsmp_measured", files,
                REQUANTIZE_LATENCY,
            )
        )  # fmt: skip
    return tuple(figures)


def _shared(
    yosys: Yosys, family: RtlFamily, folder: Path, kind: str, book: str, top: str,
    files: dict[str, str], latency: int,
) -> Figure:  # fmt: skip
    netlist, _ = synthesize(
        yosys, files, top, family.value, folder / f"{kind}_{identifier(book)}_{family.value}"
    )
    return Figure(
        kind=kind, family=family.value, codebook=book, inputs=1, pixels=1, rows=1,
        accumulator_bits=0, latency=latency, **asdict(count_netlist(netlist, top)),
    )  # fmt: skip


def _requantize_top(family: RtlFamily, bound_bits: int) -> str:
    """Wrap rmsmp_requantize with the parameters that are measured."""
    last = bound_bits - 1
    return f"""module rmsmp_measured(input wire ap_clk, ap_ce,
  input wire [{ACCUMULATOR_BITS - 1}:0] acc, input wire [17:0] multiplier, input wire [47:0] bias,
  input wire [5:0] shift, input wire [{last}:0] low, high, output wire [{last}:0] y);
  rmsmp_requantize #(.ACC_BITS({ACCUMULATOR_BITS}), .BOUND_BITS({bound_bits}),
    .ULTRASCALE({family.ultrascale})) lane (.ap_clk(ap_clk), .ap_ce(ap_ce), .acc(acc),
    .multiplier(multiplier), .bias(bias), .shift(shift), .low(low), .high(high), .y(y));
endmodule
"""


def measure_family(
    yosys: Yosys,
    family: RtlFamily,
    folder: Path,
    *,
    inputs: tuple[int, ...] = INPUTS,
    books: tuple[str, ...] = (),
    on_measured: Callable[[Figure], None] | None = None,
) -> tuple[Figure, ...]:
    """Measure the lanes of one fabric, and what they share, one after another."""
    figures = []
    for spec in lane_specs(family, inputs, books):
        figures.append(measure_lane(yosys, spec, folder))
        if on_measured:
            on_measured(figures[-1])
    for figure in measure_shared(yosys, family, folder):
        figures.append(figure)
        if on_measured:
            on_measured(figure)
    return tuple(figures)


def store(path: Path, yosys: Yosys, figures: tuple[Figure, ...]) -> None:
    """Write the figures of one fabric, one figure per line; figures not measured now stay.

    Those that stay keep the version they were measured with.
    """
    new = {figure.key: (figure, yosys.version) for figure in figures}
    old = {f.key: (f, version) for f, version in read_figures(path)} if path.is_file() else {}
    lines = [
        json.dumps({**asdict(figure), "yosys": version}, separators=(", ", ": "))
        for _, (figure, version) in sorted({**old, **new}.items())
    ]
    body = ",\n  ".join(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'{{"schema": "{SCHEMA}",\n "options": "synth_xilinx -flatten -noiopad -nosrl",\n'
        f' "figures": [\n  {body}\n]}}\n',
        "utf-8",
    )
