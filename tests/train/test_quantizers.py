"""Quantizers: levels against the numpy codebooks, gradients against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls.numerics.codebooks import CODEBOOKS, codebook
from rmsmp_hls.quant.rows import quantize_row
from rmsmp_hls.train.quantizers import (
    nearest_levels,
    quantize_activation,
    quantize_rows,
    straight_through,
)

NAMES = tuple(CODEBOOKS)
FLOATS = st.floats(-300, 300, allow_nan=False, width=32)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(NAMES), st.lists(FLOATS, min_size=1, max_size=20), st.floats(0.01, 10))
def test_levels_are_those_of_numpy(name: str, row: list[float], scale: float) -> None:
    """torch and numpy choose the same level for every weight and scale."""
    weight = torch.tensor([row])
    found = quantize_rows(weight, torch.tensor([scale], dtype=torch.float64), (name,))
    wanted = quantize_row(weight.numpy()[0], scale, codebook(name))
    assert np.array_equal(found.numpy()[0], wanted)


@pytest.mark.parametrize("name", NAMES)
def test_levels_are_the_nearest_by_search(name: str) -> None:
    """No level is nearer; a tie goes to the smaller magnitude."""
    levels = codebook(name).levels
    halves = (levels[1:] + levels[:-1]) / 2
    points = np.concatenate([halves, levels, np.linspace(levels[0] - 3, levels[-1] + 3, 997)])
    found = nearest_levels(torch.from_numpy(points), codebook(name)).numpy()
    for point, level in zip(points, found, strict=True):
        distance = np.abs(levels - point)
        nearest = levels[distance == distance.min()]
        assert level == nearest[np.argmin(np.abs(nearest))]


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 8), st.booleans(), st.lists(FLOATS, min_size=1, max_size=20))
def test_activation_codes_follow_the_contract(bits: int, signed: bool, values: list[float]) -> None:
    """clamp(floor(v / scale + 1/2), low, high), half up, also of negative numbers."""
    high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    low = -high if signed else 0
    numbers = np.array([*values, 0.5, -0.5, 1.5, -1.5])
    codes = quantize_activation(torch.from_numpy(numbers), torch.tensor(1.0).double(), low, high)
    wanted = [min(max(int(np.floor(number + 0.5)), low), high) for number in numbers]
    assert codes.tolist() == wanted


def test_activation_gradients() -> None:
    """Straight through inside the range; to the scale code - v / s inside, else the bound."""
    value = torch.tensor([-3.0, 0.26, 1.4, 2.6, 99.0], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    codes = quantize_activation(value, scale, 0, 7)
    assert codes.tolist() == [0, 1, 3, 5, 7]
    (codes * scale).sum().backward()
    assert value.grad is not None and value.grad.tolist() == [0, 1, 1, 1, 0]
    wanted = 0 + (1 - 0.52) + (3 - 2.8) + (5 - 5.2) + 7
    assert scale.grad is not None and abs(float(scale.grad) - wanted) < 1e-12


def test_row_gradients() -> None:
    """The same for weights, per row and codebook; a row of zeros and one element work."""
    weight = torch.tensor([[0.9], [-30.0], [0.0]], dtype=torch.float64, requires_grad=True)
    scales = torch.tensor([0.25, 1.0, 1.0], dtype=torch.float64, requires_grad=True)
    codes = quantize_rows(weight, scales, ("SP2-4", "Fixed-4", "PoT-4"))
    assert codes.flatten().tolist() == [4, -7, 0]
    (codes * scales[:, None]).sum().backward()
    assert weight.grad is not None and weight.grad.flatten().tolist() == [1, 0, 1]
    assert scales.grad is not None
    assert torch.allclose(scales.grad, torch.tensor([4 - 3.6, -7.0, 0.0]).double())


def test_straight_through() -> None:
    """Exact forward, the other's gradient backward."""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = straight_through(x, torch.tensor([5.0, 6.0]))
    assert y.tolist() == [5, 6]
    (3 * y).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3, 3]


@pytest.mark.parametrize("block", [1, 30, 1 << 20])
def test_levels_are_the_same_without_gradients(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They then are made block by block, in the type of the weights."""
    monkeypatch.setattr("rmsmp_hls.train.quantizers._BLOCK", block)
    weight = torch.randn(9, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    scales = torch.linspace(0.02, 0.3, 9, dtype=torch.float64)
    formats = ("SP2-4", "Fixed-4", "Fixed-8", "PoT-4", "APoT-4", *["SP2-4"] * 4)
    expected = quantize_rows(weight, scales, formats)
    with torch.no_grad():
        found = quantize_rows(weight, scales, formats)
    assert found.dtype == torch.float32
    assert torch.equal(found.double(), expected)
