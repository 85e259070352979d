"""Parts that every view of an artefact is made of."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
from rich.console import ConsoleRenderable, Group
from rich.padding import Padding
from rich.text import Text

from rmsmp_hls.inspect.histogram import CodeHistogram
from rmsmp_hls.report import words
from rmsmp_hls.report.tables import Column, Table
from rmsmp_hls.report.terminal import rich_table


def page(
    kind: str, facts: list[tuple[str, str]], *parts: ConsoleRenderable | None
) -> ConsoleRenderable:
    """Return a whole view: what the artefact is, facts about it, then its tables."""
    lines: list[ConsoleRenderable] = [Text(kind, style="bold")]
    lines += [Text(f"  {name}: {words.shorten(value, 200)}") for name, value in facts]
    return Group(*lines, *(part for part in parts if part is not None))


def titled(title: str, table: Table, width: int) -> ConsoleRenderable | None:
    """Return a table under its title, None if it has no row."""
    if not table.rows:
        return None
    return Group(Text(f"\n{title}", style="bold"), Padding(rich_table(table, width), (0, 0, 0, 2)))


def spread(values: npt.NDArray[np.generic]) -> str:
    """Return `min / median / max` of numbers, a dash if there is none."""
    numbers = np.asarray(values, dtype=np.float64).reshape(-1)
    if numbers.size == 0:
        return words.DASH
    figures = (numbers.min(), np.median(numbers), numbers.max())
    form = ",.0f" if np.issubdtype(np.asarray(values).dtype, np.integer) else ".4g"
    return " / ".join(format(figure, form) for figure in figures)


def format_counts(formats: tuple[str, ...]) -> str:
    """Return the rows of each format: `SP2-4 10, Fixed-4 5, Fixed-8 1`."""
    counts = Counter(formats)
    return ", ".join(f"{words.shorten(name, 20)} {number}" for name, number in counts.items())


def codes_table(layers: list[tuple[str, tuple[CodeHistogram, ...]]]) -> Table:
    """Return one row per layer and format: how its weights spread over the levels."""
    columns = (
        Column("Layer", name=True),
        Column("Format"),
        Column("Rows", number=True),
        Column("Weights", number=True),
        Column("Zeros", number=True),
        Column("Lowest", number=True),
        Column("Codes"),
        Column("Highest", number=True),
    )
    rows = tuple(
        (
            name,
            item.name,
            words.count(item.rows),
            words.count(item.total),
            words.percent(100 * item.zeros / item.total if item.total else None),
            str(item.low),
            item.bars,
            str(item.high),
        )
        for name, histograms in layers
        for item in histograms
    )
    return Table(columns, rows)
