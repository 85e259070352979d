"""A sweep of explorations: models x boards x clocks, each a point."""

from __future__ import annotations

import dataclasses
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import rmsmp_hls
from rmsmp_hls.commands.explore import exploration_json, explore_model
from rmsmp_hls.config import BuildOptions, show_ratio
from rmsmp_hls.config.sweep_file import SweepOptions
from rmsmp_hls.errors import RmsmpError
from rmsmp_hls.explore.engines import dask_is_there, run_in_processes, run_on_dask
from rmsmp_hls.explore.front import Resolution
from rmsmp_hls.explore.sweep import Engine, Told, check_folder, point_key, run_sweep
from rmsmp_hls.hw.board import load_board
from rmsmp_hls.store import digest_file

Values = dict[str, Any]


class _Silent:
    def stage(self, name: str, state: str, seconds: float | None, detail: str) -> None:
        """Say nothing."""

    def step(self, text: str, done: int, total: int) -> None:
        """Say nothing."""


def explore_point(task: Values) -> Values:
    """Return the exploration of one point as JSON values; a refusal is one, too."""
    facts = {key: task[key] for key in ("model", "board", "clock_mhz", "ratios")}
    ratios = tuple((a, b, c) for a, b, c in task["ratios"])
    step = Resolution(task["step"], task["step"])
    try:
        options = BuildOptions(Path(task["path"]), board=task["board"], clock_mhz=task["clock_mhz"])
        found = explore_model(options, _Silent(), ratios, step)
    except RmsmpError as error:
        return {**facts, "error": error.message()}
    return {**facts, **exploration_json(found, Path(task["path"]).name)}


def sweep_tasks(options: SweepOptions, step: float) -> dict[str, Values]:
    """Return the points by key; a key is the hash of all that its result depends on.

    Raises:
        ConfigError: a board is not known.
    """
    # What is not there fails by itself, as its point.
    digests = {path: digest_file(path) if path.is_file() else "" for path in options.models}
    boards = {name: load_board(name) for name in options.boards}
    tasks = {}
    for path, name, clock in product(options.models, options.boards, options.clocks):
        board = dataclasses.asdict(boards[name])
        board["dsp_family"] = boards[name].dsp_family.name
        content = {
            "version": rmsmp_hls.__version__, "model": digests[path], "board": board,
            "clock_mhz": clock, "ratios": [show_ratio(ratio) for ratio in options.ratios],
            "step": step,
        }  # fmt: skip
        tasks[point_key(content)] = {
            "path": str(path.resolve()), "model": path.name, "board": name, "clock_mhz": clock,
            "ratios": [list(ratio) for ratio in options.ratios], "step": step,
        }  # fmt: skip
    return tasks


def sweep(
    options: SweepOptions,
    folder: Path,
    told: Told,
    *,
    step: float = 0.05,
    workers: int = 2,
    scheduler: str | None = None,
) -> bool:
    """Compute the points of a sweep that `folder` lacks.

    Args:
        options: what it is over.
        folder: of the points' files.
        told: hears of every point.
        step: resolution of the fronts.
        workers: processes, where no scheduler is given.
        scheduler: address of a Dask scheduler whose workers can read the models at their paths.

    Returns:
        Whether Dask did it; else processes did.

    Raises:
        ConfigError: a board is not known, the folder is a file, or Dask is asked for and absent.
    """
    check_folder(folder)
    tasks = sweep_tasks(options, step)
    on_dask = scheduler is not None or dask_is_there()
    engine: Engine = partial(run_in_processes, explore_point, workers=workers)
    if on_dask:
        engine = partial(run_on_dask, explore_point, workers=workers, scheduler=scheduler)
    run_sweep(tasks, folder, engine, told)
    return on_dask
