"""A sweep over many points, each a file: what is there is not computed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rmsmp_hls.errors import ConfigError, RmsmpError
from rmsmp_hls.explore.engines import Outcome, Values

Engine = Callable[[Mapping[str, Values]], Iterator[tuple[str, Outcome]]]
"""Computes tasks by key, and yields each result or error as it is there."""

Told = Callable[[str, Values, bool], None]
"""Hears of every point: key, its file's values, and whether the file was there already."""


def point_key(content: Values) -> str:
    """Return the name of a point from all that its result depends on."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def run_sweep(tasks: Mapping[str, Values], folder: Path, engine: Engine, told: Told) -> None:
    """Compute the points that `folder` lacks; one that fails does not stop the others.

    A point's file is written whole or not at all, so a sweep that was stopped goes on. A refusal
    (a network that does not fit) is a result; what failed otherwise is tried again next time.

    Args:
        tasks: key -> what the engine's function gets.
        folder: of the files KEY.json.
        engine: where they are computed.
        told: see `Told`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left = {}
    for key, task in tasks.items():
        known = read_point(folder, key)
        if known is None or known.get("failed"):
            left[key] = task
        else:
            told(key, known, True)
    if not left:
        return
    for key, outcome in engine(left):
        values = _values(outcome)
        path = folder / f"{key}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        part.replace(path)
        told(key, values, False)


def read_point(folder: Path, key: str) -> Values | None:
    """Return the values of a point's file; None if it is not there or damaged."""
    try:
        values = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _values(outcome: Outcome) -> Values:
    if not isinstance(outcome, BaseException):
        return outcome
    if isinstance(outcome, RmsmpError):
        return {"error": outcome.message()}
    return {"error": f"{type(outcome).__name__}: {outcome}"[:2000], "failed": True}


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be one.

    Raises:
        ConfigError: it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError("is a file", where=str(folder), fix="give another folder with -o")
