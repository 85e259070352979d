"""Rows: their scales, their codes, and which format each one gets."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.numerics.codebooks import FIXED_4, Codebook, mix_formats
from rmsmp_hls.quant.row_search import RowErrors, best_scales

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]

_COARSE = np.linspace(0.20, 1.05, 48)
_COARSE_NARROW = np.linspace(0.04, 1.05, 102)  # few levels: far below
_FINE = np.linspace(0.97, 1.03, 13)
_NOTHING = 1e-300  # of smaller magnitudes no scale can be divided by
_BLOCK = 1 << 15  # weights searched at once: their buffers stay in the cache


def quantize_row(row: Floats, scale: float, book: Codebook) -> Integers:
    """Return the nearest level of every weight; a tie goes to the smaller magnitude.

    Args:
        row: floats, any shape.
        scale: value of weight integer 1, > 0.
        book: the row's codebook.

    Returns:
        Signed integers of the codebook, same shape.
    """
    magnitudes = np.array(book.magnitudes, dtype=np.float64)
    limits = (magnitudes[1:] + magnitudes[:-1]) / 2
    ratio = np.asarray(row, dtype=np.float64) / scale
    index = np.searchsorted(limits, np.abs(ratio), side="left")
    picked = np.array(book.magnitudes, dtype=np.int64)[index]
    return np.where(ratio < 0, -picked, picked)


def row_scales_mse(rows: Floats, book: Codebook) -> npt.NDArray[np.float64]:
    """Return the scale of least mean squared error of every row.

    Args:
        rows: [rows, cols].
        book: one codebook for all of them.

    Returns:
        float64 [rows]; 1 for a row of zeros, or of numbers so small that their scale would be.

    Source: a grid over the largest magnitude (20 % .. 105 % of the row's max-abs; from 4 % for
    formats of 3 and 2 bits), refined once around the best, then one least-squares step on the
    codes found.
    """
    scales = np.ones(len(rows))
    step = max(1, _BLOCK // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        block = np.asarray(rows[start : start + step], dtype=np.float64)
        scales[start : start + step] = _block_scales(block, book)
    return scales


def _block_scales(rows: npt.NDArray[np.float64], book: Codebook) -> npt.NDArray[np.float64]:
    search = RowErrors(np.abs(rows), book)
    largest = search.magnitudes.max(axis=1, initial=0.0)
    live = largest > _NOTHING
    base = np.where(live, largest, 1.0) / book.max_magnitude
    coarse = _COARSE if book.bits > 3 else _COARSE_NARROW
    best = best_scales(search, base, (coarse, _FINE))
    codes = _codes(rows, best, book)
    power = (codes * codes).sum(axis=1)
    fitted = np.where(power > 0, (codes * rows).sum(axis=1) / np.maximum(power, 1), best)
    usable = np.where(fitted > 0, fitted, best)
    improves = (fitted > 0) & (search.of(usable) <= search.of(best))
    return np.where(live, np.where(improves, fitted, best), 1.0)


def row_scale_mse(row: Floats, book: Codebook) -> float:
    """Return the scale of least mean squared error of one row [cols]."""
    return float(row_scales_mse(np.asarray(row).reshape(1, -1), book)[0])


def _codes(rows: Floats, scales: Floats, book: Codebook) -> Integers:
    return quantize_row(rows / scales[:, None], 1.0, book)


def check_ratio(ratio: tuple[float, float, float]) -> None:
    """Refuse shares that mean nothing.

    Raises:
        ConfigError: a share is negative or not a number, or all are 0.
    """
    if len(ratio) != 3 or not all(math.isfinite(r) and r >= 0 for r in ratio) or sum(ratio) <= 0:
        raise ConfigError(
            f"impossible ratio {':'.join(f'{r:g}' for r in ratio)}",
            where="ratio",
            fix="give three shares shift-add:Fixed-4:Fixed-8, none negative, e.g. 65:30:5",
        )


def realize_ratio(ratio: tuple[float, float, float], rows: int) -> tuple[int, int, int]:
    """Return whole rows per format, largest remainder first; ties go to the earlier format."""
    check_ratio(ratio)
    exact = [rows * share / sum(ratio) for share in ratio]
    whole = [math.floor(value + 1e-9) for value in exact]
    order = sorted(range(3), key=lambda i: (-(exact[i] - whole[i]), i))
    for i in order[: rows - sum(whole)]:
        whole[i] += 1
    return whole[0], whole[1], whole[2]


def assign_formats(
    sensitivity: Floats, variance: Floats, ratio: tuple[float, float, float], shift_add: str
) -> tuple[str, ...]:
    """Return the codebook name of every row.

    The most sensitive rows get Fixed-8; of the rest, those of low variance the shift-add
    codebook, the others the fixed one of its width. Ties go to the lower row number.

    Args:
        sensitivity: [rows], larger is more sensitive (Hessian eigenvalue, output error ...).
        variance: [rows], of the row's weights.
        ratio: shares of `mix_formats`, shift-add : Fixed-4 : Fixed-8 where shift-add has 4 bits.
        shift_add: name of the shift-add codebook.

    Raises:
        QuantizationError: a score is NaN or infinite.

    Source: RMSMP (arXiv 2111.00153), row assignment.
    """
    sensitivity, variance = np.asarray(sensitivity), np.asarray(variance)
    if not (np.isfinite(sensitivity).all() and np.isfinite(variance).all()):
        raise QuantizationError("a row's score is not finite", fix="look for NaN in the weights")
    low, _, eight = realize_ratio(ratio, len(sensitivity))
    shifted, fixed, wide = mix_formats(shift_add)
    formats = np.full(len(sensitivity), fixed, dtype=object)
    by_sensitivity = np.argsort(-sensitivity, kind="stable")
    formats[by_sensitivity[:eight]] = wide
    rest = np.sort(by_sensitivity[eight:])
    formats[rest[np.argsort(variance[rest], kind="stable")[:low]]] = shifted
    return tuple(str(name) for name in formats)


def weight_error(rows: Floats, book: Codebook = FIXED_4) -> npt.NDArray[np.float64]:
    """Return each row's squared error in a format: a sensitivity that needs no data, [rows]."""
    return RowErrors(np.abs(np.asarray(rows, dtype=np.float64)), book).of(
        row_scales_mse(rows, book)
    )
