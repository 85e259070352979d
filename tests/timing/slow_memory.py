"""FIFOs and ports of the slow simulator: counters, one cycle at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from rmsmp_hls.timing.machine import PortTiming


class Fifo:
    """Words that were there when the cycle began, and what happened to them since."""

    def __init__(self, depth: int) -> None:
        self.depth, self.level, self.put, self.taken, self.high_water = depth, 0, 0, 0, 0

    def can_read(self) -> bool:
        return self.level - self.taken > 0

    def can_write(self) -> bool:
        return self.level + self.put < self.depth

    def end_cycle(self) -> None:
        self.level += self.put - self.taken
        self.put = self.taken = 0
        self.high_water = max(self.high_water, self.level)


@dataclass
class Burst:
    port: Port
    words: int
    issued: int


@dataclass
class Port:
    """One direction of a port."""

    timing: PortTiming
    outstanding: int
    reads: bool
    requests: list[tuple[int, int]] = field(default_factory=list)  # words still to be asked for
    arrivals: list[int] = field(default_factory=list)
    in_burst: list[int] = field(default_factory=list)
    open: int = 0
    size: int = 0
    full: list[int] = field(default_factory=list)
    responses: list[int] = field(default_factory=list)
    used: int = 0
    freed: int = 0
    newly_full: list[int] = field(default_factory=list)
    line_free: int = 0
    bursts: int = 0
    bytes: int = 0

    def cut(self) -> int:
        """Take the next burst's words off the first request."""
        first, left = self.requests[0]
        words = 0
        while words < min(left, self.timing.burst_words):
            words += 1
            if (first + words) * self.timing.word_bytes % 4096 == 0:
                break
        self.requests[0] = (first + words, left - words)
        if left == words:
            self.requests.pop(0)
        return words

    def issue(self, cycle: int, queue: list[Burst]) -> None:
        """Issue at most one burst in a cycle."""
        if self.full:
            queue.append(Burst(self, self.full.pop(0), cycle))
        elif self.reads and self.requests and self.used < self.outstanding:
            self.used += 1
            words = self.cut()
            self.in_burst.append(words)
            queue.append(Burst(self, words, cycle))
