"""The nightly run: `python -m tests.fuzz --minutes 60 --jobs 2 --seed 1`.

Exits with 1 if a case failed, or if the toolchain refused more than a fifth of them.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.fuzz.campaign import Session, run_campaign
from tests.fuzz.coverage import Coverage
from tests.fuzz.regressions import FOLDER

MOST_REFUSED = 0.2


@click.command()
@click.option("--minutes", default=60.0, show_default=True, help="No new session after so long.")
@click.option("--seed", default=1, show_default=True, help="Of the first session of 24 cases.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option(
    "--keep", default=FOLDER, type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the cases that fail.",
)  # fmt: skip
def main(minutes: float, seed: int, jobs: int, keep: Path) -> None:
    """Run random networks through every implementation and compare."""
    console = Console()
    start = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("compiling", total=max(1.0, minutes * 60))

        def show(session: Session, total: Coverage) -> None:
            words = f"{total.cases} networks, {total.refused.total()} refused, "
            words += f"{total.failed.total()} failed"
            progress.update(task, completed=time.monotonic() - start, description=words)
            for path in session.kept:
                progress.print(f"kept {path}")

        total = run_campaign(seed, minutes * 60, jobs, keep, show)
    console.print("\n".join(total.lines()), markup=False, highlight=False, soft_wrap=True)
    too_many = total.refused.total() > MOST_REFUSED * total.cases
    if too_many:
        console.print("Too many refusals: the generator draws what the toolchain cannot do.")
    raise SystemExit(1 if total.failed or too_many else 0)


if __name__ == "__main__":
    main()
