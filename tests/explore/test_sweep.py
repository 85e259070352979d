"""Sweeps: every point a file, resumed, no failure spreads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rmsmp_hls.errors import ResourceError
from rmsmp_hls.explore.engines import Outcome, Values, run_in_processes
from rmsmp_hls.explore.sweep import point_key, read_point, run_sweep


def square(task: dict[str, Any]) -> dict[str, Any]:
    """Return the square; odd behaviour as asked. Runs in other processes."""
    if task.get("die"):
        os._exit(1)
    if task.get("raise"):
        raise ValueError("no such number")
    return {"square": task["n"] ** 2}


def _run(tasks: Mapping[str, Values], folder: Path) -> list[tuple[str, bool]]:
    heard: list[tuple[str, bool]] = []
    engine = partial(run_in_processes, square, workers=2)
    run_sweep(tasks, folder, engine, lambda key, values, known: heard.append((key, known)))
    return heard


def test_a_point_that_raises_or_kills_its_process_stops_no_other(tmp_path: Path) -> None:
    """All others have results; both failed ones say why and are tried again."""
    tasks = {f"k{n}": {"n": n} for n in range(6)}
    tasks["k2"]["raise"] = 1
    tasks["k4"]["die"] = 1
    assert sorted(key for key, _ in _run(tasks, tmp_path)) == sorted(tasks)
    for n in (0, 1, 3, 5):
        assert read_point(tmp_path, f"k{n}") == {"square": n * n}
    failed = read_point(tmp_path, "k2")
    assert failed == {"error": "ValueError: no such number", "failed": True}
    assert "BrokenProcessPool" in (read_point(tmp_path, "k4") or {})["error"]
    del tasks["k2"]["raise"], tasks["k4"]["die"]
    again = dict(_run(tasks, tmp_path))
    assert [key for key in sorted(again) if not again[key]] == ["k2", "k4"]
    assert read_point(tmp_path, "k4") == {"square": 16}


def test_what_is_there_is_not_computed_again(tmp_path: Path) -> None:
    """A refusal counts as there; a damaged file does not."""

    def engine(tasks: Mapping[str, Values]) -> Iterator[tuple[str, Outcome]]:
        asked.append(sorted(tasks))
        for key in tasks:
            yield key, ResourceError("too large", fix="smaller") if key == "b" else {"x": 1}

    asked: list[list[str]] = []
    tasks: dict[str, Values] = {"a": {}, "b": {}, "c": {}}

    def silent(key: str, values: Values, known: bool) -> None:
        assert key in tasks

    run_sweep(tasks, tmp_path, engine, silent)
    assert read_point(tmp_path, "b") == {"error": "too large\n  -> smaller"}
    (tmp_path / "c.json").write_text('{"x"')
    run_sweep(tasks, tmp_path, engine, silent)
    run_sweep(tasks, tmp_path, engine, silent)
    assert asked == [["a", "b", "c"], ["c"]]
    assert not list(tmp_path.glob("*.part"))


def test_a_key_is_of_the_content() -> None:
    """The order of the names does not matter, every value does."""
    assert point_key({"a": 1, "b": 2}) == point_key({"b": 2, "a": 1})
    assert point_key({"a": 1}) != point_key({"a": 1.5})


_SLOW = """
import sys, time
from functools import partial
from pathlib import Path
from rmsmp_hls.explore.engines import run_in_processes
from rmsmp_hls.explore.sweep import run_sweep
from tests.explore.test_sweep import slow_square

if __name__ == "__main__":
    tasks = {f"k{n}": {"n": n, "wait": 0 if n < 2 else 60} for n in range(4)}
    engine = partial(run_in_processes, slow_square, workers=2)
    run_sweep(tasks, Path(sys.argv[1]), engine, lambda *_: None)
"""


def slow_square(task: dict[str, Any]) -> dict[str, Any]:
    """Return the square after a wait."""
    time.sleep(task["wait"])
    return square(task)


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    """SIGKILL in the middle: whole files stay, only the others are computed again."""
    script, folder = tmp_path / "slow.py", tmp_path / "points"
    script.write_text(_SLOW)
    root = Path(__file__).parents[2]
    running = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        env={**os.environ, "PYTHONPATH": str(root)}, start_new_session=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + 100
        while len(list(folder.glob("*.json"))) < 2 and time.monotonic() < end:
            time.sleep(0.1)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert sorted(path.stem for path in folder.glob("*.json")) == ["k0", "k1"]
    heard = dict(_run({f"k{n}": {"n": n} for n in range(4)}, folder))
    assert heard == {"k0": True, "k1": True, "k2": False, "k3": False}
    assert json.loads((folder / "k3.json").read_text()) == {"square": 9}
