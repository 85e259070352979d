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
BUSY_LOAD = 0.5
"""Load average per processor above which figures are not worth much."""


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


def load_per_processor() -> float:
    """Return the load average of the last minute per processor; say so if it is high."""
    load = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    if load > BUSY_LOAD:
        print(f"note: the machine is busy (load {load:.2f} per processor)", file=sys.stderr)
    return round(load, 2)


def write_result(name: str, load: float, figures: dict[str, Any]) -> Path:
    """Write results/NAME.json with the machine, its load at the start, and the figures."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"machine": describe(), "load_per_processor": load, "figures": figures}
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
