"""`rmsmp-hls report`: show a build's report again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rmsmp_hls.errors import ReportError

if TYPE_CHECKING:
    from rmsmp_hls.report.model import Report

FORMATS = ("terminal", "markdown", "html", "json")


def find_report_file(folder: Path, name: str) -> Path | None:
    """Return the report file `name` of a build folder, None if the build has not made it."""
    places = [folder / name, *sorted(folder.glob(f"*/{name}"))]
    return next((place for place in places if place.is_file()), None)


def read_report(path: Path) -> Report:
    """Read the report of a build folder, or a report.json itself.

    Raises:
        ReportError: there is none.
        ArtefactError: it is damaged or of another version.
    """
    from rmsmp_hls.report.json import from_json

    found = find_report_file(path, "report.json") if path.is_dir() else path
    if found is None:
        raise ReportError(
            "holds no report.json",
            where=str(path),
            fix="name the folder that `rmsmp-hls build -o` was given, or build first",
        )
    try:
        return from_json(found.read_text(encoding="utf-8", errors="replace"), str(found))
    except OSError as error:
        raise ReportError(f"cannot be read: {error.strerror}", where=str(found)) from error


@click.command("report", short_help="Show a build's report again.")
@click.argument("build_dir", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True,
    help="How to write it, to standard output.",
)  # fmt: skip
def report_command(build_dir: Path, form: str) -> None:
    """Show the report of BUILD_DIR (or a report.json) again; nothing is built."""
    report = read_report(build_dir)
    if form == "terminal":
        from rmsmp_hls.cli.console import make_console
        from rmsmp_hls.report.terminal import show_report

        show_report(report, make_console())
    elif form == "json":
        from rmsmp_hls.report.json import to_json

        click.echo(to_json(report), nl=False)
    elif form == "markdown":
        from rmsmp_hls.report.markdown import to_markdown

        click.echo(to_markdown(report), nl=False)
    else:
        from rmsmp_hls.report.html import to_html

        click.echo(to_html(report), nl=False)
