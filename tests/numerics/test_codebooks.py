"""Codebooks: codes, levels, shift terms."""

from __future__ import annotations

import numpy as np
import pytest

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.numerics.codebooks import (
    CODEBOOKS,
    SHIFT_ADD_NAMES,
    array_rows,
    codebook,
    decode_rows,
    mix_formats,
)


@pytest.mark.parametrize("book", CODEBOOKS.values(), ids=list(CODEBOOKS))
def test_codes_round_trip_over_all_levels(book) -> None:
    """encode then decode is the identity on every level; codes fit their bits."""
    codes = book.encode(book.levels)
    assert codes.max() < 1 << book.bits
    assert np.array_equal(book.decode(codes), book.levels)


@pytest.mark.parametrize("name", SHIFT_ADD_NAMES)
def test_at_most_two_shifts_make_every_magnitude(name: str) -> None:
    """The terms of a shift-add codebook sum to its magnitudes."""
    book = CODEBOOKS[name]
    for magnitude, shifts in zip(book.magnitudes, book.terms, strict=True):
        assert len(shifts) <= 2
        assert sum(1 << s for s in shifts) == magnitude


def test_magnitudes_are_the_published_ones() -> None:
    """SP2-4 by MSQ Eq. 8 in units of 1/8, PoT-4 0 and 2^0..2^6, APoT-4 in tenths."""
    assert CODEBOOKS["SP2-4"].magnitudes == (0, 1, 2, 4, 5, 6, 8)
    assert CODEBOOKS["PoT-4"].magnitudes == (0, 1, 2, 4, 8, 16, 32, 64)
    assert CODEBOOKS["APoT-4"].magnitudes == (0, 1, 2, 3, 4, 6, 8, 10)
    assert CODEBOOKS["Fixed-4"].max_magnitude == 7


def test_narrow_magnitudes_are_the_papers_of_fewer_bits() -> None:
    """The formulas of the papers' quantizers at m = 3 and 2 bits, in units of the least level."""

    def pot(bits: int) -> tuple[int, ...]:
        return (0, *(2**i for i in range(2 ** (bits - 1) - 1)))

    sums = {a + b for a in (0, 1) for b in (0, 1)}  # SP2 with m1 = m2 = 1, in halves
    assert CODEBOOKS["PoT-3"].magnitudes == pot(3) and CODEBOOKS["PoT-4"].magnitudes == pot(4)
    assert CODEBOOKS["PoT-2"].magnitudes == pot(2) == (0, 1)
    assert CODEBOOKS["SP2-3"].magnitudes == tuple(sorted(sums))
    assert CODEBOOKS["Fixed-3"].magnitudes == (0, 1, 2, 3)
    assert CODEBOOKS["Fixed-2"].magnitudes == (0, 1)


@pytest.mark.parametrize("book", CODEBOOKS.values(), ids=list(CODEBOOKS))
def test_the_array_stores_the_same_integers(book) -> None:
    """Every level survives the step to the array's format, which is of 4 or 8 bits."""
    codes = book.encode(book.levels).reshape(1, -1)
    stored, (name,) = array_rows(codes, (book.name,))
    array = CODEBOOKS[name]
    assert array.bits in (4, 8) and array.array_format == name
    assert array.scheme is book.scheme
    assert np.array_equal(decode_rows(stored, (name,))[0], book.levels)


def test_rows_of_the_arrays_own_formats_stay_as_they_are() -> None:
    """Only narrow rows change their codes; the given codes are not written to."""
    codes = np.array([[0b101], [0b101], [0b111]], dtype=np.uint8)
    stored, names = array_rows(codes, ("PoT-3", "PoT-4", "Fixed-3"))
    assert names == ("PoT-4", "PoT-4", "Fixed-4")
    assert stored.reshape(-1).tolist() == [0b1001, 0b101, 0b1111]
    assert codes.reshape(-1).tolist() == [0b101, 0b101, 0b111]
    assert array_rows(codes, ("PoT-4",) * 3)[0] is codes


def test_a_mix_has_one_width() -> None:
    """The fixed rows have the shift-add rows' width; the most sensitive rows keep 8 bits."""
    assert mix_formats("pot-4") == ("PoT-4", "Fixed-4", "Fixed-8")
    assert mix_formats("SP2-3") == ("SP2-3", "Fixed-3", "Fixed-8")
    assert mix_formats("PoT-2") == ("PoT-2", "Fixed-2", "Fixed-8")


def test_fixed8_fits_two_signed_nibbles() -> None:
    """w = 16 * high + low with both nibbles in -8..7 for every level of Fixed-8."""
    levels = CODEBOOKS["Fixed-8"].levels
    low = ((levels + 8) & 15) - 8
    high = (levels - low) // 16
    assert np.array_equal(16 * high + low, levels)
    assert high.min() >= -8 and high.max() <= 7


def test_values_and_codes_outside_are_refused() -> None:
    """3 is no SP2 level; code 7 of SP2 has no magnitude; -128 is no Fixed-8 code."""
    with pytest.raises(ValueError, match="not levels"):
        CODEBOOKS["SP2-4"].encode(np.array([3]))
    with pytest.raises(ValueError, match="no magnitude"):
        CODEBOOKS["SP2-4"].decode(np.array([7]))
    with pytest.raises(ValueError, match="beyond"):
        CODEBOOKS["Fixed-8"].decode(np.array([0x80]))


def test_unknown_codebook_suggests_the_nearest() -> None:
    """A misspelt name is answered with the one that was meant."""
    with pytest.raises(ConfigError, match="did you mean 'sp2-4'"):
        codebook("SP2_4")
    assert codebook("sp2-4").name == "SP2-4"


def test_decode_rows_uses_each_rows_codebook() -> None:
    """The same code means another weight in another row."""
    rows = decode_rows(np.array([[5], [5], [5]], dtype=np.uint8), ("SP2-4", "PoT-4", "Fixed-4"))
    assert rows.reshape(-1).tolist() == [6, 16, 5]
