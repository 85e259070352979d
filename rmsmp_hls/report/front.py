"""The Pareto front of designs as a table and as a page with charts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from rmsmp_hls.report import words
from rmsmp_hls.report.html import render_page
from rmsmp_hls.report.origin import Origin
from rmsmp_hls.report.tables import Column, Table

TEMPLATE = "explore.html.j2"
_LEFT, _TOP, _WIDTH, _HEIGHT = 52.0, 14.0, 340.0, 190.0  # of a chart's plane, in its picture


@dataclass(frozen=True, slots=True)
class FrontRow:
    """One design.

    Attributes:
        shape: lanes, channels and pixels in words.
        ratio: of its rows, "" if as they came.
        latency_ms, lut, dsp, bram: time of an image and percent of the board, modelled.
        proxy_db: accuracy proxy, None if not known.
        chosen: whether `build` takes it.
        command: what makes `build` take it.
    """

    shape: str
    ratio: str
    latency_ms: float
    lut: float
    dsp: float
    bram: float
    proxy_db: float | None
    chosen: bool
    command: str


@dataclass(frozen=True, slots=True)
class FrontPage:
    """All that the page says.

    Attributes:
        title: the model.
        facts: (name, value) of the head.
        notes: sentences.
        rows: all designs, quickest first.
        version: of the program.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    rows: tuple[FrontRow, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid at `at`, with its label."""

    at: str
    label: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A design in a chart."""

    x: str
    y: str
    css: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Latency to the right, on a logarithmic axis; one figure upwards. `origin` is the figure's, ""
    where the page says it in words."""

    title: str
    origin: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    dots: tuple[Dot, ...]
    legend: tuple[tuple[str, str], ...]


def front_table(rows: Iterable[FrontRow]) -> Table:
    """Return one row per design, numbered from 1; what `build` takes is marked."""
    columns = (
        Column("No.", number=True),
        Column("Lanes × channels × pixels"),
        Column("Rows"),
        Column("Latency", number=True),
        Column("Images/s", number=True),
        Column("LUT", number=True),
        Column("DSP", number=True),
        Column("BRAM", number=True),
        Column("Proxy", number=True),
        Column("build"),
    )
    cells = tuple(
        (
            str(number),
            row.shape,
            row.ratio or words.DASH,
            words.milliseconds(row.latency_ms),
            words.real(1e3 / row.latency_ms),
            words.percent(row.lut),
            words.percent(row.dsp),
            words.percent(row.bram),
            words.DASH if row.proxy_db is None else f"{row.proxy_db:.1f} dB",
            "takes it" if row.chosen else "",
        )
        for number, row in enumerate(rows, 1)
    )
    return Table(columns, cells)


def front_html(page: FrontPage) -> str:
    """Return the page: charts and all designs; no script, no network, everything inline.

    Raises:
        CodegenError, ReportError: see `html.render_page`.
    """
    return render_page(TEMPLATE, page=page, charts=charts(page.rows), table=front_table(page.rows))


def charts(rows: tuple[FrontRow, ...]) -> tuple[Chart, ...]:
    """Return a chart of each resource against latency, and of the proxy if it differs."""
    found = [
        _chart("LUT, % of the board", rows, [row.lut for row in rows]),
        _chart("DSP, % of the board", rows, [row.dsp for row in rows]),
        _chart("BRAM, % of the board", rows, [row.bram for row in rows]),
    ]
    known = tuple(row for row in rows if row.proxy_db is not None)
    if len({row.proxy_db for row in known}) > 1:
        found.append(
            _chart("Accuracy proxy, dB", known, [row.proxy_db or 0.0 for row in known], "")
        )
    return tuple(found)


def _chart(
    title: str, rows: tuple[FrontRow, ...], values: list[float], origin: str = Origin.MODELLED.value
) -> Chart:
    times = [math.log10(row.latency_ms) for row in rows]
    low, high = min(times) - 0.05, max(times) + 0.05
    bottom = min(0.0, *values, 0.0)
    step = _step((max(values) - bottom) or 1.0)
    top = bottom + step * math.ceil((max(values) - bottom) / step or 1)

    def x(time: float) -> str:
        return f"{_LEFT + _WIDTH * (time - low) / (high - low):.1f}"

    def y(value: float) -> str:
        return f"{_TOP + _HEIGHT * (1 - (value - bottom) / (top - bottom)):.1f}"

    kinds = list(dict.fromkeys(row.ratio for row in rows))
    dots = tuple(
        Dot(
            x(time),
            y(value),
            f"series{kinds.index(row.ratio) % 3}" + (" chosen" if row.chosen else ""),
            f"{row.shape}: {words.milliseconds(row.latency_ms)}, {value:.1f}"
            + (", taken by build" if row.chosen else ""),
        )
        for row, time, value in sorted(
            zip(rows, times, values, strict=True), key=lambda item: item[0].chosen
        )
    )
    count = round((top - bottom) / step)
    return Chart(
        title,
        origin,
        tuple(Tick(x(math.log10(t)), words.milliseconds(t)) for t in _decades(low, high)),
        tuple(
            Tick(y(bottom + step * n), f"{bottom + step * n:g}") for n in range(count + 1)
        ),
        dots,
        tuple((f"series{n % 3}", kind) for n, kind in enumerate(kinds)) if len(kinds) > 1 else (),
    )  # fmt: skip


def _step(extent: float) -> float:
    """Return a round step of which three to six make up `extent`."""
    power = 10.0 ** math.floor(math.log10(extent))
    return next(n * power for n in (0.2, 0.5, 1.0, 2.0) if extent / (n * power) <= 6)


def _decades(low: float, high: float) -> list[float]:
    """Return round numbers between 10^low and 10^high; 1, 2 and 5 if few decades are."""
    digits = (1, 2, 5) if high - low < 2.5 else (1,)
    found = [
        digit * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for digit in digits
    ]
    return [n for n in found if low <= math.log10(n) <= high] or [10.0 ** ((low + high) / 2)]
