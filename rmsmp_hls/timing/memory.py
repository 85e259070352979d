"""Memory ports with their bursts, and the DDR that serves all of them.

A loop over n words asks for them when it is entered. The port cuts them into bursts (at most
`burst_words`, never across 4 KiB) and issues one per cycle while fewer than its limit are on their
way. The DDR serves bursts in the order in which they were issued, one at a time; the words of a
read reach the port `latency` cycles later at the rate of the slower of both, and a written burst is
answered `latency` cycles after its last word.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

import numpy as np

from rmsmp_hls.timing.machine import FRACTION, Machine, PortTiming
from rmsmp_hls.timing.tokens import Awake, Cycles, Tokens

PAGE_BYTES = 4096
"""A burst does not cross a multiple of this: AXI."""
_ZEROS = np.zeros(PAGE_BYTES, dtype=np.int64)


def burst_length(timing: PortTiming, first: int, left: int) -> int:
    """Return the words of the next burst of a request: `left` words from word `first` on."""
    to_page = PAGE_BYTES // timing.word_bytes - first % (PAGE_BYTES // timing.word_bytes)
    return min(timing.burst_words, left, to_page)


class Port(ABC):
    """What reading and writing ports share: requests, bursts, room for those on their way."""

    def __init__(
        self, name: str, timing: PortTiming, outstanding: int, owner: str, awake: Awake
    ) -> None:
        self.cause, self.timing = name, timing
        self._owner, self._awake = owner, awake
        self.bursts = self.bytes = 0
        self._slots: deque[int] = deque([0] * outstanding)
        self._line_free = 0
        self._last_issue = -1

    def _serve(self, start: int, words: int, byte_time: int) -> tuple[int, int]:
        """Move a burst over the port, not before `start`; return (begin, time of a word), both in
        1 / FRACTION cycles."""
        self._awake.wake(self._owner)
        timing = self.timing
        per_word = max(timing.interval * FRACTION, timing.word_bytes * byte_time)
        begin = max(start, self._line_free)
        self._line_free = begin + words * per_word
        self.bursts += 1
        self.bytes += words * timing.word_bytes
        return begin, per_word

    @abstractmethod
    def next_issue(self) -> int | None:
        """Return when the next burst is issued; None if that is not known or there is none."""

    @abstractmethod
    def grant(self, start: int, latency: int, byte_time: int) -> None:
        """Serve the next burst; `start` in 1 / FRACTION cycles."""

    @abstractmethod
    def next_words(self) -> int:
        """Return the words of the burst that `next_issue` speaks of."""


class ReadPort(Port):
    """A port that reads; for its process an end that words come from."""

    def __init__(self, name: str, timing: PortTiming, owner: str, awake: Awake) -> None:
        super().__init__(name, timing, timing.reads, owner, awake)
        self._data = Tokens()
        self._requests: deque[tuple[int, int, int]] = deque()  # first word, words, cycle
        self._on_their_way: deque[int] = deque()  # words not yet taken of each burst

    def request(self, first: int, words: int, cycle: int) -> None:
        """Ask for words from `first` on."""
        if words:
            self._requests.append((first, words, cycle))

    def next_issue(self) -> int | None:
        """When the next burst is issued."""
        if not self._requests or not self._slots:
            return None
        return max(self._last_issue + 1, self._requests[0][2], self._slots[0])

    def next_words(self) -> int:
        """Words of the next burst."""
        first, left, _ = self._requests[0]
        return burst_length(self.timing, first, left)

    def grant(self, start: int, latency: int, byte_time: int) -> None:
        """Serve the next burst: its words arrive."""
        issue, words = self.next_issue(), self.next_words()
        assert issue is not None, "only a burst that was issued is served"
        first, left, cycle = self._requests.popleft()
        if left > words:
            self._requests.appendleft((first + words, left - words, cycle))
        self._slots.popleft()
        self._last_issue = issue
        self._on_their_way.append(words)
        begin, per_word = self._serve(start + latency * FRACTION, words, byte_time)
        arrive = begin + per_word * np.arange(1, words + 1)
        self._data.add(-(-arrive // FRACTION))

    def known(self) -> int:
        """Words whose arrival is known."""
        return len(self._data)

    def times(self, count: int) -> Cycles:
        """Cycles in which the next words are there."""
        return self._data.first(count)

    def commit(self, at: Cycles) -> None:
        """Take words; a burst whose last word is taken makes room for another."""
        self._data.drop(len(at))
        left, taken = len(at), 0
        while left:
            part = min(left, self._on_their_way[0])
            left -= part
            taken += part
            self._on_their_way[0] -= part
            if not self._on_their_way[0]:
                self._on_their_way.popleft()
                self._slots.append(int(at[taken - 1]) + 1)


class WritePort(Port):
    """A port that writes; for its process an end that words go to."""

    def __init__(self, name: str, timing: PortTiming, owner: str, awake: Awake) -> None:
        super().__init__(name, timing, timing.writes, owner, awake)
        self._first = self._left = 0  # of the request
        self._open = 0  # words still to come of the burst that is being filled
        self._size = 0
        self._full: deque[tuple[int, int]] = deque()  # cycle, words
        self.answered = 0  # cycle of the last response
        self.unanswered = 0

    def request(self, first: int, words: int, cycle: int) -> None:
        """Announce words from `first` on; all of the request before have been written."""
        assert not self._left, "a request follows the last word of the one before"
        self._first, self._left = first, words

    def _begin(self) -> int:
        return burst_length(self.timing, self._first, self._left)

    def known(self) -> int:
        """Words that may be written: to the end of the burst, none while all places are taken."""
        if self._open:
            return self._open
        return self._begin() if self._slots else 0

    def times(self, count: int) -> Cycles:
        """Cycles from which on the next words may be written."""
        if self._open:
            return _ZEROS[:count]
        times = np.zeros(count, dtype=np.int64)
        times[0] = self._slots[0]
        return times

    def commit(self, at: Cycles) -> None:
        """Write words; a burst that is full is issued in the next cycle."""
        if not self._open:
            self._open = self._size = self._begin()
            self._slots.popleft()
        self._open -= len(at)
        self._first += len(at)
        self._left -= len(at)
        if not self._open:
            self._full.append((int(at[-1]) + 1, self._size))
            self.unanswered += 1

    def next_issue(self) -> int | None:
        """When the next burst is issued."""
        return max(self._last_issue + 1, self._full[0][0]) if self._full else None

    def next_words(self) -> int:
        """Words of the next burst."""
        return self._full[0][1]

    def grant(self, start: int, latency: int, byte_time: int) -> None:
        """Serve the next burst: its response makes room for another."""
        issue = self.next_issue()
        assert issue is not None, "only a burst that was issued is served"
        self._last_issue = issue
        _, words = self._full.popleft()
        self._serve(start, words, byte_time)
        self.answered = -(-self._line_free // FRACTION) + latency
        self._slots.append(self.answered)
        self.unanswered -= 1


class Answered:
    """The end that waits until all bursts of a writing port are answered."""

    def __init__(self, port: WritePort) -> None:
        self.cause, self._port = port.cause, port

    def known(self) -> int:
        """1 once the last response is known."""
        return 0 if self._port.unanswered else 1

    def times(self, count: int) -> Cycles:
        """The cycle of the last response."""
        return np.full(count, self._port.answered, dtype=np.int64)

    def commit(self, at: Cycles) -> None:
        """Waiting changes nothing."""


class Ddr:
    """The memory behind all ports."""

    def __init__(self, machine: Machine, ports: tuple[Port, ...]) -> None:
        self._latency, self._byte_time = machine.latency, machine.byte_time
        self._ports = ports
        self._free = 0
        self.busy = 0  # 1 / FRACTION cycles

    def _earliest(self) -> tuple[int, int] | None:
        first: tuple[int, int] | None = None
        for index, port in enumerate(self._ports):
            issue = port.next_issue()
            if issue is not None and (first is None or issue < first[0]):
                first = issue, index
        return first

    def serve(self) -> bool:
        """Serve all bursts whose turn is certain; False if none is issued.

        To be called when every process waits for something that is not known yet. Whatever is
        issued later then depends on a burst that is not served yet, so it is issued at least
        `latency` cycles behind the earliest of these: all that are issued before that have their
        order.
        """
        earliest = self._earliest()
        if earliest is None:
            return False
        certain = earliest[0] + self._latency
        while earliest is not None and earliest[0] < certain:
            issue, index = earliest
            port = self._ports[index]
            start = max(self._free, issue * FRACTION)
            taken = port.next_words() * port.timing.word_bytes * self._byte_time
            self._free = start + taken
            self.busy += taken
            port.grant(start, self._latency, self._byte_time)
            earliest = self._earliest()
        return True
