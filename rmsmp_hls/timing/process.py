"""A process: a sequence of runs of cycles, each with the words that it takes and gives.

A run stalls as a whole while an end that it needs is not ready, as a pipelined loop of HLS does. In
max-plus terms the access in cycle t_i of the run happens at
`a_i = max(a_(i-1) + t_i - t_(i-1), ready_i)`, which a running maximum of `ready_i - t_i` gives for
many accesses at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rmsmp_hls.timing.tokens import Cycles, End


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """`cycles` cycles with one access to every end of `ends` in each of the cycles `ticks`.

    Without `ticks` the accesses are in every cycle, without ends the run only takes time.
    """

    cycles: int
    ends: tuple[End, ...] = ()
    ticks: Cycles | None = None


class Process:
    """Executes the runs that `start` was given as far as times are known.

    Attributes:
        now: the next cycle.
        stalls: cycles waited, by cause.
        finished: whether all runs are done.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.now = 0
        self.stalls: dict[str, int] = {}
        self.finished = False
        self._runs: Iterator[Run] = iter(())
        self._ends: tuple[End, ...] = ()
        self._ticks: Cycles = np.zeros(0, dtype=np.int64)
        self._taken = 0
        self._base = 0  # cycle of the run's tick 0, moved on by every stall
        self._length = 0
        self._ramp = np.arange(64, dtype=np.int64)

    def start(self, runs: Iterator[Run]) -> None:
        """Set what to execute. `runs` may read `now` when it is asked for its next run."""
        self._runs = runs

    @property
    def waits_for(self) -> str:
        """Causes that the process may be waiting for, in words."""
        return " or ".join(end.cause for end in self._ends)

    def advance(self) -> None:
        """Execute all that can be."""
        while not self.finished:
            if not self._ends:
                self._begin(next(self._runs, None))
                continue
            count = left = len(self._ticks) - self._taken
            for end in self._ends:
                count = min(count, end.known())
            if not count:
                return
            self._take(count)
            if count == left:
                self.now, self._ends = self._base + self._length, ()

    def _begin(self, run: Run | None) -> None:
        if run is None:
            self.finished = True
        elif run.ends and (run.cycles if run.ticks is None else len(run.ticks)):
            self._ends, self._length = run.ends, run.cycles
            self._ticks = self._every(run.cycles) if run.ticks is None else run.ticks
            self._taken, self._base = 0, self.now
        else:
            self.now += run.cycles

    def _every(self, cycles: int) -> Cycles:
        if cycles > len(self._ramp):
            self._ramp = np.arange(2 * cycles, dtype=np.int64)
        return self._ramp[:cycles]

    def _take(self, count: int) -> None:
        ends, ticks = self._ends, self._ticks[self._taken : self._taken + count]
        ready = ends[0].times(count)
        for end in ends[1:]:
            ready = np.maximum(ready, end.times(count))
        late = ready - ticks
        if late.max() <= self._base:
            at = ticks + self._base
        else:
            begin = np.maximum(np.maximum.accumulate(late), self._base)
            self._account(begin, ready, count)
            self._base = int(begin[-1])
            at = begin + ticks
        for end in ends:
            end.commit(at)
        self._taken += count

    def _account(self, begin: Cycles, ready: Cycles, count: int) -> None:
        """Charge every cycle of waiting to the first end that was ready last."""
        if len(self._ends) == 1:
            cause = self._ends[0].cause
            self.stalls[cause] = self.stalls.get(cause, 0) + int(begin[-1]) - self._base
            return
        waited = np.diff(begin, prepend=self._base)
        for end in self._ends:
            last = end.times(count) == ready
            self.stalls[end.cause] = self.stalls.get(end.cause, 0) + int(waited[last].sum())
            waited = np.where(last, 0, waited)
