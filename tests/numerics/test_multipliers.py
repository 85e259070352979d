"""Numbers of a few signed powers of two: nearest ones, their terms, their stored form."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.numerics.multipliers import (
    gain_factors,
    matmul_factors,
    most_terms,
    nearest_terms,
    parse_multipliers,
    restricted_gains,
    signed_powers,
    store_multiplier,
    stored_multiplier,
)

_POWERS = [0.0] + [s * 2.0**e for e in range(-2, 8) for s in (1, -1)]
_SUMS = {
    terms: np.array(sorted({sum(c) for c in itertools.product(_POWERS, repeat=terms)}))
    for terms in (1, 2, 3)
}
_INTEGERS = st.integers(-(1 << 17) + 1, (1 << 17) - 1)


@pytest.mark.parametrize("terms", [1, 2, 3])
@given(value=st.floats(-100.0, 100.0))
def test_no_sum_of_as_many_powers_is_nearer(terms: int, value: float) -> None:
    """The result is as near as the best of all sums, by trying them all."""
    found = float(nearest_terms(value, terms, -2))
    assert found in _SUMS[terms]
    best = float(np.abs(_SUMS[terms] - value).min())
    assert abs(found - value) <= best * (1 + 1e-6) + 1e-9


@given(number=_INTEGERS, terms=st.integers(1, 3))
def test_integers_of_few_terms_are_kept(number: int, terms: int) -> None:
    """What has few terms already is its own nearest number, also with dust of rounding."""
    few = int(nearest_terms(number, terms, 0))
    assert most_terms([few]) <= terms
    assert nearest_terms(few * (1 + 1e-13), terms, 0) == few


@given(number=st.integers(-2000, 2000))
def test_no_sum_of_fewer_powers_is_the_number(number: int) -> None:
    """The terms sum to the number, and are as few as a search over sums needs."""
    powers = signed_powers(number)
    assert sum(sign << exponent for sign, exponent in powers) == number
    assert [e for _, e in powers] == sorted((e for _, e in powers), reverse=True)
    fewest, reached = 0, {0}
    while number not in reached and fewest < 4:
        reached = {r + s * (1 << e) for r in reached for e in range(13) for s in (1, -1, 0)}
        fewest += 1
    assert len(powers) == fewest or (fewest == 4 and len(powers) >= 4)


@given(number=_INTEGERS, terms=st.integers(0, 3))
def test_a_stored_multiplier_reads_back(number: int, terms: int) -> None:
    """18 bits hold it and give it back; more terms than the array has are refused."""
    if terms and most_terms([number]) > terms:
        with pytest.raises(OverflowError, match="terms"):
            store_multiplier(number, terms)
        return
    word = store_multiplier(number, terms)
    assert -(1 << 17) <= word < 1 << 17
    assert stored_multiplier(word, terms) == number


@pytest.mark.parametrize("number", [-(1 << 17) - 1, 1 << 17])
def test_a_multiplier_of_more_than_18_bits_is_refused(number: int) -> None:
    """No form holds it."""
    with pytest.raises(OverflowError, match="18 bits"):
        store_multiplier(number, 1)


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_the_gains_of_a_layer_are_18_bit_multiples_of_one_power(terms: int) -> None:
    """Restricted gains times one power of two are integers of few terms below 2^17."""
    gains = np.random.default_rng(terms).normal(0, 1, 200) * 2.0 ** np.linspace(-25, 3, 200)
    found = restricted_gains(gains, terms)
    largest = np.abs(found).max()
    scaled = found * 2.0 ** (16 - np.floor(np.log2(largest)))
    assert (scaled == np.rint(scaled)).all() and np.abs(scaled).max() < 1 << 17
    assert most_terms(scaled.astype(np.int64)) <= terms
    bound = {1: 1 / 3, 2: 0.1, 3: 0.03}[terms]
    large = np.abs(gains) > largest / 16
    assert (np.abs(found / gains - 1)[large] <= bound).all()
    assert found[np.abs(gains) < largest * 2.0**-19].tolist().count(0.0) > 0


def test_factors_turn_gains_into_restricted_ones() -> None:
    """factor * gain is restricted; rows whose gain is 0, or would become 0, keep theirs."""
    gains = np.array([0.7, -3.1, 0.0, 1e-9])
    factors = gain_factors(gains, 1)
    assert (factors * gains)[:2].tolist() == [0.5, -4.0]  # 0.7 lies below the middle, 0.75
    assert factors[2:].tolist() == [1.0, 1.0]
    assert gain_factors(gains, 0).tolist() == [1.0] * 4


def test_factors_of_rows_see_all_scales() -> None:
    """Batch norm gain, row scale, input and output scale make the number that is restricted."""
    gain, scales = np.array([1.5, -0.3]), np.array([0.11, 0.07])
    factors = matmul_factors(gain, scales, 0.3, 0.9, 2)
    real = gain * scales * factors * 0.3 / 0.9
    assert nearest_terms(real, 2, -30) == pytest.approx(real, rel=1e-15)


def test_words_for_multipliers() -> None:
    """po2 is one term; an unknown word is refused with what there is."""
    assert [parse_multipliers(w) for w in ("exact", "k-hot:2", "PO2")] == [0, 2, 1]
    with pytest.raises(ConfigError, match="k-hot:3"):
        parse_multipliers("k-hot:4")
