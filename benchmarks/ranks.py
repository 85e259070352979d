"""Ranks of numbers: correlation and quantiles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
PERCENTS = (5, 25, 50, 75, 95)


def ranks(values: Floats) -> Floats:
    """Return the rank of every value, from 0; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[inverse], dtype=np.float64)


def spearman(a: Floats, b: Floats) -> float:
    """Return the rank correlation of two series, -1..1; 0 if one of them is constant."""
    x, y = ranks(a) - (len(a) - 1) / 2, ranks(b) - (len(b) - 1) / 2
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 0 else 0.0


def quantiles(values: Floats) -> dict[str, float]:
    """Return the values below which `PERCENTS` percent lie, by percent."""
    found = np.percentile(values, PERCENTS)
    return {str(percent): float(f"{v:.6g}") for percent, v in zip(PERCENTS, found, strict=True)}
