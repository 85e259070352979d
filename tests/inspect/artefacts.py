"""Small real artefacts for the tests of `inspect`: no torch, no tool."""

from __future__ import annotations

from pathlib import Path

from rmsmp_hls.hw.array import ArrayShape, DspFamily
from rmsmp_hls.ir.graph import Graph
from rmsmp_hls.ir.serialize import graph_files
from rmsmp_hls.pack.files import design_files
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.schedule.schedule import make_schedule
from tests.networks import params_for, residual_network

ARRAY = ArrayShape(
    shift_add_lanes=5, fixed4_lanes=4, fixed8_lanes=1, channels=8, pixels=2, banks=4,
    drain_rows=2, vector_lanes=4, tile_groups=8, activation_depth=4096, weight_word_bits=64,
    acc_bits=20, shift_add_codebook="SP2-4", dsp=DspFamily.DSP48E2,
)  # fmt: skip


def write_graph(folder: Path, graph: Graph, name: str) -> Path:
    """Save a graph; return the path of its header."""
    for file, content in graph_files(graph, name).items():
        (folder / file).write_bytes(content)
    return folder / f"{name}.json"


def small_graphs() -> dict[str, Graph]:
    """The residual network on its three levels, one row in eight of Fixed-8."""
    graph = residual_network()
    quantized = quantize(graph, params_for(graph, ratio=(50.0, 30.0, 20.0)))
    return {"float": graph, "quant": quantized, "int": lower(quantized)}


def write_design(folder: Path) -> Path:
    """Pack the residual network into `folder`."""
    graph = small_graphs()["int"]
    for file, content in design_files(pack(graph, make_schedule(graph, ARRAY))).items():
        (folder / file).write_bytes(content)
    return folder
