"""Time and memory of each stage of `rmsmp-hls build`, seen from outside.

    python benchmarks/build_stages.py --model demo/model.pt

The real command runs in a process of its own, in a new folder each time. A stage lasts from
the line that announces it to the line that says it is done.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from machine import Others, spread, write_result
from watch import Watched, watch

PROGRAM = (sys.executable, "-m", "rmsmp_hls")
MIB = 1 << 20
_LINE = re.compile(r"^(\S+)\s+(…|done in)")


def stage_spans(run: Watched) -> dict[str, tuple[float, float]]:
    """Return stage -> (start, end), seconds since the start of the program."""
    starts: dict[str, float] = {}
    spans: dict[str, tuple[float, float]] = {}
    for at, line in run.lines:
        found = _LINE.match(line)
        if found and found[2] == "…":
            starts[found[1]] = at
        elif found and found[1] in starts:
            spans[found[1]] = (starts[found[1]], at)
    if not spans:
        raise SystemExit("the build announced no stages:\n" + "\n".join(t for _, t in run.lines))
    first = min(start for start, _ in spans.values())
    last = max(end for _, end in spans.values())
    return {"(start)": (0.0, first), **spans, "(show)": (last, run.seconds)}


def measure(model: Path, board: str, runs: int) -> dict[str, Any]:
    """Return the figures: build, rebuild without a change, --help."""
    builds, rebuilds = [], []
    for number in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            argv = [*PROGRAM, "build", str(model), "--board", board, "-o", f"{folder}/build"]
            print(f"build {number + 1} of {runs}", file=sys.stderr)
            builds.append(watch(argv))
            rebuilds += [watch(argv) for _ in range(3)]
            if "nothing to do" not in rebuilds[-1].lines[-2][1]:
                raise SystemExit("the rebuild did something: " + rebuilds[-1].lines[-2][1])
    helps = [watch([*PROGRAM, "--help"]) for _ in range(10)]
    spans = [stage_spans(build) for build in builds]
    stages = {
        name: {
            "seconds": spread([one[name][1] - one[name][0] for one in spans]),
            "peak_mib": round(
                statistics.median(
                    build.peak_between(*one[name]) for build, one in zip(builds, spans, strict=True)
                )
                / MIB
            ),
        }
        for name in spans[0]
    }
    return {
        "board": board,
        "stages": stages,
        "build": {
            "seconds": spread([run.seconds for run in builds]),
            "peak_mib": round(max(size for run in builds for _, size in run.memory) / MIB),
            "largest_process_mib": round(max(run.peak_bytes for run in builds) / MIB),
        },
        "rebuild": {
            "seconds": spread([run.seconds for run in rebuilds]),
            "largest_process_mib": round(max(run.peak_bytes for run in rebuilds) / MIB),
        },
        "help": {
            "seconds": spread([run.seconds for run in helps]),
            "largest_process_mib": round(max(run.peak_bytes for run in helps) / MIB),
        },
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures."""
    table = Table("stage", title="rmsmp-hls build (measured)")
    for title in ("median, s", "least", "most", "peak, MiB"):
        table.add_column(title, justify="right")
    rows = {**figures["stages"], "whole build": figures["build"]}
    for name, row in (*rows.items(), ("no-change rebuild", figures["rebuild"])):
        times = [f"{row['seconds'][key]:.2f}" for key in ("median", "least", "most")]
        table.add_row(name, *times, str(row.get("peak_mib", row.get("largest_process_mib"))))
    seconds, size = figures["help"]["seconds"], figures["help"]["largest_process_mib"]
    times = [f"{seconds[key]:.3f}" for key in ("median", "least", "most")]
    table.add_row("--help", *times, str(size))
    Console().print(table)


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("demo/model.pt"), help="checkpoint")
    parser.add_argument("--board", default="zcu102")
    parser.add_argument("--runs", type=int, default=3, help="builds from a clean folder")
    options = parser.parse_args()
    others = Others()
    figures = measure(options.model, options.board, options.runs)
    show(figures)
    print(f"written: {write_result('build_stages', others.share(), figures)}")


if __name__ == "__main__":
    main()
