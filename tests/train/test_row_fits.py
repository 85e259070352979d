"""Row scales are those of the search, and searched once."""

from __future__ import annotations

import numpy as np
import pytest

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.quant.rows import row_scale_mse
from rmsmp_hls.train import row_fits
from rmsmp_hls.train.row_fits import RowFits

WEIGHT = ConstTensor(np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32))


def test_every_row_has_the_scale_of_its_format() -> None:
    """Rows of several formats in one layer."""
    formats = ("Fixed-4", "SP2-4", "Fixed-8", "SP2-4")
    expected = [
        row_scale_mse(row, codebook(name)) for row, name in zip(WEIGHT.array, formats, strict=True)
    ]
    assert RowFits().scales(WEIGHT, formats).tolist() == expected


def test_a_row_is_fitted_once_per_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked for: only what is new is searched."""
    fitted: list[int] = []

    def count(rows: np.ndarray, book: object) -> np.ndarray:
        fitted.append(len(rows))
        return np.ones(len(rows))

    monkeypatch.setattr(row_fits, "row_scales_mse", count)
    fits = RowFits()
    fits.scales(WEIGHT, ("Fixed-4",) * 4)
    fits.scales(WEIGHT, ("Fixed-4", "PoT-4", "PoT-4", "Fixed-4"))
    fits.scales(WEIGHT, ("PoT-4", "PoT-4", "Fixed-4", "Fixed-4"))
    assert [number for number in fitted if number] == [4, 2, 1]


def test_weights_that_are_no_numbers_are_refused() -> None:
    """As the sums of squares would be NaN."""
    bad = np.array(WEIGHT.array)
    bad[2, 0] = np.nan
    with pytest.raises(QuantizationError, match="NaN or infinity"):
        RowFits().scales(ConstTensor(bad), ("Fixed-4",) * 4)
