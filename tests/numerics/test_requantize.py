"""Integer requantization against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.numerics.requantize import quantize_values, requantization


@given(gain=st.floats(1e-6, 4.0), offset=st.floats(-300, 300), acc=st.integers(-(1 << 20), 1 << 20))
def test_result_is_the_rounded_real_value_but_near_ties(gain, offset, acc) -> None:
    """(acc * M + B) >> S is floor(acc * gain + offset + 1/2) but near ties."""
    folded = requantization(np.array([gain]), np.array([offset]), np.array([float(1 << 20)]), "t")
    found = (acc * int(folded.multiplier[0]) + int(folded.bias[0])) >> folded.shift
    real = Fraction(acc) * Fraction(gain) + Fraction(offset) + Fraction(1, 2)
    error = abs(acc) * Fraction(1, 2 ** (folded.shift + 1)) + Fraction(1, 2**folded.shift)
    assert floor(real - error) <= found <= floor(real + error)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=8), st.floats(-1e4, 1e4))
def test_everything_fits_the_hardware(gains, offset) -> None:
    """M in 18 bits, the sum in 48, S in 0..47."""
    bound = np.full(len(gains), 1e5)
    folded = requantization(np.array(gains), np.full(len(gains), offset), bound, "t")
    assert np.abs(folded.multiplier).max() < 1 << 17
    assert (bound * np.abs(folded.multiplier) + np.abs(folded.bias)).max() < 1 << 47
    assert 0 <= folded.shift <= 47


@pytest.mark.parametrize("gain,offset", [(1e6, 0.0), (float("nan"), 0.0), (1.0, float("inf"))])
def test_what_cannot_fit_is_named(gain, offset) -> None:
    """A gain beyond 18 bits or one that is not finite is an error with the layer's name."""
    with pytest.raises(LoweringError, match="layer 'c'"):
        requantization(np.array([gain]), np.array([offset]), np.array([10.0]), "layer 'c'")


def test_values_round_half_up() -> None:
    """Ties go up, as the shift with the rounding half does; the range clips."""
    codes = quantize_values([0.5, 1.5, -0.5, -1.5, 99], 1.0, -7, 7)
    assert codes.tolist() == [1, 2, 0, -1, 7]
