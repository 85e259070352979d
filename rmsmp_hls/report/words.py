"""Figures and names as text: units, dashes for what is not known, harmless names."""

from __future__ import annotations

import unicodedata

DASH = "–"
NOT_MEASURED = "not measured"
_UNPRINTED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def printable(text: str) -> str:
    """Return `text` with control and formatting characters written out, as `\\x1b`.

    A terminal obeys them, and bidirectional marks reorder what is read.
    """
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNPRINTED else char
        for char in text
    )


def shorten(text: str, width: int = 48) -> str:
    """Return `text` printable, its middle replaced by an ellipsis where it is longer than `width`.

    The ends say most: a module path starts with its block and ends with its layer.
    """
    # Printable text is never shorter than the text: only the two ends need the conversion.
    if len(text) <= width:
        text = printable(text)
        if len(text) <= width:
            return text
    head = width // 2
    tail = width - 1 - head
    front, back = printable(text[:width]), printable(text[-width:])
    return f"{front[:head]}…{back[-tail:]}"


def count(value: float | None) -> str:
    """Return a whole number with thousands separated: `1,234,567`."""
    return DASH if value is None else f"{value:,.0f}"


def number_of(value: int, thing: str) -> str:
    """Return `1 image`, `3 images`."""
    return f"{count(value)} {thing}{'' if value == 1 else 's'}"


def halves(value: float | None) -> str:
    """Return a number of blocks: `12`, or `12.5` (half a 36 Kb block is an 18 Kb one)."""
    if value is None:
        return DASH
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return `12.3 %`."""
    return DASH if value is None else f"{value:.{digits}f} %"


def share(value: float | None) -> str:
    """Return a share 0..1 as percent."""
    return percent(None if value is None else 100 * value)


def real(value: float | None, unit: str = "") -> str:
    """Return three significant digits and the unit: `1,230 images/s`, `0.0123 ms`."""
    if value is None:
        return DASH
    if value != 0 and not 1e-4 <= abs(value) < 1e15:
        text = f"{value:.3g}"
    else:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        small = abs(value) < 1 and value != 0
        text = f"{value:.3g}" if small else f"{value:,.{digits}f}"
    return f"{text} {unit}" if unit else text


def scaled(value: float | None, unit: str) -> str:
    """Return a large figure with a decimal prefix: `3.12 GMAC/s`."""
    if value is None:
        return DASH
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{real(value / factor)} {prefix}{unit}"
    return real(value, unit)


def size(value: int | None) -> str:
    """Return a size: `640 B`, `12.5 KiB`."""
    if value is None:
        return DASH
    if value < 1024:
        return f"{value} B"
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= factor:
            return f"{value / factor:,.1f} {unit}"
    raise AssertionError(value)


def seconds(value: float | None) -> str:
    """Return a duration: `0.12 s`, `2 min 05 s`."""
    if value is None:
        return DASH
    if value >= 60:
        whole = round(value)
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def milliseconds(value: float | None) -> str:
    """Return a short duration in the unit that reads best: `14.2 µs`, `3.10 ms`."""
    if value is not None and value < 1:
        return real(1000 * value, "µs")
    return real(value, "ms")


def shape(sizes: tuple[int, ...]) -> str:
    """Return a shape: `16×8×8`."""
    return "×".join(str(item) for item in sizes) if sizes else DASH


def ratio(shares: tuple[float, float, float] | None) -> str:
    """Return three shares: `65 : 30 : 5`, at most one decimal."""
    if shares is None:
        return DASH
    return " : ".join(f"{round(item, 1):g}" for item in shares)
