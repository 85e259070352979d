"""The picture docs/weight-fits.svg: how row formats fit real weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLOT = Path(__file__).resolve().parent.parent / "docs" / "weight-fits.svg"
_COLOURS = {
    "SP2-4": "#2b6cb0", "PoT-4": "#c05621", "APoT-4": "#2f855a", "Fixed-4": "#555555",
    "Fixed-8": "#999999", "SP2-3": "#2b6cb0", "PoT-3": "#c05621", "Fixed-3": "#555555",
    "PoT-2": "#c05621", "Fixed-2": "#555555",
}  # fmt: skip
_SCALES = (("row MSE", 1.0, ""), ("layer max-abs", 0.35, "5 4"))
"""Scale, opacity of its boxes, dashes of its lines."""
_WIDTH, _HEIGHT = 1240, 440
_STYLE = "font-family='Helvetica, Arial, sans-serif' font-size='12'"


@dataclass(frozen=True, slots=True)
class Panel:
    """A drawing area with a logarithmic y axis; all in pixels but `low` and `high`."""

    left: float
    right: float
    top: float
    bottom: float
    low: float
    high: float

    def y(self, value: float) -> float:
        """Return the height of a value; what is outside lies on the edge."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top), 1)

    def x(self, share: float) -> float:
        """Return the place of 0 (left edge) .. 1 (right edge)."""
        return round(self.left + share * (self.right - self.left), 1)

    def frame(self, title: str, ticks: Sequence[float]) -> list[str]:
        """Return title, axis lines and labels."""
        parts = [_text(self.left, self.top - 16, title, "start", "font-weight='bold'")]
        for tick in ticks:
            y = self.y(tick)
            parts.append(_line(self.left, y, self.right, y, "#dddddd"))
            parts.append(_text(self.left - 6, y + 4, f"{tick:g}", "end"))
        return parts


def drawing(figures: dict[str, Any]) -> str:
    """Return the picture of weight_fits' figures as SVG."""
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}' {_STYLE}>",
        f"<rect width='{_WIDTH}' height='{_HEIGHT}' fill='white'/>",
        *_boxes(figures["fits"]),
        *_tenths(figures["variance"]),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def write_plot(figures: dict[str, Any], path: Path = PLOT) -> Path:
    """Write the picture; return where."""
    path.write_text(drawing(figures), encoding="utf-8")
    return path


def _boxes(fits: dict[str, Any]) -> list[str]:
    """Boxes: the middle half of the rows, a line at the median, whiskers 5% .. 95%."""
    panel = Panel(70, 770, 50, 350, 3e-5, 1.2)
    parts = panel.frame("Relative squared error of rows", (1e-4, 1e-3, 1e-2, 1e-1, 1.0))
    books = list(_COLOURS)
    for place, book in enumerate(books):
        for half, (scale, opacity, _) in enumerate(_SCALES):
            x = panel.x((place + 0.3 + 0.38 * half) / len(books))
            five, low, middle, high, most = fits[scale][book]["quantiles"].values()
            colour = _COLOURS[book]
            top, bottom = panel.y(high), panel.y(low)
            parts += [
                _line(x, panel.y(five), x, panel.y(most), colour),
                f"<rect x='{x - 11:.1f}' y='{top}' width='22' height='{bottom - top:.1f}' "
                f"fill='{colour}' fill-opacity='{opacity}' stroke='{colour}'/>",
                _line(x - 11, panel.y(middle), x + 11, panel.y(middle), "#000000"),
            ]
        parts.append(_text(panel.x((place + 0.5) / len(books)), 370, book, "middle"))
    parts.append(
        _text(panel.left, 400, "left, filled: scale per row by squared error (MSE)", "start")
    )
    parts.append(
        _text(panel.left, 417, "right, pale: scale of the layer's largest weight", "start")
    )
    return parts


def _tenths(variance: dict[str, Any]) -> list[str]:
    """Lines: error relative to Fixed-4 from the tenth of least variance to that of most."""
    panel = Panel(850, 1150, 50, 350, 0.25, 3.2)
    title = "Error / error as Fixed-4, by the rows' variance"
    parts = panel.frame(title, (0.25, 0.5, 1.0, 2.0))
    parts.append(_line(panel.left, panel.y(1.0), panel.right, panel.y(1.0), "#555555"))
    for book in ("SP2-4", "PoT-4", "APoT-4"):
        for scale, _, dashes in _SCALES:
            ratios = variance[scale][book]["ratio_by_tenth"]
            points = " ".join(
                f"{panel.x((i + 0.5) / len(ratios))},{panel.y(value)}"
                for i, value in enumerate(ratios)
            )
            parts.append(
                f"<polyline points='{points}' fill='none' stroke='{_COLOURS[book]}' "
                f"stroke-width='2' stroke-dasharray='{dashes or 'none'}'/>"
            )
            if scale == _SCALES[0][0]:
                y = panel.y(ratios[-1]) + 4
                extra = f"fill='{_COLOURS[book]}'"
                parts.append(_text(panel.right + 2, y, book, "start", extra))
    parts.append(_text(panel.left, 370, "least variance in the layer", "start"))
    parts.append(_text(panel.right, 370, "most", "end"))
    parts.append(_text(panel.left, 400, "solid: scale per row by squared error (MSE)", "start"))
    parts.append(_text(panel.left, 417, "dashed: scale of the layer's largest weight", "start"))
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1}' x2='{x2:.1f}' y2='{y2}' stroke='{colour}'/>"


def _text(x: float, y: float, words: str, anchor: str, extra: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' {extra}>{words}</text>"
