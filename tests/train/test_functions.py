"""Torch's activation functions against those of the tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rmsmp_hls.numerics.functions import FUNCTIONS, apply_function
from rmsmp_hls.train.functions import activation


@pytest.mark.parametrize("name", list(FUNCTIONS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_computes_the_same(name: str, dtype: torch.dtype) -> None:
    """Training and tables agree to 1e-6 of the value, and training has a gradient."""
    x = torch.linspace(-20, 20, 4001, dtype=dtype, requires_grad=True)
    made = activation(name, 0.25, x)
    wanted = apply_function(name, 0.25, x.detach().numpy())
    np.testing.assert_allclose(made.detach().numpy(), wanted, rtol=1e-6, atol=1e-6)
    made.sum().backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all()) and bool((x.grad != 0).any())
