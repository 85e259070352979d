"""`rmsmp-hls build`: from a checkpoint to a simulated HLS project and its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rmsmp_hls.cli.build_options import PATH, build_options, read_options

if TYPE_CHECKING:
    from rich.console import Console

    from rmsmp_hls.config import Setting
    from rmsmp_hls.flow import BuildOutcome


@click.command("build", short_help="Build, simulate and report on a checkpoint.")
@click.argument("model", type=PATH)
@build_options
def build_command(model: Path, config: Path | None, **given: Any) -> None:
    """Build MODEL (model.pt) for a board: import, quantize, lower, schedule, generate, C-simulate,
    report.

    MODEL is a quantized checkpoint, or a float network (torch.export.save) together with --calib.
    Stages whose input has not changed are not run again.
    """
    options, settings = read_options(model, config, given)
    from rmsmp_hls.cli.console import make_console

    console = make_console()
    if config is not None:
        _echo_settings(settings, console)

    from rmsmp_hls import flow
    from rmsmp_hls.cli.progress import make_progress

    with make_progress(console, flow.STAGES) as progress:
        outcome = flow.build(options, progress)
    _show_outcome(outcome, console)


def _echo_settings(settings: tuple[Setting, ...], console: Console) -> None:
    from rmsmp_hls.report import words

    for item in settings:
        value = words.shorten(item.value, 60)
        source = words.shorten(item.source, 40)
        console.print(f"{item.key:<16} {value:<28} {source}".rstrip(), soft_wrap=True)
    console.print()


def _show_outcome(outcome: BuildOutcome, console: Console) -> None:
    from rmsmp_hls.cli.report import find_report_file
    from rmsmp_hls.report import words
    from rmsmp_hls.report.terminal import summary_renderable

    folder = words.printable(str(outcome.out))
    if outcome.ran:
        console.print()
        console.print(summary_renderable(outcome.report, console.width))
    else:
        console.print(
            f"nothing to do: {folder} is up to date (--force builds it again)", soft_wrap=True
        )
    page = find_report_file(outcome.out, "report.html")
    if page is not None:
        console.print(f"Report: {words.printable(str(page.resolve()))}", soft_wrap=True)
    if outcome.ran:
        console.print(f"Again:  rmsmp-hls report {folder}", soft_wrap=True)
