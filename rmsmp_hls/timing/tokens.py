"""Queues of times, and the FIFOs made of them.

A FIFO of finite depth is two queues: of the words that may be read, and of the places that may be
written, each with the first cycle in which it may be taken. A word written in cycle c can be read
from c + 1 on, and the place of a word read in cycle c can be written from c + 1 on.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Cycles = npt.NDArray[np.int64]
_MEASURE_AFTER = 128


class Awake:
    """Names of the processes for which something has become known since they last went on."""

    __slots__ = ("names",)

    def __init__(self) -> None:
        self.names: set[str] = set()

    def wake(self, name: str) -> None:
        """Note that a process may go on."""
        self.names.add(name)


class Tokens:
    """Times in ascending order; added at the back, taken from the front."""

    __slots__ = ("_times",)

    def __init__(self, times: Cycles | None = None) -> None:
        self._times = np.zeros(0, dtype=np.int64) if times is None else times

    def __len__(self) -> int:
        return len(self._times)

    def first(self, count: int) -> Cycles:
        """Return the first times without taking them."""
        return self._times[:count]

    def drop(self, count: int) -> None:
        """Take the first times away."""
        self._times = self._times[count:]

    def add(self, times: Cycles) -> None:
        """Append times, none earlier than those that are there."""
        self._times = np.concatenate((self._times, times)) if len(self._times) else times


class End(Protocol):
    """One side of a channel, as a process sees it. `cause` names what a stall at it is."""

    cause: str

    def known(self) -> int:
        """Return how many of the next accesses have a known earliest time."""

    def times(self, count: int) -> Cycles:
        """Return the earliest cycles of the next accesses; at most `known()`."""

    def commit(self, at: Cycles) -> None:
        """Make the next accesses, in these cycles."""


class Fifo:
    """A FIFO of `depth` words from process `source` to process `sink`; `high_water` is the most
    that it held."""

    def __init__(self, name: str, depth: int, source: str, sink: str, awake: Awake) -> None:
        self.name, self.depth = name, depth
        self._source, self._sink, self._awake = source, sink, awake
        self.words = self.high_water = 0
        self.data, self.space = Tokens(), Tokens(np.zeros(depth, dtype=np.int64))
        self._written: list[Cycles] = []
        self._read: list[Cycles] = []
        self._first_written = self._first_read = 0

    def reader(self, cause: str) -> FifoReader:
        """Return the end that reads."""
        return FifoReader(self, cause)

    def writer(self, cause: str) -> FifoWriter:
        """Return the end that writes."""
        return FifoWriter(self, cause)

    def note_written(self, at: Cycles) -> None:
        """Note writes for the reader and for the high-water mark."""
        self._awake.wake(self._sink)
        self.words += len(at)
        self._written.append(at)

    def note_read(self, at: Cycles) -> None:
        """Note reads for the writer and for the high-water mark."""
        self._awake.wake(self._source)
        self._read.append(at)
        if len(self._read) >= _MEASURE_AFTER:
            self.measure(finished=False)

    def measure(self, *, finished: bool) -> None:
        """Bring the high-water mark (words at the end of a cycle) up to date.

        A write counts once all reads up to its cycle are known: memory stays bounded, as a FIFO's
        writes are never more than `depth` words ahead.
        """
        if not self._written:
            return
        written = np.concatenate(self._written)
        read = np.concatenate(self._read) if self._read else np.zeros(0, dtype=np.int64)
        if finished:
            count = len(written)
        else:
            count = int(np.searchsorted(written, read[-1], "right")) if len(read) else 0
        if not count:
            return
        gone = np.searchsorted(read, written[:count], "right")
        held = self._first_written + np.arange(1, count + 1) - self._first_read - gone
        self.high_water = max(self.high_water, int(held.max()))
        self._first_written += count
        self._first_read += int(gone[-1])
        self._written, self._read = [written[count:]], [read[gone[-1] :]]


class FifoReader:
    """The reading end of a FIFO."""

    __slots__ = ("_fifo", "cause")

    def __init__(self, fifo: Fifo, cause: str) -> None:
        self._fifo, self.cause = fifo, cause

    def known(self) -> int:
        """Words whose time of arrival is known."""
        return len(self._fifo.data)

    def times(self, count: int) -> Cycles:
        """First cycles in which the next words can be read."""
        return self._fifo.data.first(count)

    def commit(self, at: Cycles) -> None:
        """Read words in these cycles."""
        self._fifo.data.drop(len(at))
        self._fifo.space.add(at + 1)
        self._fifo.note_read(at)


class FifoWriter:
    """The writing end of a FIFO."""

    __slots__ = ("_fifo", "cause")

    def __init__(self, fifo: Fifo, cause: str) -> None:
        self._fifo, self.cause = fifo, cause

    def known(self) -> int:
        """Places whose time of release is known."""
        return len(self._fifo.space)

    def times(self, count: int) -> Cycles:
        """First cycles in which the next places can be written."""
        return self._fifo.space.first(count)

    def commit(self, at: Cycles) -> None:
        """Write words in these cycles."""
        self._fifo.space.drop(len(at))
        self._fifo.data.add(at + 1)
        self._fifo.note_written(at)
