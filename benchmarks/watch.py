"""Run a command and watch it: when each line came, and the memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.02
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Watched:
    """A finished command.

    Attributes:
        seconds: wall time from start to end.
        lines: (seconds since the start, line) of standard output.
        memory: (seconds since the start, resident bytes of the process and all below it).
            Pages that processes share are counted in each.
        peak_bytes: largest resident size of any one of the processes, as the kernel kept it.
        exit_code: of the command; negative, the signal that ended it.
    """

    seconds: float
    lines: tuple[tuple[float, str], ...]
    memory: tuple[tuple[float, int], ...]
    peak_bytes: int
    exit_code: int = 0

    def peak_between(self, start: float, end: float) -> int:
        """Return the largest sampled memory from `start` to `end`, in bytes; 0 if not sampled."""
        return max((size for at, size in self.memory if start <= at <= end), default=0)


def watch(argv: Sequence[str], *, may_fail: bool = False) -> Watched:
    """Run `argv` to its end.

    Raises:
        SystemExit: it failed and may not; its output is shown.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    memory: list[tuple[float, int]] = []
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            memory.append((time.perf_counter() - begun, tree_bytes(process.pid)))

    sampler = threading.Thread(target=sample)
    sampler.start()
    assert process.stdout is not None
    lines = tuple((time.perf_counter() - begun, line.rstrip("\n")) for line in process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    ended.set()
    sampler.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and not may_fail:
        raise SystemExit("\n".join([f"failed: {' '.join(argv)}", *(line for _, line in lines)]))
    return Watched(seconds, lines, tuple(memory), usage.ru_maxrss * 1024, process.returncode)


def tree_bytes(pid: int) -> int:
    """Return the resident bytes of a process and everything below it; what has ended has none."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return 0
    return own + sum(tree_bytes(child) for child in children)
