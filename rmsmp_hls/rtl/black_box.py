"""The lanes of one array as RTL black boxes of Vitis HLS: Verilog, descriptor, C model.

Descriptor and handshake follow UG1399, "JSON File for RTL Blackbox" and "Adding RTL Blackbox
Functions". No vendor tool has run them here; the Verilog is simulated and the C models are
compiled and compared in the tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rmsmp_hls.codegen.file_plan import FilePlan
from rmsmp_hls.codegen.file_writer import write_plan
from rmsmp_hls.codegen.render import render
from rmsmp_hls.errors import ArtefactError, ConfigError
from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.hw.cost import Resources
from rmsmp_hls.hw.lane_costs import lane_group_cost
from rmsmp_hls.hw.lane_figures import rtl_family, shared_figure
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.pack.files import load_design
from rmsmp_hls.rtl import black_box_text as text
from rmsmp_hls.rtl.lanes import (
    Lane,
    LaneKind,
    LaneSpec,
    RtlFamily,
    generate_lane,
    identifier,
    static_files,
)
from rmsmp_hls.rtl.product import product_of

REQUANTIZE_LATENCY = 6
_MAX_ACC = {DspFamily.DSP48E1: 25, DspFamily.DSP48E2: 27}


@dataclass(frozen=True, slots=True)
class Port:
    """An argument of the C function, and the port of the module that carries it."""

    name: str
    width: int
    output: bool = False
    signed: bool = False

    @property
    def type(self) -> str:
        """Its C++ type."""
        return f"ap_{'' if self.signed else 'u'}int<{self.width}>"


@dataclass(frozen=True, slots=True)
class BlackBox:
    """One black box.

    Attributes:
        name: of the C function and of the module.
        about: what it computes, one line.
        ports: arguments in order.
        latency: cycles from call to result; a call may start in every cycle.
        body: Verilog inside the module.
        model: the C++ function's body.
        sources: {file name: Verilog} that it needs besides its own module.
        uses: what it takes, from the measured figures (of a lane with accumulators).
    """

    name: str
    about: str
    ports: tuple[Port, ...]
    latency: int
    body: str
    model: str
    sources: dict[str, str]
    uses: Resources

    def descriptor(self) -> str:
        """Return the JSON file for `add_files -blackbox`."""
        parameters: list[dict[str, Any]] = []
        for port in self.ports:
            ports = {"data_read_in": port.name}
            if port.output:
                ports = {
                    "data_write_out": port.name,
                    "data_write_valid": f"{port.name}_ap_vld",
                }
            parameters.append(
                {
                    "c_name": port.name,
                    "c_port_direction": "out" if port.output else "in",
                    "rtl_ports": ports,
                }
            )
        chain = {
            f"ap_ctrl_chain_protocol_{signal}": f"ap_{signal}"
            for signal in ("idle", "start", "ready", "done", "continue")
        }
        content = {
            "c_function_name": self.name,
            "rtl_top_module_name": self.name,
            # Both are read from the project's folder, into which the Tcl scripts change first.
            "c_files": [{"c_file": f"rtl/{self.name}.cpp", "cflag": "-std=c++14 -Irtl -Isrc"}],
            "rtl_files": [f"rtl/{self.name}.v", *(f"rtl/{name}" for name in sorted(self.sources))],
            "c_parameters": parameters,
            "rtl_common_signal": {
                "module_clock": "ap_clk", "module_reset": "ap_rst", "module_clock_enable": "ap_ce",
                **chain,
            },
            "rtl_performance": {"latency": str(self.latency), "II": "1"},
            "rtl_resource_usage": {
                "FF": str(self.uses.ff), "LUT": str(self.uses.lut), "BRAM": "0", "URAM": "0",
                "DSP": str(self.uses.dsp),
            },
        }  # fmt: skip
        return json.dumps(content, indent=2) + "\n"


def black_boxes(array: ArrayShape) -> tuple[BlackBox, ...]:
    """Return the black boxes of an array: one of every kind of lane, and requantization.

    Raises:
        ConfigError: the array is too narrow for them, or its accumulators too wide for one DSP.
    """
    if array.channels < 8:
        raise ConfigError("lanes in SystemVerilog have at least 8 inputs", where="channels")
    if array.acc_bits > _MAX_ACC[array.dsp]:
        raise ConfigError(
            f"accumulators of {array.acc_bits} bits do not fit one {array.dsp.name}",
            where="acc_bits",
            fix=f"at most {_MAX_ACC[array.dsp]}",
        )
    family = RtlFamily(rtl_family(array.dsp))
    return (
        _shift_add(array, family),
        _packed(array, family),
        _table(array, family),
        _requantize(array, family),
    )


def black_box_files(array: ArrayShape) -> dict[str, bytes]:
    """Return {path in the HLS project: content} of all black boxes of an array."""
    boxes = black_boxes(array)
    files = {
        "rtl/black_boxes.hpp": render("rtl/black_boxes.hpp.j2", boxes=boxes),
        "rtl/black_boxes.tcl": render("rtl/black_boxes.tcl.j2", boxes=boxes),
    }
    for box in boxes:
        files[f"rtl/{box.name}.v"] = render("rtl/black_box.v.j2", box=box)
        files[f"rtl/{box.name}.cpp"] = render("rtl/black_box.cpp.j2", box=box)
        files[f"rtl/{box.name}.json"] = box.descriptor()
        files |= {f"rtl/{name}": source for name, source in box.sources.items()}
    return {path: content.encode() for path, content in files.items()}


def write_black_boxes(build: Path) -> Iterable[Path]:
    """Write the black boxes of a build into its HLS project, folder `rtl`.

    Args:
        build: the folder that `rmsmp-hls build` wrote.

    Raises:
        ArtefactError: it holds no packed design.
        ConfigError: the array has no lanes in SystemVerilog.
        CodegenError: they cannot be written.
    """
    found = sorted(path.parent for path in build.glob("*/design.json"))
    if len(found) != 1:
        raise ArtefactError(
            "this is not a build with a packed design",
            where=str(build),
            fix="give the folder that rmsmp-hls build wrote (-o)",
        )
    files = black_box_files(load_design(found[0]).array)
    folder = build / "hls" / "rtl"
    inside = {path.removeprefix("rtl/"): data for path, data in files.items()}
    write_plan(FilePlan.of(inside), folder)
    return [folder / name for name in inside]


def _sources(lane: Lane, *names: str) -> dict[str, str]:
    """Return the lane's own files and the static modules of these names.

    They are plain Verilog, and are called so: HLS takes no SystemVerilog.
    """
    fixed = static_files()
    own = {name: content for name, content in lane.files.items() if name not in fixed}
    chosen = own | {f"rmsmp_{name}.sv": fixed[f"rmsmp_{name}.sv"] for name in names}
    return {name.replace(".sv", ".v"): content for name, content in chosen.items()}


def _uses(array: ArrayShape, kind: LaneKind, book: str, rows: int, pixels: int) -> Resources:
    """Return what a lane takes; the skew of a packed slot is not in it."""
    return lane_group_cost(
        kind.value, book, array.dsp,
        rows=rows, channels=array.channels, pixels=pixels, accumulator_bits=array.acc_bits,
    ).resources  # fmt: skip


def _shift_add(array: ArrayShape, family: RtlFamily) -> BlackBox:
    book = codebook(array.shift_add_codebook)
    spec = LaneSpec(LaneKind.SHIFT_ADD, family, array.channels, book.name, 1, 0)
    lane = generate_lane(spec)
    controls = len(product_of(book).controls)
    nibbles = 4 * array.channels
    return BlackBox(
        "rmsmp_shift_add_dot",
        f"the dot product of a row of {book.name} weights and one pixel's activations",
        (
            Port("codes", nibbles),
            Port("activations", nibbles),
            Port("dot", lane.bits, output=True, signed=True),
        ),
        lane.latency + 1,
        text.shift_add_body(spec.name, identifier(book.name), array.channels, controls),
        text.SHIFT_ADD_MODEL,
        _sources(lane, "carry", "ternary_adder"),
        _uses(array, LaneKind.SHIFT_ADD, book.name, 1, 1),
    )


def _packed(array: ArrayShape, family: RtlFamily) -> BlackBox:
    spec = LaneSpec(LaneKind.PACKED, family, array.channels, "Fixed-4", 2, 0)
    lane = generate_lane(spec)
    nibbles = 4 * array.channels
    return BlackBox(
        "rmsmp_packed_dot",
        "the four dot products of a pair of rows of 4-bit weights and a pair of pixels",
        (
            *(Port(name, nibbles) for name in ("w0", "w1", "a0", "a1")),
            *(
                Port(f"dot{r}{p}", lane.bits, output=True, signed=True)
                for r in (0, 1)
                for p in (0, 1)
            ),
        ),
        lane.latency,
        text.packed_body(
            spec.name, array.channels, min(array.dsp.cascade, array.channels),
            array.dsp.field_bits, lane.bits,
        ),
        text.PACKED_MODEL,
        _sources(lane, "carry", "ternary_adder", "dsp_cascade", "pack_activations", "delay"),
        _uses(array, LaneKind.PACKED, "Fixed-4", 2, 2),
    )  # fmt: skip


def _table(array: ArrayShape, family: RtlFamily) -> BlackBox:
    book = codebook(array.shift_add_codebook)
    spec = LaneSpec(LaneKind.TABLE, family, array.channels, book.name, array.pixels, 0)
    lane = generate_lane(spec)
    nibbles = 4 * array.channels
    return BlackBox(
        "rmsmp_table_dots",
        f"the dot products of the loaded row of {book.name} weights and all pixels; `load` takes "
        "codes, `swap` makes them the row that computes, 17 calls later at the soonest",
        (
            Port("load", 1),
            Port("swap", 1),
            Port("codes", nibbles),
            Port("activations", nibbles * array.pixels),
            Port("dots", lane.bits * array.pixels, output=True),
        ),
        lane.latency,
        text.table_body(spec.name, array.channels),
        text.table_model(lane.bits),
        _sources(lane, "carry", "ternary_adder", "table_group", "table_sequencer"),
        _uses(array, LaneKind.TABLE, book.name, 1, array.pixels),
    )


def _requantize(array: ArrayShape, family: RtlFamily) -> BlackBox:
    unit = shared_figure("requantize32", family.value)
    return BlackBox(
        "rmsmp_requantize_code",
        "clamp((acc * multiplier + bias) >> shift, low, high)",
        (
            Port("acc", array.acc_bits, signed=True),
            Port("multiplier", 18, signed=True),
            Port("bias", 48, signed=True),
            Port("shift", 6),
            Port("low", 32, signed=True),
            Port("high", 32, signed=True),
            Port("y", 32, output=True, signed=True),
        ),
        REQUANTIZE_LATENCY,
        text.requantize_body(array.acc_bits, family.ultrascale),
        text.REQUANTIZE_MODEL,
        {"rmsmp_requantize.v": static_files()["rmsmp_requantize.sv"]},
        Resources(lut=unit.lut, ff=unit.ff, dsp=unit.dsp, bram36=0),
    )
