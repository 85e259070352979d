"""SQNR and cosine."""

from __future__ import annotations

import math

import pytest
import torch

from rmsmp_hls.train.fidelity import Comparison


def test_figures_over_batches() -> None:
    """Batches add up to the figures of all numbers at once."""
    a, b = torch.randn(2, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    compared = Comparison()
    for part in range(0, 60, 20):
        compared.see(a[part : part + 20].reshape(4, 5), b[part : part + 20])
    expected = 10 * math.log10(float((a**2).sum() / ((a - b) ** 2).sum()))
    assert compared.sqnr_db() == pytest.approx(expected)
    assert compared.cosine() == pytest.approx(float(a @ b / a.norm() / b.norm()))


@pytest.mark.parametrize(
    ("plain", "quantized", "sqnr", "cosine"),
    [(0.0, 0.0, math.inf, 1.0), (2.0, 2.0, math.inf, 1.0), (0.0, 1.0, -math.inf, 0.0),
     (1.0, 0.0, 0.0, 0.0), (1.0, -1.0, -10 * math.log10(4), -1.0)],
)  # fmt: skip
def test_the_ends_are_defined(plain: float, quantized: float, sqnr: float, cosine: float) -> None:
    """No signal, no noise, nothing left, the wrong sign."""
    compared = Comparison()
    compared.see(torch.full((3,), plain), torch.full((3,), quantized))
    assert compared.sqnr_db() == pytest.approx(sqnr)
    assert compared.cosine() == pytest.approx(cosine)
