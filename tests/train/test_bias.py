"""Bias correction: what is added to which constant."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from rmsmp_hls.ir.graph import FloatGraph, Graph
from rmsmp_hls.ir.types import Window
from rmsmp_hls.quant.placement import place_quantizers
from rmsmp_hls.train.bias import _shrunk, add_to_outputs
from rmsmp_hls.train.execute import Run
from tests.networks import NetworkBuilder

IMAGES = torch.rand(3, 2, 5, 5, generator=torch.Generator().manual_seed(0))


def run(graph: FloatGraph) -> torch.Tensor:
    constants = {key: torch.from_numpy(c.array.copy()) for key, c in graph.constants.items()}
    plan = place_quantizers(graph)
    return Run(graph, plan, constants.get)(IMAGES)


def network(bias: bool, norm: str) -> FloatGraph:
    net = NetworkBuilder((2, 5, 5))
    net.conv(4, Window(kernel=(3, 3)), bias=bias)
    if norm:
        net.batchnorm()
    graph = net.graph()
    if norm != "plain":
        return graph
    last = dataclasses.replace(graph.ops[-1], weight="", bias="")
    kept = {k: v for k, v in graph.constants.items() if k not in ("bn2.weight", "bn2.bias")}
    return Graph(graph.level, (*graph.ops[:-1], last), graph.output, kept)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("norm", ["", "affine", "plain"])
def test_a_shift_reaches_the_output(bias: bool, norm: str) -> None:
    """Whatever the layer has: a bias, a batch norm, one without factors, or nothing."""
    graph, shift = network(bias, norm), torch.tensor([0.5, -1.0, 0.0, 2.0], dtype=torch.float64)
    changed = add_to_outputs(graph, {graph.output: shift})
    difference = run(changed) - run(graph)
    assert torch.allclose(
        difference, shift.float().reshape(1, 4, 1, 1).expand_as(difference), atol=1e-5
    )
    assert all(c.array.dtype == np.float32 for c in changed.constants.values())


def test_a_shared_bias_is_copied() -> None:
    """Two layers with one bias: only the shifted one changes."""
    net = NetworkBuilder((2, 5, 5))
    net.conv(2, Window(kernel=(1, 1)))
    net.conv(2, Window(kernel=(1, 1)))
    graph = net.graph()
    tied = dataclasses.replace(graph.ops[2], bias="conv1.bias")
    graph = Graph(graph.level, (*graph.ops[:2], tied), graph.output, graph.constants)
    changed = add_to_outputs(graph, {"conv2": torch.tensor([1.0, 0.0], dtype=torch.float64)})
    assert changed.constants["conv1.bias"] == graph.constants["conv1.bias"]
    assert changed.op("conv2").bias not in ("conv1.bias", "")  # type: ignore[union-attr]


def test_no_shift_changes_nothing() -> None:
    """No bias is added for zeros."""
    graph = network(False, "")
    assert add_to_outputs(graph, {"conv1": torch.zeros(4)}).constants == graph.constants


def test_chance_is_left_out() -> None:
    """A steady error is corrected whole, one that may be chance less or not at all."""
    errors = torch.tensor([[1.0, 5.0, 2.0, 0.0], [1.0, -5.0, 1.0, 0.0]], dtype=torch.float64)
    kept = _shrunk(errors)
    assert kept[0] == 1.0
    assert kept[1] == 0.0
    assert 0 < float(kept[2]) < 1.5
    assert kept[3] == 0.0
    assert not _shrunk(errors[:1]).any(), "one image cannot tell"
