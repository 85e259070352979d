"""Run generated SystemVerilog in Icarus Verilog, cycle by cycle, from Python integers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rmsmp_hls.errors import ToolError
from rmsmp_hls.rtl.lanes import simulation_files
from rmsmp_hls.toolchain.yosys import Yosys, find_yosys


def yosys_or_skip() -> Yosys:
    """Return yosys with its cell models; skip the test if there is none."""
    if shutil.which("iverilog") is None:
        pytest.skip("needs iverilog")
    try:
        yosys = find_yosys()
    except ToolError as error:
        pytest.skip(f"needs yosys: {error.what}")
    if yosys.cells is None:
        pytest.skip("the cell models of yosys were not found")
    return yosys


def run_cycles(
    folder: Path,
    yosys: Yosys,
    sources: dict[str, str],
    top: str,
    inputs: dict[str, int],
    outputs: dict[str, int],
    cycles: list[dict[str, int]],
) -> list[dict[str, int]]:
    """Apply `cycles` to the inputs, one per clock; return the outputs in the same cycles.

    Args:
        inputs, outputs: {port: width}; ap_clk is the clock. A missing input of a cycle is 0.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**simulation_files(), **sources}.items():
        (folder / name).write_text(text)
    assert yosys.cells is not None
    shutil.copy(yosys.cells / "cells_sim.v", folder / "cells_sim.v")
    words = []
    for cycle in cycles:
        word = 0
        for name, width in reversed(inputs.items()):
            value = cycle.get(name, 0)
            word = word << width | value & ((1 << width) - 1)
        words.append(f"{word:x}")
    (folder / "stimulus.hex").write_text("\n".join(words) + "\n")
    total_in, total_out = sum(inputs.values()), sum(outputs.values())
    connections = ", ".join(f".{name}({name})" for name in (*inputs, *outputs))
    places = []
    at = 0
    for name, width in inputs.items():
        places.append(f"  wire [{width - 1}:0] {name} = now[{at}+:{width}];")
        at += width
    wires = [f"  wire [{width - 1}:0] {name};" for name, width in outputs.items()]
    joined = ", ".join(reversed(outputs))
    (folder / "bench.v").write_text(
        f"""`timescale 1ns / 1ps
module bench;
  reg [{total_in - 1}:0] stimulus [0:{len(cycles) - 1}];
  reg [{total_in - 1}:0] now;
  reg ap_clk = 0;
{chr(10).join(places + wires)}
  wire [{total_out - 1}:0] all = {{{joined}}};
  {top} dut (.ap_clk(ap_clk), {connections});
  integer t;
  initial begin
    $readmemh("stimulus.hex", stimulus);
    for (t = 0; t < {len(cycles)}; t = t + 1) begin
      now = stimulus[t];
      #40 $display("%h", all);
      #10 ap_clk = 1;
      #50 ap_clk = 0;
    end
    $finish;
  end
endmodule
"""
    )
    files = sorted(p.name for p in folder.iterdir() if p.suffix in (".v", ".sv"))
    subprocess.run(
        ["iverilog", "-g2012", "-o", "bench.vvp", "-s", "bench", *files],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    text = subprocess.run(
        ["vvp", "-n", "bench.vvp"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    lines = [line for line in text.split() if line]
    assert len(lines) == len(cycles), text[-2000:]
    results = []
    for line in lines:
        row = {}
        at = 0
        bits = "".join("xxxx" if c in "xzXZ" else f"{int(c, 16):04b}" for c in line)
        for name, width in outputs.items():
            end = len(bits) - at
            part = bits[end - width : end]
            row[name] = -1 << 4096 if "x" in part else int(part, 2)
            at += width
        results.append(row)
    return results


def signed(value: int, width: int, index: int = 0) -> int:
    """Return signed field `index` of `width` bits."""
    part = (value >> (width * index)) & ((1 << width) - 1)
    return part - (1 << width) if part >> (width - 1) else part


def join(values: list[int], width: int) -> int:
    """Return values side by side, the first in the low bits."""
    word = 0
    for k, value in enumerate(values):
        word |= (value & ((1 << width) - 1)) << (width * k)
    return word
