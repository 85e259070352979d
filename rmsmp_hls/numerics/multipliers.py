"""Multipliers that are sums of a few signed powers of two: a product is then shifts and adds.

A number of K terms is a sum of at most K signed powers of two. K = 1: the product is a shift.
Source: K-hot multipliers of QFX (arXiv 2401.17544); signed terms are ours: an adder subtracts as
cheaply, and they halve the largest relative error (docs/numerics.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ConfigError

MOST_TERMS = 3
"""Terms that fit the 18 bits of a stored multiplier: six bits each."""

MULTIPLIERS = {"exact": 0, "k-hot:1": 1, "k-hot:2": 2, "k-hot:3": 3, "po2": 1}
"""How a restriction is asked for -> most terms; 0: any 18-bit number."""

_DIGITS = 16
_TERM_BITS, _NEGATIVE, _ABSENT = 6, 32, 31
_TIE = 1e-9
"""Numbers this near the middle of two powers, relative, take the smaller: both sides of a
comparison decide alike, however their last bits were rounded."""

Floats = npt.NDArray[np.float64]


def parse_multipliers(word: str) -> int:
    """Return the most terms of a multiplier, 0 for any 18-bit number.

    Raises:
        ConfigError: not one of `MULTIPLIERS`.
    """
    if word.lower() not in MULTIPLIERS:
        raise ConfigError(
            f"unknown multipliers {word[:40]!r}", fix=f"choose one of {', '.join(MULTIPLIERS)}"
        )
    return MULTIPLIERS[word.lower()]


def nearest_terms(values: npt.ArrayLike, terms: int, lowest: int | None = None) -> Floats:
    """Return the nearest sum of `terms` signed powers of two of every number.

    Args:
        values: finite real numbers, any shape.
        terms: at least 1.
        lowest: exponent of the smallest power allowed; None: any.
    """
    rest = np.array(values, dtype=np.float64)
    total = np.zeros_like(rest)
    for _ in range(terms):
        power = _nearest_power(rest, lowest)
        total += power
        rest -= power
    return total


def _nearest_power(values: Floats, lowest: int | None) -> Floats:
    fraction, exponent = np.frexp(np.abs(values))  # fraction in [1/2, 1), or 0
    power = np.ldexp(0.5, exponent + (fraction > 0.75 * (1 + _TIE)))
    if lowest is not None:
        least = np.ldexp(1.0, lowest)
        below = np.where(np.abs(values) > least / 2 * (1 + _TIE), least, 0.0)
        power = np.where(power < least, below, power)
    return np.asarray(np.where(fraction > 0, np.copysign(power, values), 0.0))


def restricted_gains(gains: npt.ArrayLike, terms: int) -> Floats:
    """Return the gains of one layer as its multipliers can have them.

    Args:
        gains: [rows], output codes per accumulator unit; a layer has one shift.
        terms: 0 leaves them as they are.

    Returns:
        [rows]; the smallest power is 2^-16 of the largest gain's leading power, so that all are
        18-bit multiples of one power of two. A gain below half of that becomes 0.
    """
    given = np.array(gains, dtype=np.float64)
    if terms == 0:
        return given
    largest = float(np.abs(nearest_terms(given, terms)).max(initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return given
    return nearest_terms(given, terms, int(np.frexp(largest)[1]) - 1 - _DIGITS)


def gain_factors(gains: npt.ArrayLike, terms: int) -> Floats:
    """Return what makes every gain of one layer restricted: restricted / given.

    1 where that would be 0: such a gain is left to the rounding of the multiplier.
    """
    given = np.array(gains, dtype=np.float64)
    restricted = restricted_gains(given, terms)
    usable = (restricted != 0) & (given != 0)
    return np.divide(restricted, given, out=np.ones_like(given), where=usable)


def matmul_factors(
    gain: npt.ArrayLike, row_scales: npt.ArrayLike, read: float, made: float, terms: int
) -> Floats:
    """Return by what each row's scale changes, so that its multiplier has few terms, [rows].

    Args:
        gain: [rows], of the batch norm that follows, or 1.
        row_scales: [rows], as fitted or learned.
        read, made: scales of the layer's input and output; of logits, which have none, made = 1.
        terms: 0: by nothing.
    """
    gains = np.asarray(gain, dtype=np.float64) * np.asarray(row_scales, dtype=np.float64)
    return gain_factors(gains * read / made, terms)


def signed_powers(number: int) -> tuple[tuple[int, int], ...]:
    """Return (sign, exponent) of the fewest signed powers that sum to a number, largest first.

    They are those of its non-adjacent form.
    """
    found = []
    exponent, rest = 0, number
    while rest:
        if rest & 1:
            sign = 2 - (rest & 3)  # 1 where ...01, -1 where ...11
            found.append((sign, exponent))
            rest -= sign
        rest >>= 1
        exponent += 1
    return tuple(reversed(found))


def most_terms(numbers: npt.ArrayLike) -> int:
    """Return how many terms the number with the most has."""
    distinct = np.unique(np.asarray(numbers, dtype=np.int64))
    return max((len(signed_powers(int(number))) for number in distinct), default=0)


def store_multiplier(number: int, terms: int) -> int:
    """Return the 18 bits, read as two's complement, that an array of `terms` terms reads.

    terms = 0: the number itself. Else bits 6 i .. 6 i + 4 are the exponent of term i, 31 for none,
    and bit 6 i + 5 its sign.

    Raises:
        OverflowError: the number has more terms, or does not fit 18 signed bits.
    """
    if not -(1 << 17) <= number < 1 << 17:
        raise OverflowError(f"multiplier {number} does not fit 18 bits")
    if terms == 0:
        return number
    powers = signed_powers(number)
    if len(powers) > terms:
        raise OverflowError(f"multiplier {number} has {len(powers)} terms, not {terms}")
    word = 0
    for place in range(MOST_TERMS):
        sign, exponent = powers[place] if place < len(powers) else (1, _ABSENT)
        word |= (exponent | (_NEGATIVE if sign < 0 else 0)) << (_TERM_BITS * place)
    return word - (word >> 17 << 18)


def stored_multiplier(word: int, terms: int) -> int:
    """Return the multiplier that 18 bits stand for: the inverse of `store_multiplier`."""
    if terms == 0:
        return word
    total = 0
    for place in range(terms):
        term = word >> (_TERM_BITS * place) & (2 * _NEGATIVE - 1)
        power = 0 if term & _ABSENT == _ABSENT else 1 << (term & _ABSENT)
        total += -power if term & _NEGATIVE else power
    return total
