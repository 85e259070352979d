"""What a figure was measured on, and where results are kept."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
BUSY_SHARE = 0.1
"""Share of the processors taken by other programs above which figures are not worth much."""


def describe() -> dict[str, Any]:
    """Return processor, memory, compiler and versions; no date and no host name."""
    return {
        "processor": _proc_value("/proc/cpuinfo", "model name") or platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "compiler": _compiler(),
        "python": platform.python_version(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "packages": {name: metadata.version(name) for name in ("torch", "numpy", "rmsmp-hls")},
    }


class Others:
    """How busy other programs keep the machine, from now on."""

    def __init__(self) -> None:
        self._busy, self._total = _ticks()
        self._own = _own_ticks()

    def share(self) -> float:
        """Return the share of the processors' time that was not ours or idle, 0..1."""
        busy, total = _ticks()
        others = (busy - self._busy) - (_own_ticks() - self._own)
        share = round(max(0.0, others / max(total - self._total, 1)), 3)
        if share > BUSY_SHARE:
            print(f"note: other programs used {share:.0%} of the processors", file=sys.stderr)
        return share


def write_result(name: str, others: float, figures: dict[str, Any]) -> Path:
    """Write results/NAME.json with the machine, the share others took, and the figures.

    NAME may have a folder: "full_size/resnet18".
    """
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": describe(), "other_programs_share": others, "figures": figures}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, least and largest of repeated times, and how many there are."""
    return {
        "median": round(statistics.median(seconds), 4),
        "least": round(min(seconds), 4),
        "most": round(max(seconds), 4),
        "runs": len(seconds),
    }


def _ticks() -> tuple[int, int]:
    """Return the processors' ticks since the start: busy, all (proc(5), the first line of stat)."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def _own_ticks() -> float:
    """Return the processor time of this process and its ended children, in ticks."""
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return own * os.sysconf("SC_CLK_TCK")


def _compiler() -> str:
    compiler = os.environ.get("CXX") or "g++"
    told = subprocess.run([*compiler.split(), "--version"], capture_output=True, text=True)
    return told.stdout.splitlines()[0] if told.stdout else "none"


def _proc_value(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")
