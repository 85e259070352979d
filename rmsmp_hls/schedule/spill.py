"""Which tensors lie in DRAM, and in which strips of lines the operations on them run.

A pure planner: it knows buffers (tensors with the moments they live at) and works (operations
with the lines they need), nothing of layouts. Everything stays in the activation memory that fits;
what does not is spilled whole, and an operation with a spilled operand or result runs strip by
strip through buffers that live during this operation only. docs/hardware.md, "Tensors in DRAM".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rmsmp_hls.schedule.allocate import Lifetime, allocate, place_in_gaps


@dataclass(frozen=True, slots=True)
class Reading:
    """How a work reads the lines of a buffer, or of some of its channel blocks.

    Attributes:
        buffer: its name.
        view: which blocks of it; readings of one view share a buffer of lines.
        line_words: addresses of a line of the view by itself.
        stride, span, padding: output line y needs lines y' * stride - padding ... + span - 1.
        repeat: y' = y div repeat.
        whole: every output line needs all lines (an operand that is broadcast).
    """

    buffer: str
    view: str
    line_words: int
    stride: int = 1
    span: int = 1
    padding: int = 0
    repeat: int = 1
    whole: bool = False

    def lines(self, first: int, last: int, height: int) -> tuple[int, int]:
        """Return the lines [a, b) of `height` that output lines [first, last) need.

        At least one line, also where all that is needed is padding.
        """
        if self.whole:
            return 0, height
        low = first // self.repeat * self.stride - self.padding
        high = (last - 1) // self.repeat * self.stride - self.padding + self.span
        low = min(max(0, low), height - 1)
        return low, max(low + 1, min(height, high))


@dataclass(frozen=True, slots=True)
class Buffer:
    """A tensor that needs memory from work `first` to work `last`, both included."""

    name: str
    lines: int
    line_words: int
    first: int
    last: int

    @property
    def words(self) -> int:
        """Addresses of the whole tensor."""
        return self.lines * self.line_words


@dataclass(frozen=True, slots=True)
class Work:
    """One operation at moment `number`: `lines` output lines, written to `writes` ("" for none).

    Attributes:
        number: its moment.
        lines: output lines.
        reads: its operands.
        writes: the buffer that holds its result.
        line_words: addresses of a line of the result by itself; a part of a concatenation has
            fewer than the buffer's line.
        multiple: strips begin at multiples of so many lines.
    """

    number: int
    lines: int
    reads: tuple[Reading, ...]
    writes: str
    line_words: int
    multiple: int = 1


@dataclass(frozen=True, slots=True)
class StripPlan:
    """How one work runs in strips.

    Attributes:
        number: the work's moment.
        strips: [first, last) output lines of every strip, in order.
        source_bases: view of a spilled operand -> base of its lines during this work.
        result_base: base of the lines of a spilled result, else -1.
    """

    number: int
    strips: tuple[tuple[int, int], ...]
    source_bases: tuple[tuple[str, int], ...]
    result_base: int


@dataclass(frozen=True, slots=True)
class SpillPlan:
    """Where everything lies.

    Attributes:
        bases: buffers in the activation memory -> base.
        spilled: names of the buffers in DRAM, in the order of their first work.
        strips: of the works that touch a spilled buffer, in order.
        depth: addresses used.
    """

    bases: tuple[tuple[str, int], ...]
    spilled: tuple[str, ...]
    strips: tuple[StripPlan, ...]
    depth: int


def plan_spills(buffers: Sequence[Buffer], works: Sequence[Work], depth: int) -> SpillPlan | None:
    """Return the plan for a memory of `depth` addresses, or None if not even single lines fit.

    The largest buffer of the fullest moment goes first; at the end, those are taken back that
    turn out to fit. The same input gives the same plan.
    """
    by_name = {buffer.name: buffer for buffer in buffers}
    spilled: set[str] = set()
    while (plan := _plan(buffers, works, by_name, spilled, depth)) is None:
        victim = _victim(buffers, works, by_name, spilled, depth)
        if victim is None:
            return None
        spilled.add(victim)
    for name in sorted(spilled, key=lambda name: (-by_name[name].words, name)):
        kept = _plan(buffers, works, by_name, spilled - {name}, depth)
        if kept is not None:
            spilled.remove(name)
            plan = kept
    return plan


def moved_addresses(plan: SpillPlan, buffers: Sequence[Buffer], works: Sequence[Work]) -> int:
    """Return the addresses that a plan moves to DRAM and back, in both directions."""
    heights = {buffer.name: buffer.lines for buffer in buffers}
    spilled = set(plan.spilled)
    cuts = {strip.number: strip.strips for strip in plan.strips}
    total = 0
    for work in works:
        for first, last in cuts.get(work.number, ()):
            for reading in _spilled_readings(work, spilled):
                a, b = reading.lines(first, last, heights[reading.buffer])
                total += (b - a) * reading.line_words
            if work.writes in spilled:
                total += (last - first) * work.line_words
    return total


def tightest(
    buffers: Sequence[Buffer], works: Sequence[Work]
) -> tuple[Work, tuple[tuple[str, int], ...]]:
    """Return the work that needs most memory even in its thinnest strips, everything else being
    in DRAM; with the words that its operands' lines and its result's lines take."""
    by_name = {buffer.name: buffer for buffer in buffers}
    everything = set(by_name)

    def needs(work: Work) -> tuple[tuple[str, int], ...]:
        names = [reading.buffer for reading in _spilled_readings(work, everything)]
        names += [work.writes] if work.writes else []
        words = _strip_words(work, by_name, everything, work.multiple)
        return tuple(zip(names, words, strict=True))

    worst = max(works, key=lambda work: sum(words for _, words in needs(work)))
    return worst, needs(worst)


def _victim(
    buffers: Sequence[Buffer],
    works: Sequence[Work],
    by_name: Mapping[str, Buffer],
    spilled: set[str],
    depth: int,
) -> str | None:
    """Return the buffer to spill next: the largest of the moment that lacks most room."""
    resident = [b for b in buffers if b.name not in spilled]
    last = max((b.last for b in buffers), default=0)
    load = [0] * (last + 2)
    for buffer in resident:
        for moment in range(buffer.first, buffer.last + 1):
            load[moment] += buffer.words
    for work in works:
        load[work.number] += sum(_strip_words(work, by_name, spilled, work.multiple))
    moments = sorted(range(len(load)), key=lambda t: (-load[t], t))
    for moment in moments:
        live = [b for b in resident if b.first <= moment <= b.last]
        if live:
            return min(live, key=lambda b: (-b.words, b.first, b.name)).name
        if load[moment] > depth:
            return None  # nothing is left that could make room
    return None


def _strip_words(
    work: Work, by_name: Mapping[str, Buffer], spilled: set[str], lines: int
) -> Iterable[int]:
    """Yield the words of the buffers that strips of `lines` lines need: operands, then result."""
    for reading in _spilled_readings(work, spilled):
        source = by_name[reading.buffer]
        yield _most_lines(reading, work.lines, source.lines, lines) * reading.line_words
    if work.writes in spilled:
        yield min(lines, work.lines) * work.line_words


def _spilled_readings(work: Work, spilled: set[str]) -> list[Reading]:
    """Return one reading per view of a spilled buffer: two operands that are one view read the
    same lines, unless one of them is wanted whole."""
    widest: dict[str, Reading] = {}
    for reading in work.reads:
        if reading.buffer in spilled:
            known = widest.get(reading.view)
            if known is None or reading.whole > known.whole:
                widest[reading.view] = reading
    return list(widest.values())


def _most_lines(reading: Reading, out_lines: int, height: int, lines: int) -> int:
    """Return the most lines that any strip of `lines` output lines needs."""
    if reading.whole:
        return height
    strips = _cut(out_lines, lines)
    return max(b - a for a, b in (reading.lines(y, z, height) for y, z in strips))


def _cut(lines: int, height: int) -> tuple[tuple[int, int], ...]:
    return tuple((y, min(y + height, lines)) for y in range(0, lines, height))


def _plan(
    buffers: Sequence[Buffer],
    works: Sequence[Work],
    by_name: Mapping[str, Buffer],
    spilled: set[str],
    depth: int,
) -> SpillPlan | None:
    resident = [
        Lifetime(b.name, b.words, b.first, b.last) for b in buffers if b.name not in spilled
    ]
    allocation = allocate(resident)
    if allocation.depth > depth:
        return None
    bases = dict(allocation.bases)
    used = allocation.depth
    strips = []
    for work in works:
        if not any(r.buffer in spilled for r in work.reads) and work.writes not in spilled:
            continue
        taken = [
            (bases[life.name], bases[life.name] + life.words)
            for life in resident
            if life.first <= work.number <= life.last
        ]
        found = _tallest(work, by_name, spilled, taken, depth)
        if found is None:
            return None
        strips.append(found[0])
        used = max(used, found[1])
    order = {b.name: (b.first, number) for number, b in enumerate(buffers)}
    return SpillPlan(
        allocation.bases, tuple(sorted(spilled, key=lambda n: order[n])), tuple(strips), used
    )


def _tallest(
    work: Work,
    by_name: Mapping[str, Buffer],
    spilled: set[str],
    taken: Sequence[tuple[int, int]],
    depth: int,
) -> tuple[StripPlan, int] | None:
    """Return the plan with the tallest strips that fit between `taken`, and its last address."""

    def place(lines: int) -> tuple[list[int], int] | None:
        words = list(_strip_words(work, by_name, spilled, lines))
        bases = place_in_gaps(words, taken, depth)
        if bases is None:
            return None
        return bases, max(base + size for base, size in zip(bases, words, strict=True))

    least, most = 1, -(-work.lines // work.multiple)  # strips' heights, in multiples
    if place(work.multiple) is None:
        return None
    while least < most:
        middle = (least + most + 1) // 2
        fits = place(middle * work.multiple) is not None
        least, most = (middle, most) if fits else (least, middle - 1)
    # As many strips, but of equal height: the last one is not a sliver.
    tallest = least * work.multiple
    even = -(-work.lines // -(-work.lines // tallest))
    lines = -(-even // work.multiple) * work.multiple
    placed = place(lines)
    if placed is None:  # a strip at another line may need one line more
        lines, placed = tallest, place(tallest)
    assert placed is not None, "strips of this height were placed before"
    bases, end = placed
    names = [reading.view for reading in _spilled_readings(work, spilled)]
    result = bases[len(names)] if work.writes in spilled else -1
    plan = StripPlan(
        work.number, _cut(work.lines, lines), tuple(zip(names, bases, strict=False)), result
    )
    return plan, end
