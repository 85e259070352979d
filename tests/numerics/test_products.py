"""Floating point products of whole numbers, where they are exact, against Python's integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.numerics.products import FLOAT32_EXACT, FLOAT64_EXACT, exact_type


@pytest.mark.parametrize(
    ("reach", "kind"),
    [
        (0, np.float32),
        (FLOAT32_EXACT, np.float32),
        (FLOAT32_EXACT + 1, np.float64),
        (FLOAT64_EXACT, np.float64),
        (FLOAT64_EXACT + 1, np.int64),
    ],
)
def test_the_type_holds_every_sum(reach: int, kind: type) -> None:
    """The bound is the sum of the magnitudes of a row times the largest element, no less."""
    assert exact_type(np.array([[reach]]), 1) is kind
    assert exact_type(np.array([[1, 0], [-(reach // 2), reach - reach // 2]]), 1) is kind
    assert exact_type(np.array([[1]]), reach) is kind


@given(
    seed=st.integers(0, 1 << 32),
    terms=st.integers(1, 300),
    weight=st.sampled_from([1, 127, 1 << 12, 1 << 20, 1 << 26]),
    code=st.sampled_from([1, 15, 255, 1 << 20, 1 << 26]),
)
def test_products_are_those_of_integers(seed: int, terms: int, weight: int, code: int) -> None:
    """No bit is lost in the type that is chosen, with all extremes in one row."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-weight, weight + 1, (3, terms))
    rows[0] = weight
    columns = rng.integers(-code, code + 1, (terms, 4))
    columns[:, 0] = code
    kind = exact_type(rows, code)
    found = (rows.astype(kind) @ columns.astype(kind)).astype(np.int64)
    exact = [
        [sum(int(w) * int(c) for w, c in zip(row, column, strict=True)) for column in columns.T]
        for row in rows
    ]
    assert found.tolist() == exact


def test_a_wider_sum_would_have_been_rounded() -> None:
    """Beyond the bound float32 does lose bits: the bound is not there for nothing."""
    rows, columns = np.array([[FLOAT32_EXACT, 1]]), np.array([[1], [1]])
    assert int((rows.astype(np.float32) @ columns.astype(np.float32))[0, 0]) != FLOAT32_EXACT + 1
    kind = exact_type(rows, 1)
    assert int((rows.astype(kind) @ columns.astype(kind))[0, 0]) == FLOAT32_EXACT + 1
