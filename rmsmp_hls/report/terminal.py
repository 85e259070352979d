"""The report on a terminal, with rich."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console, ConsoleRenderable, Group
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from rmsmp_hls.report import words
from rmsmp_hls.report.model import Report
from rmsmp_hls.report.sections import Section, sections, verdict
from rmsmp_hls.report.tables import Column, Table

WIDE_COLUMNS = 120
NAME_WIDTH = 30
GAP = 2
_VERDICT_STYLES = {"exact": "bold green", "differs": "bold red", "unknown": "bold yellow"}
_LONG = ("quantization", "dram")  # a row per layer, besides those of the layers' own table
_SUMMARY_KEYS = (
    "accuracy", "quantization", "csim", "agreement", "resources", "performance", "dram", "layers",
)  # fmt: skip


def report_renderable(report: Report, width: int) -> ConsoleRenderable:
    """Return the whole report for a terminal of `width` columns."""
    parts = [*_head(report), *(_section(item, width) for item in sections(report))]
    return Group(*parts, *_commands(report), *_remarks(report))


def summary_renderable(report: Report, width: int) -> ConsoleRenderable:
    """Return what is shown after a build: the verdict and the chief tables."""
    chosen = [
        replace(item, table=None) if item.key in _LONG else item
        for item in sections(report)
        if item.key in _SUMMARY_KEYS
    ]
    return Group(*_head(report), *(_section(item, width) for item in chosen), *_remarks(report))


def show_report(report: Report, console: Console) -> None:
    """Print the whole report."""
    console.print(report_renderable(report, console.width))


def rich_table(table: Table, width: int) -> RichTable:
    """Return a neutral table as a rich table for `width` columns.

    Where there is little room, detail columns go, headings wrap, and names are shortened;
    numbers are never cut.
    """
    shown = [i for i, c in enumerate(table.columns) if width >= WIDE_COLUMNS or not c.detail]
    columns = [table.columns[index] for index in shown]
    rows = [
        [words.shorten(row[i], NAME_WIDTH if table.columns[i].name else 60) for i in shown]
        for row in (*table.rows, table.total)
        if row
    ]
    made = RichTable(box=None, pad_edge=False, header_style="bold", show_footer=bool(table.total))
    widths = _widths(columns, rows, width - GAP)
    for index, column in enumerate(columns):
        made.add_column(
            # Text, never a str: rich would read a name such as "[/]" as markup.
            Text(column.title),
            footer=Text(rows[-1][index] if table.total else ""),
            justify="right" if column.number else "left",
            footer_style="bold",
            width=widths[index],
            no_wrap=column.name,
            overflow="ellipsis" if column.name else "fold",
        )
    for row in rows[: len(table.rows)]:
        made.add_row(*(Text(cell) for cell in row))
    return made


def _widths(columns: list[Column], rows: list[list[str]], width: int) -> list[int]:
    """Return the width of every column: all that it needs, or what it cannot do without."""
    cells = [[row[index] for row in rows] for index in range(len(columns))]
    full = [_longest([c.title, *texts]) for c, texts in zip(columns, cells, strict=True)]
    gaps = GAP * (len(columns) - 1)
    if sum(full) + gaps <= width:
        return full
    least = [
        min(_least(column, texts), size)
        for column, texts, size in zip(columns, cells, full, strict=True)
    ]
    for _ in range(width - gaps - sum(least)):
        # The column that lacks most gets the next character.
        neediest = max(range(len(columns)), key=lambda i: full[i] - least[i])
        least[neediest] += 1
    return least


def _least(column: Column, texts: list[str]) -> int:
    """Return the width that a column cannot do without."""
    if column.name:
        return 12
    if column.number:
        return max(_longest(texts), _longest(column.title.split()))
    return min(16, _longest([word for text in (*texts, column.title) for word in text.split()]))


def _longest(texts: list[str]) -> int:
    return max((len(text) for text in texts), default=1) or 1


def _head(report: Report) -> Iterator[ConsoleRenderable]:
    board = report.board
    target = f"{board.name} ({board.part})" if board.name else board.part
    title = Text(words.shorten(report.model.name, 60), style="bold")
    title.append(
        f"  on {words.shorten(target, 60)} at {words.real(board.clock_mhz, 'MHz')}",
        style="not bold",
    )
    outcome = verdict(report)
    yield title
    yield Text(f"{outcome.headline} ({outcome.detail})", style=_VERDICT_STYLES[outcome.state])


def _section(section: Section, width: int) -> ConsoleRenderable:
    head = Text("\n" + section.title, style="bold")
    if section.origins:
        origins = ", ".join(origin.value for origin in section.origins)
        head.append(f"  [{origins}]", style="not bold dim")
    parts: list[ConsoleRenderable] = [head]
    parts += [Padding(Text(sentence), (0, 2)) for sentence in section.sentences]
    if section.table is not None and section.table.rows:
        parts.append(Padding(rich_table(section.table, width), (0, 0, 0, 2)))
    return Group(*parts)


def _commands(report: Report) -> Iterator[ConsoleRenderable]:
    if report.commands:
        yield Text("\nBy hand", style="bold")
    for item in report.commands:
        yield Text(f"  # {words.printable(item.purpose)}", style="dim")
        yield Text(f"  {words.printable(item.command)}", overflow="fold")


def _remarks(report: Report) -> Iterator[ConsoleRenderable]:
    yield Text()
    for text in report.warnings:
        yield Text(f"warning: {words.shorten(text, 500)}", style="yellow")
    for text in report.notes:
        yield Text(f"note: {words.shorten(text, 500)}")
