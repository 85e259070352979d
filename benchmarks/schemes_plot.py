"""The picture docs/schemes.svg: test accuracy of every run, by scheme, one panel per network."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

from schemes_pairs import BASE, Figures, cases, schemes, values

PLOT = Path(__file__).resolve().parent.parent / "docs" / "schemes.svg"
_FAMILIES = (
    ("float", "#777777"),
    ("4 bits, one codebook", "#2b6cb0"),
    ("4 bits, mixed", "#2f855a"),
    ("3 bits", "#c05621"),
    ("2 bits", "#c53030"),
)
_LEFT, _TOP, _ROW, _PANEL, _GAP = 150, 56, 22, 270, 24
_WIDTH = 720  # at least, for the legend
_STYLE = "font-family='Helvetica, Arial, sans-serif' font-size='12'"
_TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Steps of an axis in percentage points: the least that gives six labels or fewer."""


def family(scheme: dict[str, Any]) -> int:
    """Return which of the families a scheme is of."""
    if not scheme["ratio"]:
        return 0
    bits = int(scheme["codebook"].rpartition("-")[2])
    if bits < 4:
        return 3 if bits == 3 else 4
    return 2 if sum(float(share) > 0 for share in scheme["ratio"].split(":")) > 1 else 1


def drawing(figures: Figures) -> str:
    """Return the picture as SVG: a dot per run, a bar at the mean, a line at that of `BASE`."""
    names, panels = schemes(figures), cases(figures)
    bottom = _TOP + _ROW * len(names)
    width = max(_WIDTH, _LEFT + len(panels) * (_PANEL + _GAP))
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {bottom + 86}' {_STYLE}>",
        f"<rect width='{width}' height='{bottom + 86}' fill='white'/>",
    ]
    for place, name in enumerate(names):
        y = _TOP + _ROW * (place + 0.5)
        words = figures["schemes"][name]["words"].replace(" (see above)", "")
        colour = _FAMILIES[family(figures["schemes"][name])][1]
        parts.append(_text(_LEFT - 10, y + 4, words, "end", f"fill='{colour}'"))
    for place, case in enumerate(panels):
        left = _LEFT + place * (_PANEL + _GAP)
        parts += _panel(figures, case, names, left, bottom)
    x = float(_LEFT)
    for words, colour in _FAMILIES:
        parts.append(f"<circle cx='{x:.0f}' cy='{bottom + 50}' r='4' fill='{colour}'/>")
        parts.append(_text(x + 9, bottom + 54, words, "start"))
        x += 36 + 6 * len(words)
    words = "dot: a run; bar: mean; dashed line: mean of Fixed-W4A4"
    parts.append(_text(_LEFT - 4, bottom + 74, words, "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def write_plot(figures: Figures, path: Path = PLOT) -> Path:
    """Write the picture; return where."""
    path.write_text(drawing(figures), encoding="utf-8")
    return path


def axis(low: float, high: float) -> tuple[float, ...]:
    """Return the labels of an axis from low to high, in points: six or fewer, within it."""
    step = next((s for s in _TICKS if (high - low) / s <= 5), _TICKS[-1] * 2)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(step * number, 6) for number in range(first, last + 1))


def _panel(figures: Figures, case: str, names: list[str], left: float, bottom: float) -> list[str]:
    found = {
        name: [100 * v for v in values(figures, case, name, "trained", "accuracy").values()]
        for name in names
    }
    every = [value for numbers in found.values() for value in numbers]
    margin = 0.04 * (max(every) - min(every)) or 0.05
    low, high = min(every) - margin, max(every) + margin
    scale = _PANEL / (high - low)

    def x(value: float) -> float:
        return round(left + (value - low) * scale, 1)

    parts = [
        _text(left, _TOP - 30, figures["cases"][case]["words"], "start", "font-weight='bold'"),
        _text(left, _TOP - 14, "test accuracy after training, %", "start"),
    ]
    for value in axis(low, high):
        parts.append(_line(x(value), _TOP, x(value), bottom, "#dddddd"))
        parts.append(_text(x(value), bottom + 16, f"{value:g}", "middle"))
    if found.get(BASE):
        middle = x(statistics.fmean(found[BASE]))
        parts.append(_line(middle, _TOP, middle, bottom, "#2b6cb0", "stroke-dasharray='4 3'"))
    for place, name in enumerate(names):
        y = _TOP + _ROW * (place + 0.5)
        colour = _FAMILIES[family(figures["schemes"][name])][1]
        parts += [
            f"<circle cx='{x(value)}' cy='{y:.1f}' r='3.5' fill='{colour}' fill-opacity='0.35'/>"
            for value in found[name]
        ]
        if found[name]:
            middle = x(statistics.fmean(found[name]))
            parts.append(_line(middle, y - 8, middle, y + 8, colour, "stroke-width='3'"))
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, extra: str = "") -> str:
    return f"<line x1='{x1}' y1='{y1}' x2='{x2}' y2='{y2}' stroke='{colour}' {extra}/>"


def _text(x: float, y: float, words: str, anchor: str, extra: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' {extra}>{words}</text>"
