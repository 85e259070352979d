"""Where the points of a sweep are computed: processes of this machine, or Dask's workers."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from rmsmp_hls.errors import ConfigError, ToolError

Values = dict[str, Any]
"""JSON values."""

Function = Callable[[Values], Values]
Outcome = Values | BaseException


def run_in_processes(
    function: Function, tasks: Mapping[str, Values], workers: int
) -> Iterator[tuple[str, Outcome]]:
    """Yield (key, result or error) as the tasks end.

    A process that dies takes those of its pool with it: what had not ended then runs again, each
    task in a process of its own, so only the one that kills its process fails.
    """
    left = dict(tasks)
    try:
        for key, outcome in _pool(function, left, workers):
            if isinstance(outcome, BrokenProcessPool):
                break
            del left[key]
            yield key, outcome
    except BrokenProcessPool:  # it broke while tasks were still handed in
        pass
    for key, task in left.items():
        yield from _pool(function, {key: task}, 1)


def _pool(
    function: Function, tasks: Mapping[str, Values], workers: int
) -> Iterator[tuple[str, Outcome]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures: dict[Future[Values], str] = {
            pool.submit(function, task): key for key, task in tasks.items()
        }
        pending = set(futures)
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield futures[future], future.exception() or future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def dask_is_there() -> bool:
    """Return whether Dask's distributed scheduler is installed."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        return False
    return True


def run_on_dask(
    function: Function, tasks: Mapping[str, Values], workers: int, scheduler: str | None
) -> Iterator[tuple[str, Outcome]]:
    """Yield (key, result or error) as the tasks end on a Dask cluster.

    Args:
        function: of this package, which the workers have too.
        tasks: key -> argument.
        workers: processes of a local cluster.
        scheduler: address of a running one instead.

    Raises:
        ConfigError: Dask is not installed.
        ToolError: the scheduler does not answer.
    """
    if not dask_is_there():
        raise ConfigError(
            "Dask is not installed", where="--scheduler", fix="pip install rmsmp-hls[dask]"
        )
    from distributed import Client, LocalCluster, as_completed

    local = scheduler is None
    cluster: Any = scheduler
    if local:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.ERROR,
        )
    try:
        client = Client(cluster, timeout="10s")
    except OSError as error:
        raise ToolError(
            f"the Dask scheduler does not answer: {error}",
            where=str(scheduler),
            fix="check the address, or leave --scheduler out to run on this machine",
        ) from error
    try:
        futures = {
            client.submit(function, task, key=f"rmsmp-{key}", pure=False, retries=1): key
            for key, task in tasks.items()
        }
        for future in as_completed(list(futures)):
            yield futures[future], future.exception() or future.result()
            future.release()
    finally:
        client.close()
        if local:
            cluster.close()
