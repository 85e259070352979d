"""The scale of least squared error of every row among a grid of scales, searched fast.

Two ways, with the same answer. Directly: every weight's level is read from a table. In wide rows of
codebooks with few levels, first an estimate: with the magnitudes of a row sorted, a scale's error
follows from few cuts and prefix sums of the magnitudes and their squares,

    sum (w - s m)^2 = sum w^2 - 2 s sum m w + s^2 sum m^2,

at O(levels log cols) instead of O(cols); what its rounding cannot tell apart is computed directly.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rmsmp_hls.numerics.codebooks import Codebook

Floats = npt.NDArray[np.float64]

WIDE = 512
"""Rows of so many weights are estimated first."""
_FEW_LEVELS = 8
_ROUNDING = 64 * float(np.finfo(np.float64).eps)


class RowErrors:
    """Squared errors of rows for any scales: what `quantize_row` would make of them.

    The limits between levels are whole multiples of 1/2, so that the level of a ratio r >= 0 is
    read from a table at ceil(2 r); a tie falls to the smaller level. All buffers are reused.
    """

    def __init__(self, magnitudes: Floats, book: Codebook) -> None:
        """Take |weights| [rows, cols] and the codebook of all of them."""
        self.magnitudes = magnitudes
        self.levels = np.array(book.magnitudes, dtype=np.float64)
        self.limits = (self.levels[1:] + self.levels[:-1]) / 2
        halves = np.arange(2 * book.max_magnitude + 1) / 2
        self.table = self.levels[np.searchsorted(self.limits, halves, side="left")]
        self.values = np.empty_like(magnitudes)
        self.index = np.empty(magnitudes.shape, dtype=np.intp)

    def of(self, scales: Floats, rows: slice = slice(None)) -> Floats:
        """Return the sum of squared errors of (some) rows for their scales, [rows]."""
        magnitudes, values, index = self.magnitudes[rows], self.values[rows], self.index[rows]
        column = scales[:, None]
        np.divide(magnitudes, column, out=values)
        values *= 2
        np.ceil(values, out=values)
        np.minimum(values, len(self.table) - 1, out=values)
        index[...] = values
        np.take(self.table, index, out=values, mode="clip")
        values *= column
        np.subtract(magnitudes, values, out=values)
        values *= values
        return np.asarray(values.sum(axis=1), dtype=np.float64)


def best_scales(errors: RowErrors, centre: Floats, grids: tuple[Floats, ...]) -> Floats:
    """Return the best scale of every row, [rows]; the first of equally good ones.

    Args:
        errors: of the rows.
        centre: [rows], > 0; scales of the first grid are centre * factor.
        grids: factors; every further grid is laid around what the one before found.
    """
    cols = errors.magnitudes.shape[1]
    if cols >= WIDE and len(errors.levels) <= _FEW_LEVELS:
        rows = [_Row(errors, number) for number in range(len(centre))]
        best = [float(scale) for scale in centre]
        for grid in grids:
            best = [row.best(scale * grid) for row, scale in zip(rows, best, strict=True)]
        return np.array(best)
    for grid in grids:
        start, lowest = centre.copy(), np.full(len(centre), np.inf)
        for factor in grid:
            scale = start * factor
            error = errors.of(scale)
            better = error < lowest
            centre = np.where(better, scale, centre)
            lowest = np.where(better, error, lowest)
    return centre


class _Row:
    """One wide row, its magnitudes sorted and summed up."""

    def __init__(self, errors: RowErrors, number: int) -> None:
        self.errors, self.row = errors, slice(number, number + 1)
        self.sorted = np.sort(errors.magnitudes[number])
        self.sums = np.concatenate([[0.0], np.cumsum(self.sorted)])
        self.power = float(self.sorted @ self.sorted)
        levels = errors.levels
        self.steps, self.square_steps = np.diff(levels), np.diff(levels * levels)
        # Of the prefix sums (n additions of at most the largest each), of all cuts, and of
        # weights that lie on a limit but for rounding.
        largest = float(self.sorted[-1])
        self.doubt = _ROUNDING * len(self.sorted) ** 2 * largest * largest

    def best(self, scales: Floats) -> float:
        """Return the first of the scales with the least error."""
        estimates = self._estimates(scales)
        found = np.flatnonzero(estimates <= estimates.min() + 2 * self.doubt)
        if not math.isfinite(self.doubt) or len(found) == 0:
            found = np.arange(len(scales))
        if len(found) == 1:
            return float(scales[found[0]])
        exact = [float(self.errors.of(scales[i : i + 1], self.row)[0]) for i in found]
        return float(scales[found[int(np.argmin(exact))]])

    def _estimates(self, scales: Floats) -> Floats:
        cuts = np.searchsorted(self.sorted, scales[:, None] * self.errors.limits, side="right")
        largest = self.errors.levels[-1]
        product = largest * self.sums[-1] - self.sums[cuts] @ self.steps
        squares = largest * largest * len(self.sorted) - cuts @ self.square_steps
        return np.asarray(self.power - scales * (2 * product - scales * squares))
