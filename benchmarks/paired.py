"""Is one scheme better than another over the same seeds? Exact, without a distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LARGEST = 20
"""So many pairs are tried in all 2^n ways; more would take too long."""


def sign_flip_p(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of paired differences: the exact sign-flip permutation test.

    If neither side were better, every difference would be as likely with the other sign. The
    p-value is the share of all 2^n choices of signs whose |sum| is at least the observed one; it is
    never below 2 / 2^n, so that 5 pairs cannot go below 0.0625.

    Raises:
        ValueError: there are no differences, or more than `LARGEST`.
    """
    if not 0 < len(differences) <= LARGEST:
        raise ValueError(f"{len(differences)} pairs: give 1 to {LARGEST}")
    values = np.asarray(differences, dtype=np.float64)
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    tolerance = 1e-9 * float(np.abs(values).sum())  # sums that are equal but for rounding
    return float((np.abs(sums) >= abs(float(values.sum())) - tolerance).mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for how many there are (Holm's step-down), same order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected
