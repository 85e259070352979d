"""The spill planner: nothing overlaps, every strip has the lines it needs, spilling is minimal."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls.schedule.spill import Buffer, Reading, SpillPlan, Work, plan_spills


def chain(
    heights: list[int], line_words: list[int], windows: list[tuple[int, int, int]]
) -> tuple[list[Buffer], list[Work]]:
    """A chain of works, each reading the tensor before it through (stride, span, padding)."""
    buffers = [
        Buffer(f"t{i}", heights[i], line_words[i], i, min(i + 1, len(heights) - 1))
        for i in range(len(heights))
    ]
    works = [Work(0, heights[0], (), "t0", line_words[0])]
    for i, (stride, span, padding) in enumerate(windows, start=1):
        before = f"t{i - 1}"
        reading = Reading(before, before, line_words[i - 1], stride, span, padding)
        works.append(Work(i, heights[i], (reading,), f"t{i}", line_words[i]))
    return buffers, works


def check(plan: SpillPlan, buffers: list[Buffer], works: list[Work], depth: int) -> None:
    """Every invariant of a plan, from the definitions."""
    by_name = {b.name: b for b in buffers}
    bases = dict(plan.bases)
    assert set(bases) | set(plan.spilled) == set(by_name)
    assert not set(bases) & set(plan.spilled)
    strips = {s.number: s for s in plan.strips}
    for moment in range(max(b.last for b in buffers) + 1):
        ranges = [
            (bases[b.name], bases[b.name] + b.words)
            for b in buffers
            if b.name in bases and b.first <= moment <= b.last
        ]
        work = next((w for w in works if w.number == moment), None)
        if work is not None and moment in strips:
            strip = strips[moment]
            assert [y for y, _ in strip.strips[1:]] == [z for _, z in strip.strips[:-1]]
            assert strip.strips[0][0] == 0 and strip.strips[-1][1] == work.lines
            for name, base in strip.source_bases:
                most = max(
                    b - a
                    for reading in work.reads
                    if reading.view == name
                    for a, b in (
                        reading.lines(y, z, by_name[reading.buffer].lines) for y, z in strip.strips
                    )
                )
                line_words = next(r.line_words for r in work.reads if r.view == name)
                ranges.append((base, base + most * line_words))
            if work.writes in plan.spilled:
                most = max(z - y for y, z in strip.strips)
                ranges.append((strip.result_base, strip.result_base + most * work.line_words))
        elif work is not None:
            assert work.writes not in plan.spilled
            assert not {r.buffer for r in work.reads} & set(plan.spilled)
        ranges.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(ranges))
        assert all(0 <= low <= high <= plan.depth <= depth for low, high in ranges)


def test_what_fits_stays() -> None:
    """A memory that holds all live tensors spills none and cuts nothing."""
    buffers, works = chain([8, 8, 8], [4, 4, 4], [(1, 3, 1), (1, 3, 1)])
    plan = plan_spills(buffers, works, 64)
    assert plan is not None and plan.spilled == () and plan.strips == ()


def test_only_the_large_tensor_is_spilled() -> None:
    """One tensor too large for the memory goes to DRAM, its small neighbours stay."""
    buffers, works = chain([8, 64, 8], [2, 4, 2], [(1, 1, 0), (8, 8, 0)])
    plan = plan_spills(buffers, works, 100)
    assert plan is not None and plan.spilled == ("t1",)
    check(plan, buffers, works, 100)


def test_not_even_lines_fit() -> None:
    """A window that needs more lines than the memory has cannot be planned."""
    buffers, works = chain([16, 2], [10, 1], [(8, 9, 0)])
    assert plan_spills(buffers, works, 80) is None


def test_a_broadcast_operand_is_wanted_whole() -> None:
    """An operand that every line needs is restored whole, or the plan fails."""
    reading = Reading("gate", "gate", 1, whole=True)
    assert reading.lines(3, 4, 7) == (0, 7)


def test_upsampled_lines() -> None:
    """Output lines 3..6 of a doubled image need lines 1..3."""
    assert Reading("a", "a", 1, repeat=2).lines(3, 7, 10) == (1, 4)


@pytest.mark.parametrize("first", [0, 5, 9])
def test_padding_only_still_names_a_line(first: int) -> None:
    """Where a strip needs padding only, one line is named so that a buffer exists."""
    low, high = Reading("a", "a", 1, stride=1, span=1, padding=20).lines(first, first + 1, 10)
    assert 0 <= low < high <= 10


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_plan_is_sound(data: st.DataObject) -> None:
    """Random chains with skips: no overlap at any moment, every strip has its lines, and a
    memory that could hold everything holds everything."""
    length = data.draw(st.integers(2, 6))
    heights = [data.draw(st.integers(1, 20))]
    windows = []
    for _ in range(length - 1):
        stride = data.draw(st.integers(1, 3))
        span = data.draw(st.integers(1, 4))
        padding = data.draw(st.integers(0, span))
        out = (heights[-1] + 2 * padding - span) // stride + 1
        if out < 1:
            stride, span, padding, out = 1, 1, 0, heights[-1]
        windows.append((stride, span, padding))
        heights.append(out)
    line_words = [data.draw(st.integers(1, 9)) for _ in heights]
    buffers, works = chain(heights, line_words, windows)
    if data.draw(st.booleans()):  # a skip: the first tensor lives to the end
        first = buffers[0]
        buffers[0] = Buffer(first.name, first.lines, first.line_words, 0, length - 1)
        skip = Reading("t0", "t0 whole", line_words[0], whole=True)
        last = works[-1]
        works[-1] = Work(last.number, last.lines, (*last.reads, skip), last.writes, last.line_words)
    depth = data.draw(st.integers(1, 400))
    plan = plan_spills(buffers, works, depth)
    if plan is None:
        return
    check(plan, buffers, works, depth)
    if sum(b.words for b in buffers) <= depth:
        assert plan.spilled == ()
