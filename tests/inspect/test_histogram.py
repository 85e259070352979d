"""Histograms of weight codes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.inspect.histogram import code_bytes, code_histograms
from rmsmp_hls.numerics.codebooks import CODEBOOKS


@given(
    st.lists(st.sampled_from(sorted(CODEBOOKS)), min_size=1, max_size=6),
    st.integers(1, 20),
    st.integers(0, 2**32 - 1),
)
def test_every_weight_is_counted_once_in_its_format(formats, cols, seed) -> None:
    """Against counting one by one."""
    rng = np.random.default_rng(seed)
    integers = [rng.choice(CODEBOOKS[name].levels, cols) for name in formats]
    codes = np.stack(
        [CODEBOOKS[name].encode(row) for name, row in zip(formats, integers, strict=True)]
    )
    found = code_histograms(codes, tuple(formats))
    assert [item.name for item in found] == list(dict.fromkeys(formats))
    for item in found:
        rows = [row for name, row in zip(formats, integers, strict=True) if name == item.name]
        levels = CODEBOOKS[item.name].levels
        assert item.rows == len(rows)
        assert item.total == cols * len(rows)
        assert item.zeros == sum(int(value) == 0 for row in rows for value in row)
        assert (item.low, item.high) == (levels[0], levels[-1])
        assert len(item.bars) == len(item.counts) <= 17
        if len(item.counts) == len(levels):
            one_by_one = [sum(int((row == level).sum()) for row in rows) for level in levels]
            assert list(item.counts) == one_by_one


def test_the_fullest_bar_is_full_and_an_empty_one_is_a_dot() -> None:
    """A weight that occurs once is still seen."""
    book = CODEBOOKS["Fixed-4"]
    integers = np.array([[0] * 1000 + [7]])
    (item,) = code_histograms(book.encode(integers), ("Fixed-4",))
    assert item.bars == "·······█······▁"


def test_meaningless_codes_and_formats_are_refused() -> None:
    """Index 7 is no magnitude of SP2-4; an unknown name is no codebook."""
    with pytest.raises(ValueError, match="no magnitude"):
        code_histograms(np.array([[7]], dtype=np.uint8), ("SP2-4",))
    with pytest.raises(ConfigError, match="unknown codebook"):
        code_histograms(np.array([[0]], dtype=np.uint8), ("SP9",))
    with pytest.raises(ValueError, match="1 rows, 2 formats"):
        code_histograms(np.array([[0]], dtype=np.uint8), ("SP2-4", "SP2-4"))


def test_bytes_are_those_of_each_formats_width() -> None:
    """Three 4-bit weights take two bytes, three 8-bit weights three."""
    codes = np.zeros((2, 3, 1, 1), dtype=np.uint8)
    assert code_bytes(codes, ("SP2-4", "Fixed-8")) == 2 + 3
