"""Requantization: real gains and offsets -> integer multipliers, biases and one shift.

y = (acc * M + B) >> S with M signed in 18 bits, B in 48 bits, S in 0..47; acc * M + B fits
48 bits for every reachable acc. The rounding half 2^(S-1) is inside B: half up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import LoweringError
from rmsmp_hls.numerics.multipliers import nearest_terms

MULTIPLIER_BITS = 18
BIAS_BITS = 48
MAX_SHIFT = 47

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Requantization:
    """Integer multipliers and biases, int64 [rows], and the layer's shift."""

    multiplier: npt.NDArray[np.int64]
    bias: npt.NDArray[np.int64]
    shift: int


def requantization(
    gain: Floats, offset: Floats, acc_bound: Floats, where: str, terms: int = 0
) -> Requantization:
    """Choose the largest shift for which everything fits, then round.

    Args:
        gain: [rows], output codes per accumulator unit.
        offset: [rows], output codes.
        acc_bound: [rows], largest |acc| that can occur.
        where: what it is about, for messages.
        terms: most signed powers of two of a multiplier; 0: any number.

    Raises:
        LoweringError: a gain or offset is not finite, or too large for any shift.
    """
    gain, offset, acc_bound = (np.asarray(a, dtype=np.float64) for a in (gain, offset, acc_bound))
    if not (np.isfinite(gain).all() and np.isfinite(offset).all()):
        raise LoweringError("a scale or bias is not finite", where=where)
    for shift in range(MAX_SHIFT, -1, -1):
        scaled = np.ldexp(gain, shift)
        multiplier = nearest_terms(scaled, terms, 0) if terms else np.rint(scaled)
        bias = np.rint(np.ldexp(offset + 0.5, shift))
        total = acc_bound * np.abs(multiplier) + np.abs(bias)
        if np.abs(multiplier).max(initial=0) < 1 << (MULTIPLIER_BITS - 1) and total.max(
            initial=0
        ) < 1 << (BIAS_BITS - 1):
            return Requantization(multiplier.astype(np.int64), bias.astype(np.int64), shift)
    worst = int(np.argmax(np.abs(gain) * acc_bound + np.abs(offset)))
    raise LoweringError(
        f"row {worst} has gain {gain[worst]:.3g} and offset {offset[worst]:.3g} in output codes, "
        f"which do not fit {MULTIPLIER_BITS} and {BIAS_BITS} bits",
        where=where,
        fix="the output scale is too small for this layer: calibrate its activation again",
    )


def quantize_values(
    values: npt.ArrayLike, scale: float, low: int, high: int
) -> npt.NDArray[np.int64]:
    """Return clamp(floor(value / scale + 1/2), low, high), any shape."""
    codes = np.floor(np.asarray(values, dtype=np.float64) / scale + 0.5)
    return np.clip(codes, low, high).astype(np.int64)
