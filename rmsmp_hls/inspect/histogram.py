"""Histograms of weight codes as small text bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rmsmp_hls.numerics.codebooks import Codebook, codebook

MAX_BARS = 17
_BARS = "▁▂▃▄▅▆▇█"
_EMPTY = "·"


@dataclass(frozen=True, slots=True)
class CodeHistogram:
    """How often the weights of one format take each level of its codebook.

    Attributes:
        name: of the format.
        rows: rows that have it.
        low, high: smallest and largest level of the codebook.
        counts: weights per bar, ascending; one bar per level, or per group of levels.
        zeros: weights that are 0.
    """

    name: str
    rows: int
    low: int
    high: int
    counts: tuple[int, ...]
    zeros: int

    @property
    def total(self) -> int:
        """All weights of the format."""
        return sum(self.counts)

    @property
    def bars(self) -> str:
        """One character per bar: the fullest is a full block, a bar without weights a dot."""
        most = max(self.counts, default=0)
        return "".join(
            _BARS[min(7, 8 * count // (most + 1))] if count else _EMPTY for count in self.counts
        )


def code_histograms(
    codes: npt.NDArray[np.generic], formats: tuple[str, ...]
) -> tuple[CodeHistogram, ...]:
    """Return one histogram per format of a layer, in order of first appearance.

    Args:
        codes: uint8 [rows, ...], stored codes.
        formats: codebook name of every row.

    Raises:
        ConfigError: a format is unknown.
        ValueError: a code has no meaning in its format, or there is not one format per row.
    """
    if len(formats) != len(codes):
        raise ValueError(f"{len(codes)} rows, {len(formats)} formats")
    names = np.array(formats, dtype=object)
    flat = np.asarray(codes).reshape(len(formats), -1).astype(np.int64)
    return tuple(_histogram(codebook(name), flat[names == name]) for name in dict.fromkeys(formats))


def _histogram(book: Codebook, codes: npt.NDArray[np.int64]) -> CodeHistogram:
    integers = book.decode(codes)
    levels = book.levels
    per_level = np.bincount(np.searchsorted(levels, integers.reshape(-1)), minlength=len(levels))
    groups = np.array_split(per_level, min(MAX_BARS, len(levels)))
    return CodeHistogram(
        name=book.name,
        rows=len(codes),
        low=int(levels[0]),
        high=int(levels[-1]),
        counts=tuple(int(group.sum()) for group in groups),
        zeros=int((integers == 0).sum()),
    )


def code_bytes(codes: npt.NDArray[np.generic], formats: tuple[str, ...]) -> int:
    """Return the bytes that the codes take, each at its format's width, rows padded to bytes."""
    per_row = int(np.prod(codes.shape[1:], dtype=np.int64))
    return sum((codebook(name).bits * per_row + 7) // 8 for name in formats)
