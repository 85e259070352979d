"""Builds that stop themselves: run as a program, one forked child per build.

    python -m tests.flow.stopping MODEL CASES

CASES is JSON: [{"out": folder, "event": name, "count": n, "signal": "SIGKILL" or "SIGINT"}, ...];
the child gets the signal at the n-th event of that name. Printed: JSON, one status per case, an
exit code or a negative signal number.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from rmsmp_hls import flow
from rmsmp_hls.cli import progress
from rmsmp_hls.cli.program import program
from rmsmp_hls.frontend import checkpoint  # torch is loaded once, before the forks
from rmsmp_hls.store import BuildFolder
from rmsmp_hls.train import evaluate

__all__ = ["checkpoint", "evaluate"]


class Trap:
    """Sends the signal at the right event."""

    def __init__(self, event: str, count: int, sent: str) -> None:
        self.event, self.left, self.signal = event, count, signal.Signals[sent]

    def at(self, event: str) -> None:
        if event == self.event:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), self.signal)

    def set(self) -> None:
        """Events: "fsync" and "rename" of files, "commit STAGE", "STAGE run", "STAGE done"."""
        os.fsync = self._before("fsync", os.fsync)
        os.replace = self._before("rename", os.replace)
        commit, stage = BuildFolder.commit, progress.PlainProgress.stage

        def trapped_commit(folder: BuildFolder, name: str, *rest: Any) -> Any:
            self.at(f"commit {name}")
            return commit(folder, name, *rest)

        def trapped_stage(shown: Any, name: str, state: str, *rest: Any) -> None:
            stage(shown, name, state, *rest)
            self.at(f"{name} {state}")

        BuildFolder.commit = trapped_commit  # type: ignore[method-assign]
        progress.PlainProgress.stage = trapped_stage  # type: ignore[method-assign]

    def _before(self, event: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def trapped(*arguments: Any, **named: Any) -> Any:
            self.at(event)
            return function(*arguments, **named)

        return trapped


def run(model: str, case: dict[str, Any]) -> int:
    """Fork a build; return its exit code, or minus the number of the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            Trap(case["event"], case["count"], case["signal"]).set()
            words = ["build", model, "--board", "zcu102", "-o", case["out"], "--storage", "native"]
            program.main(words)
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    assert flow.STAGES
    statuses = [run(sys.argv[1], case) for case in json.loads(sys.argv[2])]
    sys.stdout.write(json.dumps(statuses))
