"""`rmsmp-hls explore`: the designs that no other design beats."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from rmsmp_hls.commands.explore import Exploration
    from rmsmp_hls.report.front import FrontRow

_PATH = click.Path(path_type=Path)
BATCH_NOTE = (
    "Images run one after another and share nothing between them, so a batch of b images takes b "
    "times the latency: images per second are those of one image, whatever the batch."
)
LATENCY_NOTE = (
    "Latency is modelled: exact loop iterations and waits for DDR, without the depth of pipelines."
)


@click.command("explore", short_help="Show which designs of a network on a board are best.")
@click.argument("model", type=_PATH, required=False)
@click.option("--board", metavar="NAME|FILE", help="A shipped board, or a board file.")
@click.option("--part", metavar="NUMBER", help="A part number, instead of a board.")
@click.option("--clock-mhz", type=float, help="Clock; the board's default otherwise.")
@click.option("--ratio", "ratios", multiple=True, metavar="S:F4:F8", help="Rows; repeat for more.")
@click.option("--codebook", metavar="NAME", help="Codebook of the shift-add rows.")
@click.option("--multipliers", metavar="exact|k-hot:K|po2", help="As for `build`.")
@click.option("--calib", type=_PATH, help="Quantize a float MODEL with these images, per ratio.")
@click.option("--calib-images", type=int, metavar="N", help="Calibrate with N images only.")
@click.option("--lut-share", type=float, help="Share of the board's LUT to use.  [default: 0.7]")
@click.option("--dsp-share", type=float, help="Share of the board's DSP to use.  [default: 0.9]")
@click.option("--bram-share", type=float, help="Share of the board's BRAM.  [default: 0.85]")
@click.option(
    "--step", type=click.FloatRange(0, 0.5), default=0.05, show_default=True,
    help="Designs that differ by less, in time or in a share of the board, count as one; 0: all.",
)  # fmt: skip
@click.option("--points", type=click.IntRange(1), default=24, show_default=True,
              help="About so many designs in the table; --json and --html have all.")  # fmt: skip
@click.option("--sweep", "sweep_file", type=_PATH, metavar="FILE",
              help="Models, boards and clocks (YAML) instead of MODEL.")  # fmt: skip
@click.option("-o", "--output", "out", type=_PATH, default="sweep", show_default=True,
              help="Folder of a sweep's points; what is there is not computed again.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True,
              help="Processes of a sweep on this machine.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler that runs the sweep.")
@click.option("--html", type=_PATH, help="Write a page with charts.")
@click.option("--json", "as_json", is_flag=True, help="Write all designs as JSON.")
def explore_command(
    model: Path | None, ratios: tuple[str, ...], step: float, points: int, html: Path | None,
    as_json: bool, sweep_file: Path | None, out: Path, workers: int, scheduler: str | None,
    **given: Any,
) -> None:  # fmt: skip
    """Search the designs of MODEL on a board and show the Pareto front: no design in the list is
    beaten by another in latency and every resource at once. All figures are modelled.
    """
    from rmsmp_hls.cli.console import make_console
    from rmsmp_hls.cli.progress import make_progress
    from rmsmp_hls.config import parse_ratio, resolve
    from rmsmp_hls.explore.front import Resolution

    if sweep_file is not None:
        others = (model, ratios or None, html, as_json or None, *given.values())
        if any(value is not None for value in others):
            raise click.UsageError("--sweep goes with -o, --step, --workers and --scheduler only.")
        from rmsmp_hls.cli.sweep import show_sweep

        show_sweep(sweep_file, out, step, workers, scheduler)
        return
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'.")
    options, _ = resolve(model, given, {})
    asked = tuple(parse_ratio(text) for text in ratios)
    from rmsmp_hls.commands.explore import explore_model

    start = time.monotonic()
    with make_progress(make_console(stderr=True), ("explore",)) as progress:
        progress.stage("explore", "run", None, "")
        found = explore_model(options, progress, asked, Resolution(step, step))
        seconds = time.monotonic() - start
        progress.stage("explore", "done", seconds, f"{len(found.points)} designs")
    if html is not None:
        _write_page(html, found, model)
    if as_json:
        from rmsmp_hls.commands.explore import exploration_json

        click.echo(json.dumps(exploration_json(found, model.name), indent=1))
        return
    _show(found, points, make_console())


def _rows(found: Exploration) -> tuple[FrontRow, ...]:
    from rmsmp_hls.commands.explore import build_options
    from rmsmp_hls.config import show_ratio
    from rmsmp_hls.report.front import FrontRow

    board = found.board
    return tuple(
        FrontRow(
            f"{p.array.shift_add_lanes}+{p.array.fixed4_lanes}+{p.array.fixed8_lanes} × "
            f"{p.array.channels} × {p.array.pixels}",
            show_ratio(p.ratio) if p.ratio else "",
            p.latency_ms(found.clock_mhz),
            100 * p.cost.lut / max(1, board.lut),
            100 * p.cost.dsp / max(1, board.dsp),
            100 * p.cost.bram36 / max(1, board.bram36),
            p.proxy_db,
            p.chosen,
            " ".join(build_options(p)),
        )
        for p in found.points
    )


def _show(found: Exploration, points: int, console: Console) -> None:
    from dataclasses import replace

    from rmsmp_hls.explore.points import thinned
    from rmsmp_hls.report.front import front_table
    from rmsmp_hls.report.terminal import rich_table

    shown = replace(found, points=thinned(found.points, found.board, points))
    rows = _rows(shown)
    console.print(rich_table(front_table(rows), console.width))
    console.print()
    for text in _notes(found, len(rows)):
        console.print(text, soft_wrap=True)
    console.print("Options that make `build` take a design:")
    for number, row in enumerate(rows, 1):
        console.print(f"{number:>3}  {row.command}", soft_wrap=True)


def _notes(found: Exploration, shown: int) -> tuple[str, ...]:
    count = len(found.points)
    of = f"{count} designs" if shown == count else f"{shown} of {count} designs"
    return (
        f"{of} on {found.board.name} at {found.clock_mhz:g} MHz, all modelled. {LATENCY_NOTE}",
        BATCH_NOTE,
        f"Proxy of accuracy: {found.proxy}.",
    )


def _write_page(path: Path, found: Exploration, model: Path) -> None:
    import rmsmp_hls
    from rmsmp_hls.report import words
    from rmsmp_hls.report.front import FrontPage, front_html

    facts = (
        ("Board", words.shorten(found.board.name)),
        ("Part", words.shorten(found.board.part)),
        ("Clock", words.real(found.clock_mhz, "MHz")),
    )
    rows = _rows(found)
    notes = _notes(found, len(rows))
    name = words.shorten(model.stem)
    path.write_text(
        front_html(FrontPage(name, facts, notes, rows, rmsmp_hls.__version__)), encoding="utf-8"
    )
