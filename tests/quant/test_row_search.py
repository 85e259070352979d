"""The fast search of row scales against the obvious one."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rmsmp_hls.numerics.codebooks import CODEBOOKS, Codebook
from rmsmp_hls.quant import row_search
from rmsmp_hls.quant.row_search import RowErrors
from rmsmp_hls.quant.rows import quantize_row, row_scales_mse

WEIGHTS = st.floats(-200, 200) | st.sampled_from([0.0, 0.5, -1.0, 3.0])


def slow_scale(row: np.ndarray, book: Codebook) -> float:
    """The grid, its refinement and the least-squares step, weight by weight and scale by scale."""

    def error(scale: float) -> float:
        return float(((row - quantize_row(row / scale, 1.0, book) * scale) ** 2).sum())

    best = np.abs(row).max() / book.max_magnitude
    coarse = np.linspace(0.20, 1.05, 48) if book.bits > 3 else np.linspace(0.04, 1.05, 102)
    for grid in (coarse, np.linspace(0.97, 1.03, 13)):
        scales = best * grid
        best = scales[int(np.argmin([error(scale) for scale in scales]))]
    codes = quantize_row(row / best, 1.0, book)
    power = (codes * codes).sum()
    fitted = (codes * row).sum() / power if power else best
    return float(fitted if fitted > 0 and error(fitted) <= error(best) else best)


@pytest.mark.parametrize("wide", [1, 1 << 30], ids=["estimated", "direct"])
@pytest.mark.parametrize("book", CODEBOOKS.values(), ids=list(CODEBOOKS))
@settings(max_examples=50, deadline=None)
@given(rows=arrays(np.float64, (3, 17), elements=WEIGHTS))
def test_scales_are_those_of_the_slow_search(book: Codebook, wide: int, rows: np.ndarray) -> None:
    """Both ways find the very scale of the obvious one."""
    expected = [slow_scale(row, book) if np.abs(row).max() > 1e-300 else 1.0 for row in rows]
    with patch.object(row_search, "WIDE", wide):
        assert row_scales_mse(rows, book).tolist() == expected


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "levels"])
@pytest.mark.parametrize("book", CODEBOOKS.values(), ids=list(CODEBOOKS))
def test_wide_rows_get_the_same_scale(book: Codebook, kind: str) -> None:
    """Also where many scales are nearly or wholly without error."""
    rng = np.random.default_rng(0)
    rows = {
        "normal": rng.normal(size=(2, 900)),
        "heavy tails": rng.standard_t(2, size=(2, 900)),
        "levels": rng.choice(book.levels, size=(2, 900)) * np.array([[0.25], [0.1]]),
    }[kind]
    assert row_scales_mse(rows, book).tolist() == [slow_scale(row, book) for row in rows]


@pytest.mark.parametrize("book", CODEBOOKS.values(), ids=list(CODEBOOKS))
@given(row=arrays(np.float64, 20, elements=WEIGHTS), scale=st.floats(0.01, 10))
def test_errors_are_those_of_quantize_row(book: Codebook, row: np.ndarray, scale: float) -> None:
    """The table of levels says what the search for limits says; ties included."""
    expected = ((row - quantize_row(row, scale, book) * scale) ** 2).sum()
    found = RowErrors(np.abs(row)[None], book).of(np.array([scale]))
    assert found[0] == expected
