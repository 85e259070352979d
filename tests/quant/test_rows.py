"""Row scales, codes, ratios and assignment against slow obvious computations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.numerics.codebooks import CODEBOOKS
from rmsmp_hls.quant.rows import (
    assign_formats,
    quantize_row,
    realize_ratio,
    row_scale_mse,
    row_scales_mse,
)


@pytest.mark.parametrize("book", CODEBOOKS.values(), ids=list(CODEBOOKS))
@given(row=arrays(np.float64, 40, elements=st.floats(-200, 200)), scale=st.floats(0.01, 10))
def test_quantize_row_picks_the_nearest_level(book, row, scale) -> None:
    """No other level of the codebook is nearer."""
    codes = quantize_row(row, scale, book)
    distance = np.abs(row[:, None] / scale - book.levels[None])
    chosen = np.abs(row / scale - codes)
    assert np.isin(codes, book.levels).all()
    assert (chosen <= distance.min(axis=1) + 1e-9).all()


@pytest.mark.parametrize(
    "name,expected",
    [("PoT-4", 0.038), ("SP2-4", 0.019), ("Fixed-4", 0.0129), ("APoT-4", 0.0122),
     ("Fixed-3", 0.0469), ("SP2-3", 0.0822), ("PoT-2", 0.1902), ("Fixed-2", 0.1902)],
)  # fmt: skip
def test_gaussian_rows_reach_the_known_error(name: str, expected: float) -> None:
    """Mean squared error on unit Gaussian rows is that of the best scale, within 2 %.

    Of 7, 5 and 3 equal steps: J. Max, Quantizing for Minimum Distortion, 1960.
    """
    rows = np.random.default_rng(0).normal(size=(6, 20000))
    book = CODEBOOKS[name]
    scales = row_scales_mse(rows, book)
    codes = quantize_row(rows / scales[:, None], 1.0, book)
    assert ((rows - codes * scales[:, None]) ** 2).mean() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("book", CODEBOOKS.values(), ids=list(CODEBOOKS))
def test_odd_rows_get_a_usable_scale(book) -> None:
    """Rows of zeros, one element, equal elements: positive scale, no error where none is due."""
    assert row_scale_mse(np.zeros(5), book) == 1.0
    assert row_scale_mse(np.array([0.0, 5e-324, -1e-310]), book) == 1.0
    for row in (np.array([-3.5]), np.full(4, 0.25)):
        scale = row_scale_mse(row, book)
        assert scale > 0
        assert np.allclose(quantize_row(row, scale, book) * scale, row)


def test_blocks_of_rows_do_not_change_their_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are searched a few at a time: each for itself."""
    rows = np.random.default_rng(0).normal(size=(7, 30)).astype(np.float32)
    whole = row_scales_mse(rows, CODEBOOKS["SP2-4"])
    for block in (1, 60, 100):
        monkeypatch.setattr("rmsmp_hls.quant.rows._BLOCK", block)
        assert np.array_equal(row_scales_mse(rows, CODEBOOKS["SP2-4"]), whole)
    assert row_scales_mse(rows[:0], CODEBOOKS["SP2-4"]).shape == (0,)


@given(
    ratio=st.tuples(*[st.integers(0, 100)] * 3).filter(lambda r: sum(r) > 0),
    rows=st.integers(1, 600),
)
def test_realized_rows_are_within_one_of_the_ratio(ratio, rows) -> None:
    """Whole rows, all of them, each share at most one row off."""
    counts = realize_ratio(ratio, rows)
    assert sum(counts) == rows and min(counts) >= 0
    for count, share in zip(counts, ratio, strict=True):
        assert abs(count - rows * share / sum(ratio)) < 1


_NAN, _INF = float("nan"), float("inf")


@pytest.mark.parametrize("ratio", [(0, 0, 0), (-1, 2, 3), (_NAN, 1, 1), (_INF, 1, 1)])
def test_impossible_ratios_are_refused(ratio) -> None:
    """No share, a negative one, NaN, infinity."""
    with pytest.raises(ConfigError, match="impossible ratio"):
        realize_ratio(ratio, 10)


def test_assignment_follows_sensitivity_then_variance() -> None:
    """Top sensitivity Fixed-8; of the rest low variance shift-add, the others Fixed-4."""
    sensitivity = np.array([1.0, 9, 2, 3, 4])
    variance = np.array([5.0, 1, 4, 3, 2])
    formats = assign_formats(sensitivity, variance, (40, 40, 20), "PoT-4")
    assert formats == ("Fixed-4", "Fixed-8", "Fixed-4", "PoT-4", "PoT-4")


def test_assignment_refuses_nan_scores() -> None:
    """A NaN score is an error, not a silent place in the order."""
    with pytest.raises(QuantizationError, match="not finite"):
        assign_formats(np.array([np.nan, 1.0]), np.ones(2), (65, 30, 5), "SP2-4")
