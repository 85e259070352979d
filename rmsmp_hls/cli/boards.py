"""`rmsmp-hls boards`: the shipped boards, with the source of every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from rmsmp_hls.hw.board import Board

_FIGURES = (
    "part", "lut", "ff", "dsp", "bram36", "uram", "slicem_lut", "clock_mhz", "memory_ports",
    "memory_port_bits", "ddr_gb_per_s", "ddr_efficiency", "memory_latency_ns", "max_burst_bytes",
)  # fmt: skip


@click.command("boards", short_help="List the boards that --board knows.")
@click.option("--sources", is_flag=True, help="Say where every figure is from.")
def boards_command(sources: bool) -> None:
    """List the shipped boards: what the part holds, the default clock, the memory ports.

    A board of your own is a YAML file with the same keys: `--board my_board.yaml`.
    """
    from rmsmp_hls.cli.console import make_console
    from rmsmp_hls.hw.board import boards

    console = make_console()
    if sources:
        for board in boards():
            _show_sources(board, console)
    else:
        _show_table(boards(), console)


def _show_table(shipped: tuple[Board, ...], console: Console) -> None:
    from rmsmp_hls.report import words
    from rmsmp_hls.report.tables import Column, Table
    from rmsmp_hls.report.terminal import rich_table

    numbers = ("LUT", "FF", "DSP", "BRAM36", "URAM", "Clock, MHz")
    columns = (
        Column("Board"),
        Column("Part"),
        *(Column(title, number=True) for title in numbers),
        Column("Memory ports", number=True, detail=True),
        Column("DDR, GB/s", number=True, detail=True),
    )
    rows = tuple(
        (
            board.name,
            board.part,
            *(words.count(n) for n in (board.lut, board.ff, board.dsp, board.bram36, board.uram)),
            f"{board.clock_mhz:g}",
            f"{board.memory_ports} × {board.memory_port_bits} bit",
            f"{board.ddr_gb_per_s:g}",
        )
        for board in shipped
    )
    console.print(rich_table(Table(columns, rows), console.width))


def _show_sources(board: Board, console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    console.print(Text(f"{board.name}: {board.title}", style="bold"))
    for key in _FIGURES:
        source = board.source(key) or "source not given"
        text = Text(f"{key} {getattr(board, key)}", style="none")
        text.append(f": {source}", style="dim")
        console.print(Padding(text, (0, 0, 0, 2)))
