"""Cross-layer equalization: the same function, channels of like ranges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rmsmp_hls.frontend.trace import trace
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.quant.placement import place_quantizers
from rmsmp_hls.train.constants import constant_tensors
from rmsmp_hls.train.equalize import channel_factors, equalize, find_pairs, multiplied
from rmsmp_hls.train.execute import Run

IMAGES = torch.randn(6, 3, 10, 10, generator=torch.Generator().manual_seed(0))


class Skip(nn.Module):
    """A tensor that a convolution and an add read."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        return torch.relu(self.second(x)) + x


class Fork(nn.Module):
    """A tensor that two convolutions read, one of them behind a pool."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.left, self.right = nn.Conv2d(4, 5, 2, stride=2), nn.Conv2d(4, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        return self.left(x) + self.right(nn.functional.avg_pool2d(x, 2))


def chain(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), *parts)


NETWORKS = {
    "relu": lambda: chain(nn.ReLU(), nn.Conv2d(6, 5, 3)),
    "batch norm": lambda: chain(nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1)),
    "plain norm": lambda: chain(
        nn.BatchNorm2d(6, affine=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(6, 5, 3)
    ),
    "flatten": lambda: chain(
        nn.ReLU(), nn.AvgPool2d(5), nn.Dropout(), nn.Flatten(), nn.Linear(24, 9), nn.ReLU(),
        nn.Linear(9, 4),
    ),
    "fork": Fork,
}  # fmt: skip
PAIRS = {"flatten": 2}


def traced(net: nn.Module) -> FloatGraph:
    torch.manual_seed(1)
    for part in net.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            part.reset_parameters()
            with torch.no_grad():
                part.weight *= torch.logspace(-1, 1, len(part.weight)).reshape(
                    -1, *[1] * (part.weight.dim() - 1)
                )
        if isinstance(part, nn.BatchNorm2d) and part.affine:
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    return trace(net.eval(), IMAGES[:1]).graph


def run(graph: FloatGraph) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return the result and every tensor that gets codes."""
    seen: dict[str, torch.Tensor] = {}
    plan, values = place_quantizers(graph), constant_tensors(graph)
    with torch.no_grad():
        result = Run(graph, plan, values.get, observe=seen.__setitem__)(IMAGES)
    return result, seen


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_network_computes_the_same(kind: str) -> None:
    """Within float rounding, and the weights did change."""
    graph = traced(NETWORKS[kind]())
    plan = place_quantizers(graph)
    pairs = find_pairs(graph, plan)
    assert len(pairs) == PAIRS.get(kind, 1)
    equalized = equalize(graph, plan, IMAGES, pairs)
    before, after = run(graph)[0], run(equalized)[0]
    assert float((after - before).abs().max()) <= 1e-4 * float(before.abs().max())
    assert equalized.constants != graph.constants
    assert all(c.array.dtype == np.float32 for c in equalized.constants.values())


def test_ranges_of_channels_become_equal() -> None:
    """Where the factors stay within their bounds; the largest then is nearer to the least."""
    graph = traced(NETWORKS["relu"]())
    plan = place_quantizers(graph)
    pairs = find_pairs(graph, plan)
    name = pairs[0].point.tensor

    def spread(values: torch.Tensor) -> float:
        largest = values.abs().amax((0, 2, 3))
        return float(largest.max() / largest.min())

    assert spread(run(graph)[1][name]) > 10
    assert spread(run(equalize(graph, plan, IMAGES, pairs))[1][name]) < 2


@pytest.mark.parametrize(
    "net",
    [
        chain(nn.ReLU6(), nn.Conv2d(6, 5, 3)),
        chain(nn.Hardtanh(), nn.Conv2d(6, 5, 3)),
        chain(nn.ReLU()),
        Skip(),
    ],
    ids=["relu6", "hardtanh", "result", "add"],
)
def test_what_would_change_the_function_is_left_alone(net: nn.Module) -> None:
    """Clamps that are not homogeneous, results, tensors that an add reads."""
    graph = traced(net)
    plan = place_quantizers(graph)
    touched = {reader for pair in find_pairs(graph, plan) for reader in pair.readers}
    assert touched == set()


def test_shared_weights_are_left_alone() -> None:
    """A layer that runs twice cannot be scaled for one of its places."""
    layer = nn.Conv2d(3, 3, 1)
    graph = traced(nn.Sequential(layer, nn.ReLU(), layer))
    assert find_pairs(graph, place_quantizers(graph)) == ()


def test_dead_channels_keep_their_scale() -> None:
    """No division by zero; the others' factors have the geometric mean 1 and are bounded."""
    assert channel_factors(np.zeros(3)).tolist() == [1, 1, 1]
    assert channel_factors(np.array([2.0, 0.0, 8.0])) == pytest.approx([0.5, 1.0, 2.0])
    assert channel_factors(np.array([1e-30, 1e30])) == pytest.approx([1 / 8, 8])


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_columns_of_grouped_weights(groups: int) -> None:
    """Weights times factors on divided inputs give what the weights gave."""
    rng = torch.Generator().manual_seed(groups)
    x, weight = torch.randn(2, 6, 5, 5, generator=rng), torch.randn(12, 6 // groups, 3, 3)
    factors = np.linspace(0.5, 3, 6)
    scaled = torch.from_numpy(multiplied(weight.numpy(), factors))
    divided = (x / torch.from_numpy(factors).reshape(1, -1, 1, 1)).float()
    expected = nn.functional.conv2d(x, weight, groups=groups)
    got = nn.functional.conv2d(divided, scaled, groups=groups)
    assert torch.allclose(expected, got, rtol=1e-4, atol=1e-5)
