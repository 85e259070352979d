"""Whole networks of the kinds that people have compute what torch computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from rmsmp_hls.frontend.load import load_model
from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir.float_ops import Activation, Clamp, Multiply, SelectChannels
from tests.frontend.execute_float import assert_computes_the_same, execute
from tests.frontend.models import randomized
from tests.frontend.networks import ENDS_IN_SOFTMAX, NETWORKS, Handmade, Shuffle


def without_softmax(net: nn.Module, name: str) -> nn.Module:
    """The network as the accelerator has it: the last layer is left to the host."""
    return net[:-1] if name in ENDS_IN_SOFTMAX and isinstance(net, nn.Sequential) else net


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.parametrize("decomposed", [False, True], ids=["training IR", "core IR"])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, decomposed: bool, tmp_path: Path) -> None:
    """In memory, from a file, and from a file after run_decompositions()."""
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    net = without_softmax(randomized(make()), name)
    assert_computes_the_same(net, shape, tmp_path / "net.pt2", decomposed)


@pytest.mark.parametrize("name", ENDS_IN_SOFTMAX)
def test_softmax_at_the_end_is_left_to_the_host(name: str, tmp_path: Path) -> None:
    """The graph ends before it, the largest class stays the largest, and a note says so."""
    make, shape = NETWORKS[name]
    net = make().eval()
    traced = trace(net, torch.zeros(1, *shape))
    x = torch.randn(8, *shape)
    assert torch.equal(execute(traced.graph, x).argmax(1), net(x).argmax(1))
    torch.export.save(torch.export.export(net, (x,)), tmp_path / "net.pt2")
    for notes in (traced.notes, load_model(tmp_path / "net.pt2").notes):
        assert [note.split()[0] for note in notes] == [ENDS_IN_SOFTMAX[name]]


def test_a_shuffle_is_one_selection_of_channels() -> None:
    """A unit of ShuffleNet has two halves and a shuffle: three selections, nothing else."""
    graph = trace(Shuffle(8), torch.zeros(1, 8, 4, 4)).graph
    chosen = [op.indices for op in graph.of_type(SelectChannels)]  # type: ignore[attr-defined]
    assert sorted(chosen) == [(0, 1, 2, 3), (0, 4, 1, 5, 2, 6, 3, 7), (4, 5, 6, 7)]


def test_hand_written_functions_become_functions() -> None:
    """relu6(x + 3) / 6 is hard_sigmoid, and times x hard_swish."""
    graph = trace(Handmade(), torch.zeros(1, 3, 16, 16)).graph
    functions = [op.function for op in graph.of_type(Activation)]  # type: ignore[attr-defined]
    assert functions == ["hard_swish", "hard_sigmoid"]
    assert len(list(graph.of_type(Multiply))) == len(list(graph.of_type(Clamp))) == 1
