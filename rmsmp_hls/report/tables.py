"""Tables of text, the same for terminal, Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.report import words
from rmsmp_hls.report.model import LayerRow, Performance, Report, RowCounts


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        title: its heading, unit included.
        number: aligned to the right.
        name: holds names of any length, to be shortened by whoever shows them.
        detail: left out where there is little room.
    """

    title: str
    number: bool = False
    name: bool = False
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows of ready text; every row has as many cells as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] = ()


def accuracy_table(report: Report) -> Table:
    """One row per form of the network."""
    columns = (
        Column("Form of the network"),
        Column("Right", number=True),
        Column("Of", number=True),
        Column("Top-1", number=True),
        Column("Figure is"),
    )
    rows = tuple(
        (
            item.stage,
            words.count(item.correct),
            words.count(item.total),
            words.NOT_MEASURED if item.percent is None else words.percent(item.percent, 2),
            words.DASH if item.percent is None else item.origin.value,
        )
        for item in report.accuracies
    )
    return Table(columns, rows)


def csim_table(report: Report) -> Table:
    """One row per storage type."""
    columns = (
        Column("Storage"),
        Column("Images", number=True),
        Column("Mismatches", number=True),
        Column("Run time", number=True),
        Column("Images/s", number=True),
        Column("MACs/s", number=True),
    )
    rows = tuple(
        (
            run.storage,
            words.count(run.images),
            f"{words.count(run.mismatches)} of {words.count(run.compared)}",
            words.seconds(run.seconds),
            words.real(run.images_per_second),
            words.scaled(run.macs_per_second, "MAC/s"),
        )
        for run in report.csim
    )
    return Table(columns, rows)


def resources_table(report: Report) -> Table:
    """One row per kind of resource."""
    columns = (
        Column("Resource"),
        Column("Used", number=True),
        Column("On the board", number=True),
        Column("Share", number=True),
    )
    uses = report.resources.uses if report.resources else ()
    rows = tuple(
        (use.name, words.halves(use.used), words.halves(use.available), words.percent(use.percent))
        for use in uses
    )
    return Table(columns, rows)


def performance_table(report: Report) -> Table:
    """One row per figure."""
    speed = report.performance
    figures: tuple[tuple[str, str], ...] = ()
    if speed:
        figures = (
            ("Clock", words.real(report.board.clock_mhz, "MHz")),
            ("Cycles per image", words.count(speed.cycles_per_image)),
            *_simulated(speed),
            ("Latency of one image", words.milliseconds(speed.latency_ms)),
            ("Images per second", words.real(speed.frames_per_second)),
            ("Operations", words.real(speed.gop_per_second, "GOP/s")),
            ("Multiply-accumulates per image", words.count(report.macs)),
            ("Array in use", words.share(speed.utilization)),
            ("DDR traffic per image", words.size(speed.ddr_bytes)),
            ("DDR time of one image", words.milliseconds(speed.ddr_ms)),
        )
    return Table((Column("Figure"), Column("Value", number=True)), figures)


def _simulated(speed: Performance) -> tuple[tuple[str, str], ...]:
    """The cycle simulator's figures beside the formula's; none where it has not run."""
    if speed.simulated_cycles is None:
        return ()
    return (
        ("Cycles per image, simulated", words.count(speed.simulated_cycles)),
        ("Cycles of the first image, simulated", words.count(speed.simulated_first)),
    )


def rows_table(report: Report) -> Table:
    """Asked and realized shares of the row formats."""
    columns = (
        Column("Row format"),
        Column("Asked", number=True),
        Column("Realized", number=True),
        Column("Rows", number=True),
    )
    realized, counts = report.rows.percents, report.rows
    asked = report.quantization.ratio_asked
    total = sum(asked) if asked else 0
    shares = [100 * item / total for item in asked] if asked and total else [None] * 3
    names = (report.quantization.codebook, "Fixed-4", "Fixed-8")
    numbers = (counts.shift_add, counts.fixed4, counts.fixed8)
    rows = tuple(
        (name, words.percent(ask), words.percent(real if counts.total else None), words.count(n))
        for name, ask, real, n in zip(names, shares, realized, numbers, strict=True)
    )
    return Table(columns, rows)


def layers_table(report: Report) -> Table:
    """One row per operation of the program."""
    columns = (
        Column("Layer", name=True),
        Column("Operation"),
        Column("Output", detail=True),
        Column("Rows", number=True),
        Column("MACs", number=True),
        Column("Weights", number=True, detail=True),
        Column("Cycles, modelled", number=True),
        Column("Counted in C sim.", number=True),
        Column("Bound by", detail=True),
        Column("Array in use", number=True),
    )
    rows = tuple(
        (
            layer.name,
            layer.op,
            words.shape(layer.shape),
            row_counts(layer.rows),
            words.count(layer.macs) if layer.rows else words.DASH,
            words.size(layer.weight_bytes) if layer.rows else words.DASH,
            words.count(layer.modelled_iterations),
            words.count(layer.csim_iterations),
            layer.binds or words.DASH,
            words.share(layer.utilization),
        )
        for layer in report.layers
    )
    total = (
        "all layers",
        "",
        "",
        row_counts(report.rows),
        words.count(report.macs),
        words.size(report.weight_bytes),
        words.count(_sum(layer.modelled_iterations for layer in report.layers)),
        words.count(_sum(layer.csim_iterations for layer in report.layers)),
        "",
        words.share(report.performance.utilization if report.performance else None),
    )
    return Table(columns, rows, total if report.layers else ())


def dram_table(report: Report) -> Table:
    """One row per operation that moves lines between the activation memory and DRAM."""
    columns = (
        Column("Layer", name=True),
        Column("Operation"),
        Column("Output", detail=True),
        Column("Program records", number=True, detail=True),
        Column("Cycles, result to DRAM", number=True),
        Column("Cycles, operands back", number=True),
        Column("Share of the layer", number=True),
    )
    moving = [x for x in report.layers if x.saved_iterations + x.restored_iterations]
    rows = tuple(
        (
            layer.name,
            layer.op,
            words.shape(layer.shape),
            words.count(layer.records),
            words.count(layer.saved_iterations),
            words.count(layer.restored_iterations),
            _moving_share([layer]),
        )
        for layer in moving
    )
    total = (
        "these layers",
        "",
        "",
        words.count(sum(layer.records for layer in moving)),
        words.count(sum(layer.saved_iterations for layer in moving)),
        words.count(sum(layer.restored_iterations for layer in moving)),
        _moving_share(moving),
    )
    return Table(columns, rows, total if rows else ())


def _moving_share(layers: list[LayerRow]) -> str:
    cycles = _sum(layer.modelled_iterations for layer in layers)
    moves = sum(layer.saved_iterations + layer.restored_iterations for layer in layers)
    return words.percent(100 * moves / cycles if cycles else None)


def row_counts(rows: RowCounts | None) -> str:
    """Return `shift-add:fixed-4:fixed-8` in rows, a dash for an operation without weights."""
    return f"{rows.shift_add}:{rows.fixed4}:{rows.fixed8}" if rows else words.DASH


def array_table(report: Report) -> Table:
    """One row per parameter of the array."""
    rows = [(name, str(value)) for name, value in report.array.fields]
    rows.append(("multiply-accumulates per cycle", words.count(report.array.macs_per_cycle)))
    rows.append(("activation memory", words.size(report.array.on_chip_bytes)))
    return Table((Column("Parameter"), Column("Value", number=True)), tuple(rows))


def stages_table(report: Report) -> Table:
    """One row per stage of the build."""
    rows = tuple(
        (stage.name, "cached" if stage.cached else words.seconds(stage.seconds))
        for stage in report.stages
    )
    spent = [stage.seconds for stage in report.stages if stage.seconds is not None]
    total = ("all stages", words.seconds(sum(spent))) if spent else ()
    return Table((Column("Stage"), Column("Time", number=True)), rows, total)


def _sum(values: object) -> int | None:
    """Return the sum, None if any part is not known: half a sum would be a made-up figure."""
    items = list(values)  # type: ignore[call-overload]
    return None if not items or any(item is None for item in items) else sum(items)
