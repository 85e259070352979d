"""`rmsmp-hls lanes`: what the row lanes in SystemVerilog take, and measuring them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from rmsmp_hls.hw.lane_figures import Figure


@click.command("lanes", short_help="Show or measure what row lanes in SystemVerilog take.")
@click.option("--measure", is_flag=True, help="Synthesize the lanes with yosys and count.")
@click.option(
    "--family",
    "families",
    type=click.Choice(["xc7", "xcup"]),
    multiple=True,
    help="Only this fabric: 7 series or UltraScale+; may be repeated.",
)
@click.option(
    "--inputs",
    type=click.Choice(["8", "16", "32", "64", "128"]),
    multiple=True,
    help="Only lanes of this many inputs; may be repeated.",
)
@click.option(
    "--codebook",
    "books",
    multiple=True,
    metavar="NAME",
    help="Only lanes of this codebook, such as SP2-4; may be repeated.",
)
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where --measure keeps its figures; default: in the installation, for the cost model.",
)
@click.option(
    "--black-boxes", "project", type=click.Path(file_okay=False, path_type=Path),
    metavar="BUILD",
    help="Write the lanes of this build's array into its HLS project, as RTL black boxes.",
)  # fmt: skip
def lanes_command(
    measure: bool,
    families: tuple[str, ...],
    inputs: tuple[str, ...],
    books: tuple[str, ...],
    store: Path | None,
    project: Path | None,
) -> None:
    """Show what a row lane in SystemVerilog takes: raw counts of yosys, not placed or routed.

    With --measure the lanes are synthesized and counted anew, which needs yosys and takes
    minutes; the figures are stored and the cost model uses them.
    """
    from rmsmp_hls.cli.console import make_console
    from rmsmp_hls.hw.lane_figures import FAMILIES, read_figures, stored_figures
    from rmsmp_hls.numerics.codebooks import codebook

    console = make_console()
    names = tuple(codebook(name).name for name in books)
    if project is not None:
        _write_black_boxes(project, console)
        return
    chosen = families or FAMILIES
    sizes = tuple(int(n) for n in inputs)
    if measure:
        _measure(chosen, sizes, names, store, console)
    for family in chosen:
        figures = (
            read_figures(store / f"{family}.json")
            if store is not None and (store / f"{family}.json").is_file()
            else stored_figures(family)
        )
        shown = [
            (figure, version)
            for figure, version in figures
            if (not sizes or figure.inputs in sizes) and (not names or figure.codebook in names)
        ]
        _show(family, shown, console)
        if store is None:
            _show_lines(family, names, console)


def _measure(
    families: tuple[str, ...],
    sizes: tuple[int, ...],
    books: tuple[str, ...],
    store_in: Path | None,
    console: Console,
) -> None:
    import tempfile

    from rmsmp_hls.hw import lane_figures
    from rmsmp_hls.rtl.lanes import RtlFamily
    from rmsmp_hls.rtl.measure import INPUTS, measure_family, store
    from rmsmp_hls.toolchain.yosys import find_yosys

    yosys = find_yosys()
    console.print(f"yosys {yosys.version}: {yosys.program}", highlight=False)

    def say(figure: Figure) -> None:
        console.print(
            f"  {figure.family} {figure.kind} {figure.codebook} {figure.inputs}: "
            f"{figure.lut} LUT, {figure.ff} FF, {figure.dsp} DSP",
            highlight=False,
        )

    with tempfile.TemporaryDirectory(prefix="rmsmp-lanes-") as folder:
        for family in families:
            path = (store_in or lane_figures.FOLDER) / f"{family}.json"
            figures = measure_family(
                yosys, RtlFamily(family), Path(folder),
                inputs=sizes or INPUTS, books=books, on_measured=say,
            )  # fmt: skip
            store(path, yosys, figures)
            console.print(f"stored in {path}", highlight=False)
    lane_figures.forget()


def _show(family: str, figures: list[tuple[Figure, str]], console: Console) -> None:
    from rmsmp_hls.report import words
    from rmsmp_hls.report.tables import Column, Table
    from rmsmp_hls.report.terminal import rich_table

    columns = (
        Column("Lane"),
        Column("Codebook"),
        *(Column(title, number=True) for title in ("Inputs", "Pixels", "LUT", "LUT/MAC")),
        Column("SLICEM/MAC", number=True),
        Column("FF/MAC", number=True),
        *(Column(title, number=True, detail=True) for title in ("Carry", "Latency")),
        Column("DSP", number=True),
        Column("yosys", detail=True),
    )
    rows = tuple(
        (
            figure.kind, figure.codebook or words.DASH, str(figure.inputs), str(figure.pixels),
            words.count(figure.lut), f"{figure.lut / figure.macs:.2f}",
            f"{figure.lutram / figure.macs:.2f}", f"{figure.ff / figure.macs:.2f}",
            str(figure.carry), str(figure.latency), str(figure.dsp), version,
        )
        for figure, version in figures
    )  # fmt: skip
    console.print(f"Fabric {family}, measured", style="bold", highlight=False)
    console.print(rich_table(Table(columns, rows), console.width))


def _show_lines(family: str, books: tuple[str, ...], console: Console) -> None:
    """Say the lines that the cost model uses, and how far off they are elsewhere."""
    from rmsmp_hls.hw.lane_figures import fitted_lanes, lane_cost
    from rmsmp_hls.report.tables import Column, Table
    from rmsmp_hls.report.terminal import rich_table

    rows = []
    for kind, book in fitted_lanes(family):
        if books and book not in books:
            continue
        cost = lane_cost(kind, family, book)
        rows.append(
            (kind, book, f"{cost.lut.per_input:.2f} N + {cost.lut.constant:.1f}",
             f"{100 * cost.error:.1f} %")
        )  # fmt: skip
    columns = (
        Column("Lane"), Column("Codebook"), Column("LUT of a lane of N inputs (16, 32, 64)"),
        Column("Error at 8 and 128", number=True),
    )  # fmt: skip
    console.print(rich_table(Table(columns, tuple(rows)), console.width))


def _write_black_boxes(build: Path, console: Console) -> None:
    from rmsmp_hls.rtl.black_box import write_black_boxes

    for path in write_black_boxes(build):
        console.print(str(path), highlight=False)
