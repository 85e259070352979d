"""`rmsmp-hls check`: a pre-flight; maps a model to a board and builds nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from rmsmp_hls.commands.check import CheckOutcome

SCHEMA, VERSION = "rmsmp-hls/check", 1


@click.command("check", short_help="Say whether a model would run on a board, and where.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", metavar="NAME|FILE", help="A shipped board, or a board file.")
@click.option("--part", metavar="NUMBER", help="A part number, instead of a board.")
@click.option("--clock-mhz", type=float, help="Clock; the board's default otherwise.")
@click.option("--ratio", metavar="S:F4:F8", help="Rows shift-add : fixed-4 : fixed-8.")
@click.option("--codebook", metavar="NAME", help="Codebook of the shift-add rows.")
@click.option("--multipliers", metavar="exact|k-hot:K|po2", help="As for `build`.")
@click.option("--lut-share", type=float, help="Share of the board's LUT to use.  [default: 0.7]")
@click.option("--dsp-share", type=float, help="Share of the board's DSP to use.  [default: 0.9]")
@click.option("--bram-share", type=float, help="Share of the board's BRAM.  [default: 0.85]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "json"]),
    default="terminal",
    show_default=True,
    help="How to write it, to standard output.",
)
def check_command(model: Path, form: str, ratio: str | None, **given: Any) -> None:
    """Map MODEL to a board without building: every operation, the unit that computes it, or why
    none does and what to do.

    Exit code 0 if it would build; else that of what stands in the way, for CI.
    """
    from rmsmp_hls.config import parse_ratio, resolve

    values = {**given, "ratio": None if ratio is None else parse_ratio(ratio)}
    options, _ = resolve(model, values, {})
    from rmsmp_hls.commands.check import check_model

    outcome = check_model(options)
    if form == "json":
        click.echo(json.dumps(check_json(outcome, model), indent=1))
    else:
        from rmsmp_hls.cli.console import make_console

        _show(outcome, make_console())
    if outcome.error is not None:
        raise outcome.error


def check_json(outcome: CheckOutcome, model: Path) -> dict[str, Any]:
    """Return the outcome as JSON values."""
    array, cost, error = outcome.array, outcome.cost, outcome.error
    board = outcome.board
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "model": model.name.encode("utf-8", "backslashreplace").decode("utf-8"),
        "board": board.name,
        "clock_mhz": outcome.clock_mhz,
        "ok": error is None,
        "exit_code": 0 if error is None else error.exit_code,
        "formats_assumed": outcome.assumed,
        "notes": list(outcome.notes),
        "operations": [
            {
                "name": op.name, "module": op.module, "operation": op.operation,
                "shape": list(op.shape), "unit": op.unit, "detail": op.detail,
                "rows": None if op.rows is None else list(op.rows), "macs": op.macs,
                "problem": op.problem, "fix": op.fix,
            }
            for op in outcome.operations
        ],
        "array": None if array is None else {
            "shift_add_lanes": array.shift_add_lanes, "fixed4_lanes": array.fixed4_lanes,
            "fixed8_lanes": array.fixed8_lanes, "channels": array.channels,
            "pixels": array.pixels, "macs_per_cycle": array.macs_per_cycle,
        },
        "modelled": None if cost is None else {
            "lut": cost.lut, "ff": cost.ff, "dsp": cost.dsp, "bram36": cost.bram36,
            "latency_ms": outcome.latency_ms,
        },
        "problems": [
            {"where": finding.where, "what": finding.what, "fix": finding.fix}
            for finding in (error.findings if error else ())
        ],
    }  # fmt: skip


def _show(outcome: CheckOutcome, console: Console) -> None:
    from rmsmp_hls.report import words
    from rmsmp_hls.report.tables import Column, Table
    from rmsmp_hls.report.terminal import rich_table

    columns = (
        Column("Module", name=True),
        Column("Operation"),
        Column("Output", detail=True),
        Column("Unit"),
        Column("Rows", number=True),
        Column("MACs", number=True),
        Column("How"),
    )
    rows = tuple(
        (
            op.module,
            op.operation,
            words.shape(op.shape),
            op.unit,
            words.DASH if op.rows is None else ":".join(map(str, op.rows)),
            words.DASH if op.rows is None else words.count(op.macs),
            op.problem or op.detail,
        )
        for op in outcome.operations
    )
    if rows:
        macs = sum(op.macs for op in outcome.operations)
        total = ("all operations", "", "", "", "", words.count(macs) if macs else words.DASH, "")
        console.print(rich_table(Table(columns, rows, total), console.width))
        console.print()
    for note in outcome.notes:
        console.print(f"Note: {note}", soft_wrap=True)
    if outcome.assumed and rows:
        console.print(
            "The model carries no formats: row mix and widths are the defaults, scales are "
            "placeholders. `build --calib` and `quantize` choose them.",
            soft_wrap=True,
        )
    _show_fit(outcome, console)


def _show_fit(outcome: CheckOutcome, console: Console) -> None:
    from rmsmp_hls.report import words

    board, array, cost = outcome.board, outcome.array, outcome.cost
    name = words.shorten(board.name, 60)
    if array is None or cost is None:
        return
    used = (("LUT", cost.lut, board.lut), ("FF", cost.ff, board.ff), ("DSP", cost.dsp, board.dsp),
            ("BRAM36", cost.bram36, board.bram36))  # fmt: skip
    shares = ", ".join(
        f"{words.percent(100 * part / there)} of {title}" for title, part, there in used if there
    )
    console.print(
        f"Fits {name} at {outcome.clock_mhz:g} MHz: {array.shift_add_lanes}+{array.fixed4_lanes}+"
        f"{array.fixed8_lanes} row lanes x {array.channels} channels x {array.pixels} pixels; "
        f"{shares}; {words.milliseconds(outcome.latency_ms)} per image (modelled)",
        soft_wrap=True,
    )
