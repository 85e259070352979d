"""`rmsmp-hls explore --sweep`: many explorations, each point a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def show_sweep(file: Path, out: Path, step: float, workers: int, scheduler: str | None) -> None:
    """Run a sweep, a line for every point, and say what failed."""
    from rmsmp_hls.cli.console import make_console
    from rmsmp_hls.commands.sweep import sweep, sweep_tasks
    from rmsmp_hls.config.sweep_file import load_sweep
    from rmsmp_hls.explore.engines import dask_is_there
    from rmsmp_hls.report import words

    console = make_console()
    options = load_sweep(file)
    total = len(sweep_tasks(options, step))
    done, wrong = 0, 0
    if scheduler is None and not dask_is_there():
        console.print(
            f"Dask is not installed (pip install rmsmp-hls[dask]): {workers} processes of this "
            "machine do it.",
            soft_wrap=True,
        )

    def told(key: str, values: dict[str, Any], known: bool) -> None:
        nonlocal done, wrong
        done += 1
        wrong += "error" in values
        text = point_text(values) + (" (was there)" if known else "")
        console.print(f"{done} of {total}  {key}  {words.printable(text)}", soft_wrap=True)

    sweep(options, out, told, step=step, workers=workers, scheduler=scheduler)
    console.print(
        f"{words.number_of(total, 'point')} in {words.printable(str(out))}, {wrong} without a "
        "design",
        soft_wrap=True,
    )


def point_text(values: dict[str, Any]) -> str:
    """Return a line about a point: the quickest design of its front, or what is wrong."""
    from rmsmp_hls.report import words

    name = f"{values.get('model', '')} on {values.get('board', '')}"
    if values.get("clock_mhz"):
        name += f" at {values['clock_mhz']:g} MHz"
    if "error" in values:
        reason = words.shorten(str(values["error"]).splitlines()[0], 160)
        return f"{name}: {reason}" if values.get("model") else reason
    points = values["points"]
    quickest = words.milliseconds(points[0]["latency_ms"])
    return f"{name}: {words.number_of(len(points), 'design')}, quickest {quickest}"
