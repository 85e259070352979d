"""Speed of the C simulation with each storage type: compiling, images/s, MAC/s.

    python benchmarks/csim_speed.py --model demo/model.pt

Two networks: the given checkpoint, and one large convolution with random weights. Each is
built once, then compiled and simulated alone, in one process, so that the speeds compare.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

import rmsmp_hls.train as rt
from machine import Others, write_result
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.serialize import load_graph
from rmsmp_hls.pack.files import load_design
from rmsmp_hls.toolchain.csim import CsimResult, csim
from rmsmp_hls.toolchain.gxx import Storage, compile_testbench

LARGE_IMAGES = 4


def write_large_layer(path: Path) -> None:
    """Write a checkpoint of a 3 x 3 convolution, 64 to 64 channels on 28 x 28 pixels.

    A small convolution stands before it, because a network's input is read at 8 bits.
    """
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    images = torch.rand(LARGE_IMAGES, 3, 28, 28)
    model = rt.prepare(net, images[:1])
    rt.calibrate(model, [images])
    rt.save(model, path, validation=(images, torch.zeros(LARGE_IMAGES, dtype=torch.int64)))


def build(model: Path, board: str, folder: Path) -> None:
    """Build the checkpoint into `folder`; the native storage alone is simulated there."""
    argv = [sys.executable, "-m", "rmsmp_hls", "build", str(model), "--board", board]
    subprocess.run([*argv, "--storage", "native", "-o", str(folder)], check=True, stdout=sys.stderr)


def measure_network(folder: Path) -> dict[str, Any]:
    """Compile and simulate the project of a build folder with each storage type."""
    design = load_design(folder / "4_packed")
    graph = load_graph(folder / "3_lower" / "int.json")
    assert isinstance(design.array, ArrayShape)
    layers = json.loads((folder / "report.json").read_text())["layers"]
    macs = sum(layer["macs"] for layer in layers)
    found: dict[str, Any] = {"macs_per_image": macs, "macs_per_cycle": design.array.macs_per_cycle}
    for storage in (Storage.NATIVE, Storage.AP_INT):
        print(f"compiling and simulating: {storage.value}", file=sys.stderr)
        work = folder / f"measure-{storage.value}"
        begun = time.perf_counter()
        compile_testbench(folder / "hls", storage, work)
        compile_seconds = time.perf_counter() - begun
        (result,) = csim(folder / "hls", design, [storage], work, processes=1)
        if not result.exact:
            raise SystemExit(f"{result.mismatch_count} mismatches: see {result.log}")
        rate = result.images / result.seconds
        found[storage.value] = {
            "compile_seconds": round(compile_seconds, 2),
            "images": result.images,
            "seconds": round(result.seconds, 3),
            "images_per_second": round(rate, 3),
            "macs_per_second": round(rate * macs),
            "slot_macs_per_second": round(rate * slots_per_image(graph, design.array, result)),
        }
    return found


def slots_per_image(graph: IntGraph, array: ArrayShape, result: CsimResult) -> int:
    """Return the multiply-accumulates that the array has room for while it multiplies matrices.

    Iterations of convolutions and linear layers times the array's multiply-accumulates per
    iteration, used or not; the simulation skips lanes without a row. The trace program, which
    is what is timed, runs the same operations as the deployed one, whose iterations these are,
    and stores in between.
    """
    matrix = {op.name for op in graph if isinstance(op, IntMatmul)}
    iterations = [i.simulated for i in result.iterations if i.tensor in matrix]
    if len(iterations) != len(matrix):
        raise SystemExit(f"the simulation counted {len(iterations)} of {len(matrix)} layers")
    return sum(iterations) * array.macs_per_cycle


def show(figures: dict[str, Any]) -> None:
    """Print the figures."""
    table = Table("network", "storage", title="C simulation, one process (measured)")
    for title in ("compile, s", "images", "images/s", "MMAC/s", "array slots, MMAC/s"):
        table.add_column(title, justify="right")
    for name, network in figures["networks"].items():
        for storage in Storage:
            row = network[storage.value]
            table.add_row(
                name, storage.value, f"{row['compile_seconds']:.1f}", str(row["images"]),
                f"{row['images_per_second']:.4g}", f"{row['macs_per_second'] / 1e6:.4g}",
                f"{row['slot_macs_per_second'] / 1e6:.4g}",
            )  # fmt: skip
    Console().print(table)


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("demo/model.pt"), help="checkpoint")
    parser.add_argument("--board", default="zcu102")
    options = parser.parse_args()
    others = Others()
    networks = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_large_layer(root / "large.pt")
        for name, model in (("digits", options.model), ("conv 64-64, 28x28", root / "large.pt")):
            build(model, options.board, root / name)
            networks[name] = measure_network(root / name)
    figures = {"board": options.board, "networks": networks}
    show(figures)
    print(f"written: {write_result('csim_speed', others.share(), figures)}")


if __name__ == "__main__":
    main()
