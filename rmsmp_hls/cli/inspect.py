"""`rmsmp-hls inspect`: show any artefact readably."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("inspect", short_help="Show a model, graph, packed design or build folder.")
@click.argument("path", type=click.Path(path_type=Path))
def inspect_command(path: Path) -> None:
    """Show what PATH holds: per layer the rows of each format, scales, codes and bytes.

    PATH is a checkpoint (model.pt), a saved graph (.json with its .npz), a packed design folder,
    a build folder, a report.json or a file of arrays (.npz).
    """
    from rmsmp_hls.cli.console import make_console
    from rmsmp_hls.inspect import inspect_artefact

    console = make_console()
    console.print(inspect_artefact(path, console.width))
