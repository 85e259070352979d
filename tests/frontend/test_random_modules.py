"""Random combinations of operations compute what torch computes, or are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.frontend.execute_float import assert_computes_the_same
from tests.frontend.models import randomized

Step = Callable[[Tensor], Tensor]


class Joined(nn.Module):
    """Two branches of the same input, combined."""

    def __init__(self, left: nn.Module, right: nn.Module, combine: Callable[..., Tensor]) -> None:
        super().__init__()
        self.left, self.right, self.combine = left, right, combine

    def forward(self, x: Tensor) -> Tensor:
        return self.combine(self.left(x), self.right(x))


class Do(nn.Module):
    """A function as a module."""

    def __init__(self, function: Step) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def shuffled(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.reshape(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def bottle(c: int) -> nn.Module:
    return Joined(nn.Conv2d(c, c, 1), nn.Sequential(nn.BatchNorm2d(c), nn.SiLU()), torch.add)


# name -> a module for c channels, an even number; it may change c, and halve or double the size
STEPS: Mapping[str, Callable[[int], nn.Module]] = {
    "conv": lambda c: nn.Conv2d(c, 6, 3, padding=1),
    "depthwise": lambda c: nn.Conv2d(c, c, (3, 1), padding=(1, 0), groups=c),
    "groups": lambda c: nn.Conv2d(c, 2 * c, 1, groups=2, bias=False),
    "stride": lambda c: nn.Conv2d(c, 4, 2, 2, 1, 2),
    "norm": nn.BatchNorm2d,
    "relu": lambda c: nn.ReLU(inplace=True),
    "swish": lambda c: Do(lambda x: x * (F.relu6(x + 3) / 6)),
    "leaky": lambda c: nn.LeakyReLU(0.1, inplace=True),
    "pool": lambda c: nn.MaxPool2d(3, 1, 1),
    "mean": lambda c: nn.AvgPool2d(3, 1, 1),
    "pad": lambda c: nn.ZeroPad2d((1, 0, 0, 2)),
    "up": lambda c: nn.Upsample(scale_factor=2),
    "half": lambda c: Do(lambda x: torch.cat(x.chunk(2, 1)[::-1], 1)),
    "every second": lambda c: Do(lambda x: torch.cat([x[:, 1::2], F.relu(x[:, ::2])], 1)),
    "shuffle": lambda c: Do(shuffled),
    "flat and back": lambda c: Do(lambda x: F.relu(x.flatten(1).view(x.shape))),
    "residual": bottle,
    "join": lambda c: Joined(nn.Identity(), nn.Conv2d(c, 2, 1), lambda a, b: torch.cat([a, b], 1)),
    "squeeze": lambda c: Joined(
        nn.Identity(),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, c, 1), nn.Sigmoid()),
        torch.mul,
    ),
}
ENDS: Mapping[str, Callable[[int], nn.Module]] = {
    "image": lambda c: nn.Conv2d(c, 3, 1),
    "classes": lambda c: nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 4), nn.Tanh()
    ),
    "mean": lambda c: Do(lambda x: x.mean((2, 3))),
}


def network(steps: list[str], end: str) -> nn.Sequential:
    """Return the steps one behind the other, each fitted to what comes before."""
    x = torch.zeros(1, 4, 6, 6)
    made = nn.Sequential(nn.Conv2d(4, 4, 1)).eval()
    for step in steps:
        made.append(STEPS[step](x.shape[1]).eval())
        x = made[-1](x)
    return made.append(ENDS[end](x.shape[1]))


cases = given(
    st.lists(st.sampled_from(sorted(STEPS)), min_size=2, max_size=8), st.sampled_from(sorted(ENDS))
)


def compare(steps: list[str], end: str) -> None:
    torch.manual_seed(len(steps))
    assert_computes_the_same(randomized(network(steps, end)), (4, 6, 6))


@settings(max_examples=12, deadline=None)
@cases
def test_a_few_random_modules(steps: list[str], end: str) -> None:
    """The graph computes what the module computes."""
    with torch.no_grad():
        compare(steps, end)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@cases
def test_many_random_modules(steps: list[str], end: str) -> None:
    """The same, of many."""
    with torch.no_grad():
        compare(steps, end)


def test_a_clamp_before_a_hand_written_function_stays() -> None:
    """ReLU, then x * relu6(x + 3) / 6: the bounds of the first do not enter the second."""
    compare(["flat and back", "swish"], "classes")
