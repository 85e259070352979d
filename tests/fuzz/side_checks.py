"""What is checked of some cases only: files, and the training model as users make it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.ir.graph import FloatGraph, Graph
from rmsmp_hls.ir.serialize import graph_files, load_graph
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.pack.design import PackedDesign
from rmsmp_hls.pack.files import design_files, load_design
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.params import QuantParams
from rmsmp_hls.quant.params_json import params_from_json, params_to_json
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.train.assign import assign_rows
from rmsmp_hls.train.calibrate import calibrate
from rmsmp_hls.train.model import prepare
from rmsmp_hls.train.save import export_graph, export_params
from tests.fuzz.agreement import disagreements
from tests.fuzz.case import Quantization
from tests.fuzz.layers import RandomNetwork


def exported_file(module: RandomNetwork, x: torch.Tensor, traced: FloatGraph) -> list[str]:
    """Return how the graph read from a file of torch.export.save differs from the traced one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.pt2"
        torch.export.save(torch.export.export(module, (x,)), path)
        read = load_model(path).graph
    if read == traced:
        return []
    pairs = zip(read.ops, traced.ops, strict=False)
    first = next((f"{a} is not {b}" for a, b in pairs if a != b), "constants or the end differ")
    return [f"the file gives {len(read.ops)} operations, tracing {len(traced.ops)}: {first}"]


def saved_artefacts(
    graphs: list[Graph[Any]], params: QuantParams, design: PackedDesign
) -> list[str]:
    """Return which artefacts are not what they were after they have been written and read."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for graph in graphs:
            for file, data in graph_files(graph, graph.level.value).items():
                (folder / file).write_bytes(data)
            if load_graph(folder / f"{graph.level.value}.json") != graph:
                found.append(f"the {graph.level.value} is read back differently")
        for file, data in design_files(design).items():
            (folder / file).write_bytes(data)
        if load_design(folder) != design:
            found.append("the packed design is read back differently")
    if params_from_json(params_to_json(params)) != params:
        found.append("the parameters are read back differently")
    return found


def prepared_model(module: RandomNetwork, how: Quantization, x: torch.Tensor) -> list[str]:
    """Return where a prepared, calibrated model and its integer network disagree."""
    bits = dict(zip(("activation_bits", "residual_bits", "input_bits"), how.bits, strict=True))
    shares = tuple(float(share) for share in how.shares)
    model = prepare(module, x, codebook=how.codebook, ratio=shares, **bits)
    assign_rows(model, method="weight-error")
    calibrate(model, [x], method="percentile" if how.seed % 2 else "mse")
    codes = {name: tensor.numpy() for name, tensor in model.codes(x).items()}
    graph, params = export_graph(model), export_params(model)
    integer = lower(quantize(graph, params))
    verify(integer, "lower")
    wanted = np.asarray(codes[integer.input.name])
    form = integer.input.output
    assert form is not None
    if wanted.min() < form.low or wanted.max() > form.high:
        return ["the prepared model makes input codes beyond their format"]
    return disagreements(integer, codes)
