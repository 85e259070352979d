"""Row formats: the codebooks that weight codes are drawn from.

A codebook is data: a name, a bit width, and the integer magnitude of every code.
Shift-add codebooks also hold, per magnitude, the at most two shifts whose sum is the
magnitude; the hardware and the reference both read this table, so that a new codebook
is a row here and not a branch elsewhere.

Formats of 3 and 2 bits are for training: their integers are integers of a 4-bit format too, in
whose codes the array stores and computes their rows (`array_rows`).

Sources: PoT RMSMP (arXiv 2111.00153); SP2 MSQ Eq. 8 (arXiv 2012.04240), SP2-3 with
m1 = m2 = 1; APoT-4 arXiv 1909.13144; Fixed-8 is limited to +-119 because the array computes an
8-bit weight as two signed nibbles, 16 * high + low, which reach -128..119 only.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import ConfigError

_BLOCK_NUMBERS = 1 << 23  # weights that are decoded at once


class Scheme(Enum):
    """Where the product of a weight and an activation is made."""

    SHIFT_ADD = "shift_add"  # shifts and adds, in LUTs
    FIXED = "fixed"  # a multiplication, in DSPs


@dataclass(frozen=True, slots=True)
class Codebook:
    """The levels of one row format.

    Attributes:
        name: e.g. "SP2-4"; the bit width includes the sign.
        scheme: shift-add or fixed.
        bits: width of a code.
        magnitudes: integer magnitude of magnitude index 0, 1, ...; ascending, starts at 0.
        terms: shift-add only: per magnitude index, the shifts whose powers of two sum to it.
        array_name: name of the format in whose codes the array stores the rows; "" is its own.
    """

    name: str
    scheme: Scheme
    bits: int
    magnitudes: tuple[int, ...]
    terms: tuple[tuple[int, ...], ...] = ()
    array_name: str = ""

    @property
    def array_format(self) -> str:
        """Name of the format that the array stores; it has all integers of this one."""
        return self.array_name or self.name

    @property
    def max_magnitude(self) -> int:
        """Largest integer a weight of this format can be."""
        return self.magnitudes[-1]

    @property
    def levels(self) -> npt.NDArray[np.int64]:
        """All signed integers of the codebook, ascending, without repetition."""
        positive = np.array(self.magnitudes, dtype=np.int64)
        return np.unique(np.concatenate([-positive, positive]))

    def encode(self, integers: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
        """Return the stored code of each signed integer (any shape).

        Shift-add codes are sign-magnitude: bit `bits - 1` is the sign, the rest is the
        magnitude index; zero is code 0. Fixed codes are two's complement in `bits` bits.

        Raises:
            ValueError: an integer is not in the codebook.
        """
        integers = np.asarray(integers, dtype=np.int64)
        magnitudes = np.array(self.magnitudes, dtype=np.int64)
        index = np.clip(np.searchsorted(magnitudes, np.abs(integers)), 0, len(magnitudes) - 1)
        if not np.array_equal(magnitudes[index], np.abs(integers)):
            raise ValueError(f"weights are not levels of codebook {self.name}")
        if self.scheme is Scheme.FIXED:
            return np.asarray(integers & ((1 << self.bits) - 1), dtype=np.uint8)
        sign = (integers < 0).astype(np.int64) << (self.bits - 1)
        return np.asarray(sign | index, dtype=np.uint8)

    def decode(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Return the signed integer of each stored code (any shape); inverse of `encode`.

        Raises:
            ValueError: a code has no meaning in this codebook.
        """
        codes = np.asarray(codes, dtype=np.int64)
        if codes.size and (codes.min() < 0 or codes.max() >= 1 << self.bits):
            raise ValueError(f"codes of {self.name} must fit {self.bits} bits")
        sign_bit = 1 << (self.bits - 1)
        if self.scheme is Scheme.FIXED:
            integers = np.where(codes >= sign_bit, codes - 2 * sign_bit, codes)
            if np.abs(integers).max(initial=0) > self.max_magnitude:
                raise ValueError(f"a code of {self.name} is beyond +-{self.max_magnitude}")
            return integers
        index = codes & (sign_bit - 1)
        if index.max(initial=0) >= len(self.magnitudes):
            raise ValueError(f"a code of {self.name} has no magnitude")
        magnitude = np.array(self.magnitudes, dtype=np.int64)[index]
        return np.asarray(np.where(codes & sign_bit, -magnitude, magnitude), dtype=np.int64)


def _fixed(bits: int, max_magnitude: int, array_name: str = "") -> Codebook:
    magnitudes = tuple(range(max_magnitude + 1))
    return Codebook(f"Fixed-{bits}", Scheme.FIXED, bits, magnitudes, array_name=array_name)


def _shift_add(name: str, *terms: tuple[int, ...], array_name: str = "") -> Codebook:
    magnitudes = tuple(sum(1 << shift for shift in shifts) for shifts in terms)
    bits = int(name.rpartition("-")[2])
    return Codebook(name, Scheme.SHIFT_ADD, bits, magnitudes, terms, array_name)


# The second shift of a pair is the one with fewer choices, so that its shifter is small.
SP2_4 = _shift_add("SP2-4", (), (0,), (1,), (2,), (0, 2), (1, 2), (2, 2))
POT_4 = _shift_add("PoT-4", (), (0,), (1,), (2,), (3,), (4,), (5,), (6,))
APOT_4 = _shift_add("APoT-4", (), (0,), (1,), (1, 0), (2,), (2, 1), (3,), (3, 1))
FIXED_4 = _fixed(4, 7)
FIXED_8 = _fixed(8, 119)
SP2_3 = _shift_add("SP2-3", (), (0,), (0, 0), array_name="SP2-4")
POT_3 = _shift_add("PoT-3", (), (0,), (1,), (2,), array_name="PoT-4")
FIXED_3 = _fixed(3, 3, "Fixed-4")
POT_2 = _shift_add("PoT-2", (), (0,), array_name="PoT-4")
FIXED_2 = _fixed(2, 1, "Fixed-4")

# Saved models count on the order: a new codebook goes to the end.
CODEBOOKS: dict[str, Codebook] = {
    book.name: book
    for book in (SP2_4, POT_4, APOT_4, FIXED_4, FIXED_8, SP2_3, POT_3, FIXED_3, POT_2, FIXED_2)
}
SHIFT_ADD_NAMES = tuple(n for n, b in CODEBOOKS.items() if b.scheme is Scheme.SHIFT_ADD)
LANE_CODEBOOKS = tuple(n for n in SHIFT_ADD_NAMES if CODEBOOKS[n].array_format == n)
"""What the array's shift-add lanes compute."""


def codebook(name: str) -> Codebook:
    """Return the codebook called `name` (case does not matter).

    Raises:
        ConfigError: there is none; the message lists them and suggests the nearest.
    """
    for known, book in CODEBOOKS.items():
        if known.lower() == name.lower():
            return book
    near = difflib.get_close_matches(name.lower(), [n.lower() for n in CODEBOOKS], n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"unknown codebook {name!r}", fix=f"{hint}known: {', '.join(CODEBOOKS)}")


def mix_formats(shift_add: str) -> tuple[str, str, str]:
    """Return the formats of the three shares of a ratio, shift-add : fixed : Fixed-8.

    The fixed rows have the width of the shift-add rows: PoT-3 is mixed with Fixed-3.
    """
    book = codebook(shift_add)
    return book.name, f"Fixed-{book.bits}", FIXED_8.name


def array_rows(
    codes: npt.NDArray[np.generic], formats: tuple[str, ...]
) -> tuple[npt.NDArray[np.generic], tuple[str, ...]]:
    """Return codes [O, ...] and formats as the array stores them; no weight integer changes.

    Rows of 3 or 2 bits become rows of the 4-bit format that has their integers.
    """
    stored = tuple(codebook(name).array_format for name in formats)
    if stored == formats:
        return codes, formats
    result, names = np.array(codes), np.array(formats)
    for name in sorted({a for a, b in zip(formats, stored, strict=True) if a != b}):
        book, pick = codebook(name), names == name
        integers = book.decode(np.asarray(codes[pick], dtype=np.int64))
        result[pick] = codebook(book.array_format).encode(integers)
    return result, stored


def decode_rows(codes: npt.NDArray[np.generic], formats: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the signed weight integers of codes [O, ...] whose row `r` has `formats[r]`."""
    integers = np.zeros(codes.shape, dtype=np.int64)
    names = np.array(formats)
    for name in sorted(set(formats)):
        pick = names == name
        integers[pick] = codebook(name).decode(np.asarray(codes[pick], dtype=np.int64))
    return integers


def row_blocks(codes: npt.NDArray[np.generic], multiple: int = 1) -> list[slice]:
    """Return slices of rows [O, ...] that bound what decoding them at once takes (64 MiB).

    Every slice but the last has a multiple of `multiple` rows.
    """
    per_row = max(1, codes.size // max(1, len(codes)))
    rows = max(1, _BLOCK_NUMBERS // per_row // multiple) * multiple
    return [slice(start, start + rows) for start in range(0, len(codes), rows)]


def row_powers(codes: npt.NDArray[np.generic], formats: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the sum of |weight integer| of every row, int64 [O], of codes [O, ...]."""
    powers = np.zeros(len(codes), dtype=np.int64)
    for block in row_blocks(codes):
        integers = decode_rows(codes[block], formats[block])
        powers[block] = np.abs(integers).reshape(len(integers), -1).sum(axis=1)
    return powers
