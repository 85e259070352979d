"""`rmsmp-hls cycles`: the clock cycles of a packed program, simulated with every stall."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rmsmp_hls.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from rmsmp_hls.commands.cycles import CyclesOutcome
    from rmsmp_hls.hw.board import Board
    from rmsmp_hls.report.tables import Table

SCHEMA, VERSION = "rmsmp-hls/cycles", 1
_CAUSES = (
    ("weights", "Weights"), ("params", "Params"), ("input", "Input"), ("output", "Output"),
    ("spill", "DRAM"), ("record", "Record"),
)  # fmt: skip


@click.command("cycles", short_help="Simulate the clock cycles of a build, with every stall.")
@click.argument("build_dir", type=click.Path(path_type=Path))
@click.option("--board", metavar="NAME|FILE", help="Board; that of the build otherwise.")
@click.option("--clock-mhz", type=float, help="Clock; that of the build, or of --board, otherwise.")
@click.option("--images", type=int, default=2, show_default=True, help="Images in a row.")
@click.option("--ideal", is_flag=True, help="A memory without latency and limits.")
@click.option(
    "--format", "form", type=click.Choice(["terminal", "json"]), default="terminal",
    show_default=True, help="How to write it, to standard output.",
)  # fmt: skip
def cycles_command(
    build_dir: Path, board: str | None, clock_mhz: float | None, images: int, ideal: bool, form: str
) -> None:
    """Run the program of BUILD_DIR (or of a packed design) cycle by cycle, without its data.

    Where the cycles go: iterations, filling of pipelines, and what the array waits for. The memory
    is a model: its latency and rate are assumptions of the board file.
    """
    from rmsmp_hls.commands.cycles import simulate_cycles

    target, clock = _target(build_dir, board)
    outcome = simulate_cycles(build_dir, target, clock_mhz or clock, images, ideal=ideal)
    if form == "json":
        click.echo(json.dumps(cycles_json(outcome), indent=1))
    else:
        from rmsmp_hls.cli.console import make_console

        _show(outcome, make_console())


def _target(build_dir: Path, board: str | None) -> tuple[Board, float | None]:
    """Return the board and the clock that the build was made for, if no board is given."""
    from rmsmp_hls.hw.board import board_for_part, load_board

    if board is not None:
        return load_board(board), None
    from rmsmp_hls.cli.report import find_report_file, read_report
    from rmsmp_hls.commands.cycles import design_folder

    design_folder(build_dir)  # a folder without a design is what is wrong first
    if not build_dir.is_dir() or find_report_file(build_dir, "report.json") is None:
        raise ConfigError(
            "there is no report that names the board", where=str(build_dir), fix="give --board"
        )
    info = read_report(build_dir).board
    found = load_board(info.name) if info.name else board_for_part(info.part)
    return found, info.clock_mhz


def cycles_json(outcome: CyclesOutcome) -> dict[str, Any]:
    """Return the outcome as JSON values; every record of every image is listed."""
    count, machine = outcome.count, outcome.machine
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "origin": "simulated",
        "board": None if outcome.ideal else outcome.board.name,
        "clock_mhz": outcome.clock_mhz,
        "assumed": {
            "memory_latency_cycles": machine.latency,
            "ddr_bytes_per_cycle": outcome.ddr_bytes_per_cycle,
            "pipeline_depth_cycles": machine.depth,
        },
        "images": count.images,
        "cycles": count.cycles,
        "first_image_cycles": count.first_image,
        "steady_image_cycles": count.steady_image,
        "image_ends": list(count.image_ends),
        "ddr_busy_cycles": round(count.ddr_busy, 1),
        "records": [
            {
                "image": op.image, "operation": op.operation, "name": op.name, "opcode": op.opcode,
                "start": op.start, "end": op.end, "iterations": op.iterations, "busy": op.busy,
                "fill": op.fill, "fetch": op.fetch, "stalls": dict(op.stalls), "steps": op.steps,
                "blocks": list(op.blocks),
            }
            for op in count.ops
        ],
        "fifos": [
            {"name": f.name, "depth": f.depth, "high_water": f.high_water, "words": f.words}
            for f in count.fifos
        ],
        "ports": [{"name": p.name, "bursts": p.bursts, "bytes": p.bytes} for p in count.ports],
        "processes": [
            {"name": p.name, "end": p.end, "stalls": dict(p.stalls)} for p in count.processes
        ],
    }  # fmt: skip


def _show(outcome: CyclesOutcome, console: Console) -> None:
    from rich.text import Text

    from rmsmp_hls.report.terminal import rich_table

    for title, table in (
        ("Simulated cycles, first image", operations_table(outcome)),
        ("Run", _run_table(outcome)),
        ("FIFOs", _fifo_table(outcome)),
    ):
        console.print(Text(title, style="bold"))
        console.print(rich_table(table, console.width))
        console.print()
    console.print(Text(_assumed(outcome), style="dim"))


def operations_table(outcome: CyclesOutcome) -> Table:
    """Return one row per operation of the first image; columns of causes that never occur go."""
    from rmsmp_hls.report import words
    from rmsmp_hls.report.tables import Column, Table

    operations = outcome.operations()
    causes = [(c, title) for c, title in _CAUSES if any(op.stall(c) for op in operations)]
    columns = (
        Column("Operation", name=True),
        Column("Record", detail=True),
        Column("Iterations", number=True),
        Column("Cycles", number=True),
        Column("Fill", number=True),
        *(Column(f"Waits: {title.lower()}", number=True) for _, title in causes),
        Column("Array busy", number=True),
    )
    rows = tuple(
        (
            op.name, op.opcode, words.count(op.iterations), words.count(op.cycles),
            words.count(op.overhead), *(words.count(op.stall(cause)) for cause, _ in causes),
            words.percent(100 * op.busy / op.cycles) if op.busy else words.DASH,
        )
        for op in operations
    )  # fmt: skip
    cycles = sum(op.cycles for op in operations)
    total = (
        "all", "", words.count(sum(op.iterations for op in operations)), words.count(cycles),
        words.count(sum(op.overhead for op in operations)),
        *(words.count(sum(op.stall(cause) for op in operations)) for cause, _ in causes),
        words.percent(100 * sum(op.busy for op in operations) / cycles),
    )  # fmt: skip
    return Table(columns, rows, total)


def _run_table(outcome: CyclesOutcome) -> Table:
    from rmsmp_hls.report import words
    from rmsmp_hls.report.tables import Column, Table

    count, clock = outcome.count, outcome.clock_mhz
    steady_ms = count.steady_image / clock / 1e3
    rows = (
        ("Images simulated", words.count(count.images)),
        ("Cycles of the first image", words.count(count.first_image)),
        ("Latency of the first image", words.milliseconds(count.first_image / clock / 1e3)),
        ("Cycles from one image to the next", words.count(round(count.steady_image))),
        ("Images per second", words.real(1e3 / steady_ms)),
        ("DDR busy", words.percent(100 * count.ddr_busy / count.cycles)),
    )
    return Table((Column("Figure"), Column("Simulated", number=True)), rows)


def _fifo_table(outcome: CyclesOutcome) -> Table:
    from rmsmp_hls.report import words
    from rmsmp_hls.report.tables import Column, Table

    columns = (
        Column("FIFO"),
        Column("Depth", number=True),
        Column("Most held", number=True),
        Column("Words passed", number=True),
    )
    rows = tuple(
        (f.name, words.count(f.depth), words.count(f.high_water), words.count(f.words))
        for f in outcome.count.fifos
    )
    return Table(columns, rows)


def _assumed(outcome: CyclesOutcome) -> str:
    machine, rate = outcome.machine, outcome.ddr_bytes_per_cycle
    memory = "a memory without latency and limits"
    if rate is not None:
        memory = (
            f"{outcome.board.name} at {outcome.clock_mhz:g} MHz, {machine.latency} cycles of "
            f"memory latency, {rate:.3g} bytes per cycle from the DDR"
        )
    return (
        f"Assumed, not measured: {memory}; pipelines of {machine.depth} stages. Fill: loops that "
        "fill and drain, and the fetch of records. Array busy: cycles in which row lanes compute."
    )
