"""Padding and gates are folded where that computes the same, and only there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir.float_ops import Activation, AvgPool2d, Conv2d, MaxPool2d, Multiply, Pad
from rmsmp_hls.ir.graph import FloatGraph
from tests.frontend.execute_float import assert_computes_the_same
from tests.frontend.operations import IMAGE, Fn


def kinds(graph: FloatGraph) -> list[type]:
    return [type(op) for op in graph][2:]  # without the input and the first convolution


def test_padding_goes_into_convolutions_and_means() -> None:
    """Of both readers, added to what they pad themselves."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.conv = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, 2, (1, 0))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = F.pad(self.first(x), (1, 2, 0, 1))
            return self.conv(y) + F.avg_pool2d(y, 3, 2, (1, 0))

    graph = assert_computes_the_same(Net(), IMAGE)
    assert not list(graph.of_type(Pad))
    windows = {type(op): op.window.padding for op in graph.of_type(Conv2d, AvgPool2d)}  # type: ignore[attr-defined]
    assert windows == {Conv2d: (1, 1, 2, 2), AvgPool2d: (1, 1, 2, 2)}


def test_padding_stays_before_a_maximum_and_as_the_result() -> None:
    """Zeros may win a maximum; one such reader keeps the padding for all."""
    assert kinds(assert_computes_the_same(Fn(lambda x: F.pad(x, (1, 1))), IMAGE)) == [Pad]
    graph = assert_computes_the_same(Fn(lambda x: F.max_pool2d(F.pad(x - 0, (1, 1)), 2)), IMAGE)
    assert kinds(graph) == [Pad, MaxPool2d]

    def both(x: torch.Tensor) -> torch.Tensor:
        y = F.pad(x, (1, 1))
        return F.max_pool2d(y, 2) + F.avg_pool2d(y, 2)

    assert Pad in kinds(assert_computes_the_same(Fn(both), IMAGE))


def test_paddings_join() -> None:
    """Padding of padding is one."""
    graph = assert_computes_the_same(Fn(lambda x: F.pad(F.pad(x, (1, 0)), (0, 2, 3, 4))), IMAGE)
    assert [op.padding for op in graph.of_type(Pad)] == [(3, 1, 4, 2)]  # type: ignore[attr-defined]


def test_gates_fold_where_the_gate_is_the_tensors_own() -> None:
    """The gate itself stays if something else reads it."""
    graph = assert_computes_the_same(Fn(lambda x: x * torch.sigmoid(x)), IMAGE)
    assert kinds(graph) == [Activation] and graph.op(graph.output).function == "silu"  # type: ignore[attr-defined]
    graph = assert_computes_the_same(Fn(lambda x: F.relu(x) * torch.sigmoid(x)), IMAGE)
    assert Multiply in kinds(graph)

    def twice(x: torch.Tensor) -> torch.Tensor:
        gate = torch.sigmoid(x)
        return x * gate + gate

    functions = [
        op.function for op in assert_computes_the_same(Fn(twice), IMAGE).of_type(Activation)
    ]  # type: ignore[attr-defined]
    assert sorted(functions) == ["sigmoid", "silu"]


def test_names_stay_unique() -> None:
    """Folding leaves a legal graph: every operation read before is made before."""
    graph = trace(Fn(lambda x: F.silu(F.pad(x, (1, 1))).mean((2, 3))), torch.zeros(1, *IMAGE)).graph
    made: set[str] = set()
    for op in graph:
        assert made.issuperset(op.inputs) and op.name not in made
        made.add(op.name)
