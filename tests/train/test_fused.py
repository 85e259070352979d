"""The training step's quantizers against the slow ones, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rmsmp_hls.numerics.codebooks import CODEBOOKS, codebook
from rmsmp_hls.quant.rows import quantize_row
from rmsmp_hls.train.fused import quantize_terms, row_bounds, row_offsets, row_values
from rmsmp_hls.train.quantizers import quantize_activation, quantize_rows

NAMES = tuple(CODEBOOKS)
FORMATS = ("SP2-4", "Fixed-4", "Fixed-8", "PoT-4", "APoT-4", "SP2-4")


def values_of(weight: Tensor, scales: Tensor, gains: Tensor, formats: tuple[str, ...]) -> Tensor:
    """Return `row_values` of rows with these formats."""
    indices = torch.tensor([NAMES.index(name) for name in formats])
    bounds = row_bounds(indices).to(weight.dtype)
    return row_values(weight, scales, gains, row_offsets(indices), bounds)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(NAMES),
    st.lists(st.floats(-300, 300, width=32), min_size=1, max_size=20),
    st.sampled_from([0.25, 0.5, 1.0, 2.0]),
)
def test_levels_are_those_of_numpy(name: str, row: list[float], scale: float) -> None:
    """Every codebook, ties among them: quotients by powers of two are exact."""
    ties = [(a + b) / 2 * scale * sign for a, b in zip(codebook(name).magnitudes[:-1],
            codebook(name).magnitudes[1:], strict=True) for sign in (1, -1)]  # fmt: skip
    weight = torch.tensor([[*row, *ties]])
    found = values_of(weight, torch.tensor([scale]), torch.ones(1), (name,))
    wanted = quantize_row(weight.numpy()[0], scale, codebook(name))
    assert np.array_equal(found.numpy()[0], wanted)


@pytest.mark.parametrize("block", [1, 30, 1 << 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_row_gradients_are_those_of_the_slow_quantizer(
    block: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To weights, scales and gains; however large the blocks are."""
    monkeypatch.setattr("rmsmp_hls.train.fused._BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 3, 2, 2, generator=generator, dtype=dtype)
    scales = torch.linspace(0.02, 0.3, 6, dtype=dtype)
    gains = torch.linspace(0.5, 2, 6, dtype=dtype)
    towards = torch.randn(weight.shape, generator=generator, dtype=dtype)
    results = []
    for fast in (True, False):
        parts = [part.clone().requires_grad_() for part in (weight, scales, gains)]
        if fast:
            made = values_of(*parts, FORMATS)
        else:
            made = quantize_rows(parts[0], parts[1], FORMATS) * parts[2][:, None, None, None]
        (made * towards).sum().backward()
        results.append([made.to(dtype), *(part.grad for part in parts)])
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_row_with_nan_becomes_nan_and_infinity_the_largest_level() -> None:
    """So that the loss is NaN; the other rows are as always."""
    weight = torch.tensor([[torch.nan, 1.0], [torch.inf, 1.0]])
    found = values_of(weight, torch.ones(2), torch.ones(2), ("SP2-4", "Fixed-4"))
    assert bool(torch.isnan(found[0]).all()) and found[1].tolist() == [7, 1]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(2, 8), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 1 << 16)
)  # fmt: skip
def test_activations_are_those_of_the_slow_quantizer(
    bits: int, signed: bool, clips: bool, channels_last: bool, seed: int
) -> None:
    """Codes, and gradients to value and scale, LSQ's and PACT's."""
    high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    low = -high if signed else 0
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    numbers[0, 0, 0] = torch.tensor([0.0, 0.25, -0.25, high / 2, (high + 1) / 2])
    if channels_last:
        numbers = numbers.contiguous(memory_format=torch.channels_last)
    towards = torch.randn(numbers.shape, generator=generator, dtype=torch.float64)
    results = []
    for fast in (True, False):
        value = numbers.clone().requires_grad_()
        scale = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        if fast:
            inverse = 1 / (scale.detach() if clips else scale)
            codes = quantize_terms(((value, inverse),), low, high, scale if clips else None)
        else:
            codes = quantize_activation(value, scale, low, high, clips)
        (codes * scale * towards).sum().backward()
        results.append([codes, value.grad, scale.grad])
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted)


def test_pact_learns_from_clipped_numbers_only() -> None:
    """The gradient of code * scale to the scale is the bound where clipped, else 0."""
    value = torch.tensor([-3.0, 0.26, 1.4, 2.6, 99.0], dtype=torch.float64)
    scale = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    codes = quantize_activation(value, scale, -7, 7, clips=True)
    assert codes.tolist() == [-6, 1, 3, 5, 7]
    (codes * scale * torch.tensor([1.0, 10, 100, 1000, 5])).sum().backward()
    assert scale.grad is not None and float(scale.grad) == pytest.approx(35)


@pytest.mark.parametrize("clips", [False, True])
def test_a_sum_of_two_terms(clips: bool) -> None:
    """As the slow quantizer of the sum, with gradients to both operands and their factors."""
    generator = torch.Generator().manual_seed(0)
    a, b, towards = torch.randn(3, 4, 2, 3, 3, generator=generator, dtype=torch.float64)
    factors = torch.tensor([0.7, 1.9, 0.5], dtype=torch.float64)
    results = []
    for fast in (True, False):
        x, y, f = (part.clone().requires_grad_() for part in (a, b, factors))
        if fast:
            inverse = 1 / (f[2].detach() if clips else f[2])
            terms = ((x, f[0] * inverse), (y, f[1] * inverse))
            codes = quantize_terms(terms, 0, 7, f[2] if clips else None)
        else:
            codes = quantize_activation(x * f[0] + y * f[1], f[2], 0, 7, clips)
        (codes * f[2] * towards).sum().backward()
        results.append([codes, x.grad, y.grad, f.grad])
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_relu_is_part_of_the_quantizer() -> None:
    """Nothing below 0 in signed codes either; the gradient at 0 is that of torch's ReLU."""
    value = torch.tensor([-2.0, 0.0, 0.2, 3.0, 9.0], requires_grad=True)
    codes = quantize_terms(((value, torch.ones(())),), -7, 7, relu=True)
    assert codes.tolist() == [0, 0, 0, 3, 7]
    codes.sum().backward()
    assert value.grad is not None and value.grad.tolist() == [0, 0, 1, 1, 0]


def test_a_shifted_sum_is_rounded_as_it_is() -> None:
    """Without a multiplier the number is the quotient and 1/2 already; NaN stays NaN."""
    shifted = torch.tensor([-1.0, 0.4, 0.5, 1.0, 7.9, 99.0, torch.nan], requires_grad=True)
    codes = quantize_terms(((shifted, None),), 0, 7, None)
    assert codes[:-1].tolist() == [0, 0, 0, 1, 7, 7] and bool(codes[-1].isnan())
    codes[:-1].sum().backward()
    assert shifted.grad is not None and shifted.grad.tolist()[:-1] == [0, 0, 1, 1, 0, 0]
