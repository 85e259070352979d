"""Exact products of integer matrices with the speed of floating point ones.

A float of p mantissa bits holds every whole number up to 2^p. While the sum of the magnitudes
of all terms stays within, no partial sum is rounded, in whatever order they are added.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FLOAT32_EXACT, FLOAT64_EXACT = 1 << 24, 1 << 53


def exact_type(rows: IntArray, largest: int) -> npt.DTypeLike:
    """Return the fastest type that computes `rows @ columns` without rounding.

    Args:
        rows: int64 [R, K].
        largest: magnitude that no element of the columns exceeds.
    """
    reach = int(np.abs(rows).sum(axis=1).max(initial=0)) * largest
    if reach <= FLOAT32_EXACT:
        return np.float32
    return np.float64 if reach <= FLOAT64_EXACT else np.int64
