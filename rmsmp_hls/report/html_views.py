"""What the HTML template places: text, and pictures as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from rmsmp_hls.report import words
from rmsmp_hls.report.model import LayerRow, Report
from rmsmp_hls.report.sections import Section, Verdict, sections, verdict
from rmsmp_hls.report.tables import Table, row_counts

NAME_WIDTH = 40
HALVES = ("accuracy", "performance", "array", "stages")  # narrow sections, two side by side
FORMAT_CLASSES = {"Fixed-4": "fixed4", "Fixed-8": "fixed8"}  # every other is shift-add


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell; `title` is the full text where `text` was shortened."""

    text: str
    css: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class TableView:
    """A table with its cells classed."""

    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `width` is 0..100, `mark` says that the figure passes its limit."""

    name: str
    title: str
    value: str
    width: str
    over: bool = False


@dataclass(frozen=True, slots=True)
class Strip:
    """The rows of one layer in a picture `rows` wide: one SVG path per format."""

    name: str
    title: str
    counts: str
    rows: int
    paths: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """One chief figure."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class SectionView:
    """One section; `bars` and `strips` are empty where there is no picture.

    Where the bars already say every figure, there is no table.
    """

    key: str
    title: str
    css: str
    origins: tuple[str, ...]
    sentences: tuple[str, ...]
    table: TableView | None
    bars: tuple[Bar, ...] = ()
    bars_label: str = ""
    strips: tuple[Strip, ...] = ()


@dataclass(frozen=True, slots=True)
class PageView:
    """The whole page."""

    title: str
    full_title: str
    facts: tuple[tuple[str, str], ...]
    verdict: Verdict
    tiles: tuple[Tile, ...]
    sections: tuple[SectionView, ...]
    legend: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    version: str


def page_view(report: Report) -> PageView:
    """Return the page of a report."""
    model, board = report.model, report.board
    codebook = words.shorten(report.quantization.codebook, NAME_WIDTH)
    facts = (
        ("Board", words.shorten(board.name or "not named", NAME_WIDTH)),
        ("Part", words.shorten(board.part, NAME_WIDTH)),
        ("Clock", words.real(board.clock_mhz, "MHz")),
        ("Input", words.shape(model.input_shape)),
        ("Parameters", words.count(model.parameters)),
        ("File", words.shorten(model.file, NAME_WIDTH)),
        ("SHA-256", words.shorten(model.sha256, 17) or words.DASH),
    )
    return PageView(
        title=words.shorten(model.name, NAME_WIDTH),
        full_title=words.printable(model.name),
        facts=facts,
        verdict=verdict(report),
        tiles=_tiles(report),
        sections=tuple(_section(item, report) for item in sections(report)),
        legend=(("shift", f"{codebook} (shift-add, LUT)"), ("fixed4", "Fixed-4 (DSP)"),
                ("fixed8", "Fixed-8 (DSP)")),
        commands=tuple((words.printable(c.purpose), words.printable(c.command))
                       for c in report.commands),
        environment=tuple((words.printable(k), words.printable(v)) for k, v in report.environment),
        notes=tuple(words.shorten(text, 2000) for text in report.notes),
        warnings=tuple(words.shorten(text, 2000) for text in report.warnings),
        version=words.shorten(report.version, 20),
    )  # fmt: skip


def _tiles(report: Report) -> tuple[Tile, ...]:
    last = next((a for a in reversed(report.accuracies) if a.percent is not None), None)
    top1 = words.percent(last.percent, 2) if last else words.NOT_MEASURED
    tiles = [Tile("Top-1", top1, f"{last.stage}, {last.origin.value}" if last else "no labels")]
    speed = report.performance
    origin = speed.origin.value if speed else "not modelled"
    tiles += [
        Tile("Images per second", words.real(speed.frames_per_second if speed else None), origin),
        Tile("Latency", words.milliseconds(speed.latency_ms if speed else None), origin),
        Tile("Operations", words.real(speed.gop_per_second if speed else None, "GOP/s"), origin),
    ]
    uses = {use.name: use for use in report.resources.uses} if report.resources else {}
    kind = report.resources.origin.value if report.resources else "not modelled"
    for name in ("LUT", "DSP"):
        use = uses.get(name)
        tiles.append(Tile(f"{name} used", words.percent(use.percent if use else None), kind))
    return tuple(tiles)


def _section(section: Section, report: Report) -> SectionView:
    bars: tuple[Bar, ...] = ()
    label = ""
    table = _table(section.table) if section.table and section.table.rows else None
    if section.key == "resources":
        bars, label, table = _resource_bars(report), "Share of the board", None
    if section.key == "layers":
        bars, label = _cycle_bars(report), "Cycles per image, modelled"
    return SectionView(
        key=section.key,
        title=section.title,
        css="half" if section.key in HALVES else "",
        origins=tuple(origin.value for origin in section.origins),
        sentences=section.sentences,
        table=table,
        bars=bars,
        bars_label=label,
        strips=_strips(report) if section.key == "rows" else (),
    )


def _table(table: Table) -> TableView:
    css = ["number" if c.number else "name" if c.name else "" for c in table.columns]

    def cells(texts: tuple[str, ...]) -> tuple[Cell, ...]:
        return tuple(_cell(text, kind) for text, kind in zip(texts, css, strict=True))

    head = cells(tuple(column.title for column in table.columns))
    rows = tuple(cells(row) for row in table.rows)
    return TableView(head, rows, cells(table.total) if table.total else ())


def _cell(text: str, css: str) -> Cell:
    short = words.shorten(text, NAME_WIDTH)
    return Cell(short, css, words.printable(text) if short != text else "")


def _resource_bars(report: Report) -> tuple[Bar, ...]:
    bars = []
    for use in report.resources.uses if report.resources else ():
        percent = use.percent
        name = words.shorten(use.name, NAME_WIDTH)
        value = f"{words.halves(use.used)} of {words.halves(use.available)}"
        if use.available == 0:
            value = "none on this part"
        elif percent is not None:
            value = f"{words.percent(percent)}, {value}"
        bars.append(Bar(name, name, value, _width(percent), percent is not None and percent > 100))
    return tuple(bars)


def _cycle_bars(report: Report) -> tuple[Bar, ...]:
    known = [layer.modelled_iterations or 0 for layer in report.layers]
    most = max(known, default=0)
    if most == 0:
        return ()
    return tuple(_cycle_bar(layer, most, sum(known)) for layer in report.layers)


def _cycle_bar(layer: LayerRow, most: int, total: int) -> Bar:
    cycles = layer.modelled_iterations
    value = words.count(cycles)
    if cycles is not None:
        value += f" ({words.percent(100 * cycles / total)})"
    if layer.binds:
        value += f", {words.shorten(layer.binds, 30)}"
    width = _width(None if cycles is None else 100 * cycles / most)
    return Bar(words.shorten(layer.name, 28), words.printable(layer.name), value, width)


def _width(percent: float | None) -> str:
    return f"{min(max(percent or 0.0, 0.0), 100.0):.2f}"


def _strips(report: Report) -> tuple[Strip, ...]:
    strips = []
    for layer in report.layers:
        runs = layer.row_map
        total = sum(number for _, number in runs)
        if total == 0:
            continue
        starts = accumulate((number for _, number in runs), initial=0)
        shapes: dict[str, list[str]] = {"shift": [], "fixed4": [], "fixed8": []}
        for start, (name, number) in zip(starts, runs, strict=False):
            kind = FORMAT_CLASSES.get(name, "shift")
            shapes[kind].append(f"M{start} 0h{number}v1h-{number}z")
        paths = tuple((kind, "".join(parts)) for kind, parts in shapes.items() if parts)
        short, full = words.shorten(layer.name, 28), words.printable(layer.name)
        strips.append(Strip(short, full, row_counts(layer.rows), total, paths))
    return tuple(strips)
