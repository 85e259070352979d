"""Activation functions by name."""

from __future__ import annotations

import numpy as np
import pytest

from rmsmp_hls.numerics.functions import FUNCTIONS, apply_function
from tests.quant.real_valued import function

POINTS = np.concatenate([np.linspace(-12, 12, 241), [-3.0, 3.0, 6.0, 0.0]])


@pytest.mark.parametrize("name", list(FUNCTIONS))
@pytest.mark.parametrize("parameter", [0.0, 0.1, 1.0])
def test_every_function_is_its_formula(name: str, parameter: float) -> None:
    """As docs/numerics.md writes it, number by number, in any shape."""
    wanted = [function(name, parameter, float(x)) for x in POINTS]
    np.testing.assert_allclose(apply_function(name, parameter, POINTS), wanted, atol=1e-12)
    assert apply_function(name, parameter, POINTS.reshape(-1, 5)).shape == (49, 5)


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_signs(name: str) -> None:
    """What is 0 or more gives 0 or more; `negative` says whether anything gives less."""
    made = apply_function(name, 0.1, POINTS)
    assert (made[POINTS >= 0] >= 0).all()
    assert (made < 0).any() == FUNCTIONS[name].negative


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_far_away(name: str) -> None:
    """No overflow and no NaN for any value that a scale can make."""
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(apply_function(name, 0.1, [-1e30, -1e4, 1e4, 1e30])).all()
