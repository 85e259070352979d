"""Figures and names as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmsmp_hls.report import words


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (words.count, 1234567, "1,234,567"),
        (words.halves, 140.5, "140.5"),
        (words.halves, 140.0, "140"),
        (words.percent, 12.345, "12.3 %"),
        (words.share, 0.5, "50.0 %"),
        (words.real, 0.0142251, "0.0142"),
        (words.real, 12.34, "12.3"),
        (words.real, 70298.8, "70,299"),
        (words.real, 0.0, "0.00"),
        (words.milliseconds, 0.0142251, "14.2 µs"),
        (words.milliseconds, 3.1, "3.10 ms"),
        (words.size, 640, "640 B"),
        (words.size, 12800, "12.5 KiB"),
        (words.seconds, 0.4, "0.40 s"),
        (words.seconds, 125.2, "2 min 05 s"),
        (words.shape, (16, 8, 8), "16×8×8"),
        (words.ratio, (65.0, 30.0, 5.0), "65 : 30 : 5"),
    ],
)
def test_figures_read_as_people_write_them(function, value, text) -> None:
    """Each figure has its separators, digits and unit."""
    assert function(value) == text


def test_scaled_uses_decimal_prefixes() -> None:
    """1e9 is giga, small figures keep their unit."""
    assert words.scaled(3.12e9, "MAC/s") == "3.12 GMAC/s"
    assert words.scaled(12.0, "MAC/s") == "12.0 MAC/s"


@pytest.mark.parametrize(
    "function",
    [words.count, words.halves, words.percent, words.share, words.real, words.milliseconds,
     words.size, words.seconds, words.ratio],
)  # fmt: skip
def test_an_unknown_figure_is_a_dash(function) -> None:
    """None never becomes a number."""
    assert function(None) == words.DASH
    assert words.scaled(None, "MAC/s") == words.DASH


@given(st.text(max_size=300), st.integers(3, 80))
def test_shorten_never_passes_the_width_and_never_leaves_control_characters(text, width) -> None:
    """Whatever the name, what is shown is short and printable."""
    short = words.shorten(text, width)
    assert len(short) <= width
    assert words.printable(short) == short


def test_shorten_keeps_both_ends() -> None:
    """The block and the layer stay readable."""
    assert words.shorten("layer1.0.block.conv.weight", 15) == "layer1.….weight"


def test_printable_writes_out_terminal_escapes_and_bidirectional_marks() -> None:
    """A name can neither colour a terminal nor reorder a line."""
    assert words.printable("a\x1b[31m\u202e\n") == r"a\x1b[31m\u202e\n"
