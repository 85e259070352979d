"""Runs that were made, each in a file of its own, so that a benchmark goes on after a stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def run_path(folder: Path, case: str, scheme: str, seed: int) -> Path:
    """Return where a run is kept."""
    return folder / f"{case}.{scheme}.{seed}.json"


def read_run(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return a kept run; None if there is none, it is damaged, or it has other settings."""
    try:
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return run if isinstance(run, dict) and run.get("settings") == settings else None


def write_run(path: Path, run: dict[str, Any]) -> None:
    """Write a run as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
