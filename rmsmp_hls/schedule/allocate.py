"""Places in the activation memory for tensors that live at the same time.

A buffer lives from the first operation that writes into it to the last one that reads it, both
included: an operation's result never overlaps its operands. All banks and positions
share their addresses, so the memory is one line of words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rmsmp_hls.schedule.arrange import Arrangement, buffer_lifetimes
from rmsmp_hls.schedule.layout import TensorLayout


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A buffer of `words` addresses that lives in operations `first` .. `last`, inclusive."""

    name: str
    words: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """Bases by buffer name, in order of the operations, and the words needed in all."""

    bases: tuple[tuple[str, int], ...]
    depth: int


def _lowest_gap(words: int, taken: Iterable[tuple[int, int]], *, tightest: bool) -> int:
    """Return the base of the lowest (or smallest sufficient) gap between `taken` ranges."""
    end = 0
    best: tuple[int, int] | None = None
    for low, high in sorted(taken):
        room = low - end
        if room >= words and (best is None or (tightest and room < best[0])):
            best = (room, end)
        end = max(end, high)
    return end if best is None else best[1]


def place_in_gaps(
    words: Sequence[int], taken: Sequence[tuple[int, int]], depth: int
) -> list[int] | None:
    """Return bases for ranges of `words` addresses between the `taken` ones, None if they do not
    all fit below `depth`. The largest are placed first, each into the tightest gap."""
    occupied = [*taken, (depth, depth)]
    bases = [0] * len(words)
    for number in sorted(range(len(words)), key=lambda i: (-words[i], i)):
        base = _lowest_gap(words[number], occupied, tightest=True)
        if base + words[number] > depth:
            return None
        bases[number] = base
        occupied.append((base, base + words[number]))
    return bases


def _place(order: Sequence[Lifetime], *, tightest: bool) -> dict[str, int]:
    placed: list[tuple[int, int, tuple[int, int]]] = []  # first, last, [low, high) addresses
    bases = {}
    for life in order:
        first, last = life.first, life.last
        taken = [span for begin, end, span in placed if begin <= last and end >= first]
        base = bases[life.name] = _lowest_gap(life.words, taken, tightest=tightest)
        placed.append((first, last, (base, base + life.words)))
    return bases


def allocate(lifetimes: Sequence[Lifetime]) -> Allocation:
    """Return bases so that tensors that meet do not overlap, in as few words as we find.

    Four greedy orders are tried (by time or by size, lowest or tightest gap); the first of
    the best wins, so the result is deterministic.
    """
    by_time = sorted(lifetimes, key=lambda life: (life.first, life.name))
    by_size = sorted(lifetimes, key=lambda life: (-life.words, life.first, life.name))
    best: Allocation | None = None
    for order in (by_time, by_size):
        for tightest in (False, True):
            bases = _place(order, tightest=tightest)
            depth = max((bases[life.name] + life.words for life in lifetimes), default=0)
            if best is None or depth < best.depth:
                best = Allocation(tuple((life.name, bases[life.name]) for life in by_time), depth)
    assert best is not None, "four orders were tried"
    return best


def arrangement_lifetimes(arrangement: Arrangement, output: str) -> tuple[Lifetime, ...]:
    """Return the lifetime of every buffer of an arranged network with result `output`."""
    return tuple(
        Lifetime(name, arrangement.buffers[name].words(arrangement.banks), first, last)
        for name, first, last in buffer_lifetimes(arrangement, output)
    )


def allocate_arrangement(
    arrangement: Arrangement, output: str
) -> tuple[tuple[TensorLayout, ...], int]:
    """Return the layouts of all tensors, their buffers placed, and the words per bank needed."""
    allocation = allocate(arrangement_lifetimes(arrangement, output))
    bases = dict(allocation.bases)
    layouts = tuple(
        arrangement.layout(op, bases[arrangement.places[op.name].buffer])
        for op in arrangement.ops
        if op.output is not None
    )
    return layouts, allocation.depth
