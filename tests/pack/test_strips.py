"""Strips of lines give what whole operations give, on chip and with tensors in DRAM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntConcat, IntOp, IntSelect
from rmsmp_hls.ir.types import Window
from rmsmp_hls.pack.design import PROGRAM, TRACE
from rmsmp_hls.pack.emulate import Emulator
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.pack.transfer import input_words, read_outputs
from rmsmp_hls.reference import run
from rmsmp_hls.schedule.arrange import arrange
from rmsmp_hls.schedule.demands import Demands
from rmsmp_hls.schedule.schedule import Schedule, make_schedule, planned_schedule
from rmsmp_hls.schedule.spill import StripPlan, plan_spills
from rmsmp_hls.schedule.steps import Lines, SpillStep
from rmsmp_hls.schedule.strips import first_line_step, source_lines
from tests.pack.test_emulate import ARRAY, random_codes
from tests.schedule.graphs import Builder, fmt, small_residual, window
from tests.schedule.random_graphs import KINDS, random_graph

DEEP = replace(ARRAY, activation_depth=40000)


def random_cut(rng: np.random.Generator, op: IntOp) -> tuple[Lines, ...]:
    """Strips of one to four lines, whole lines of an upsampling's operand each."""
    ends, unit, top = [], first_line_step(op), 0
    while top < op.shape[1]:
        ends.append((top, min(op.shape[1], top + unit * int(rng.integers(1, 5)))))
        top = ends[-1][1]
    return tuple(ends)


def strips_on_chip(graph: IntGraph, array: ArrayShape, seed: int) -> Schedule:
    """The schedule with every operation in random strips and every tensor on chip."""
    arrangement = arrange(graph, array.channels, array.banks, array.shift_add_codebook)
    demands = Demands(arrangement, graph.output)
    plan = plan_spills(demands.buffers(), demands.works(), array.activation_depth)
    assert plan is not None and not plan.spilled
    rng = np.random.default_rng(seed)
    cuts = tuple(
        StripPlan(number, random_cut(rng, op), (), -1)
        for number, op in enumerate(arrangement.ops)
        if not isinstance(op, IntConcat | IntSelect)
    )
    return planned_schedule(graph, array, demands, replace(plan, strips=cuts))


def depths(graph: IntGraph, array: ArrayShape) -> tuple[int, int]:
    """The least depth that single lines fit, and the depth that everything fits."""
    demands = Demands(arrange(graph, array.channels, array.banks), graph.output)
    buffers, works = demands.buffers(), demands.works()
    whole = plan_spills(buffers, works, array.activation_depth)
    assert whole is not None
    low, high = 1, whole.depth
    while low < high:
        middle = (low + high) // 2
        fits = plan_spills(buffers, works, middle) is not None
        low, high = (low, middle) if fits else (middle + 1, high)
    return high, whole.depth


def assert_runs(graph: IntGraph, schedule: Schedule, seed: int) -> None:
    """Both programs give the reference's tensors in the iterations of their steps."""
    design = pack(graph, schedule)
    codes = random_codes(graph, 1, seed)
    expected = run(graph, codes)
    for name, steps in ((PROGRAM, schedule.steps), (TRACE, schedule.trace)):
        words, iterations = Emulator(design, name, seed).run(input_words(design, codes))
        assert iterations == tuple(step.iterations for step in steps)
        found = read_outputs(design, name, words)
        assert graph.output in found
        for tensor in set(found) & set(expected):
            np.testing.assert_array_equal(found[tensor], expected[tensor], err_msg=tensor)


KIND_LISTS = st.lists(st.sampled_from(KINDS), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(KIND_LISTS, st.integers(0, 100000))
def test_random_strips_on_chip(kinds: list[str], seed: int) -> None:
    """Networks of all operations, everything on chip, cut anywhere."""
    graph = random_graph(kinds, seed)
    assert_runs(graph, strips_on_chip(graph, DEEP, seed), seed)


@settings(max_examples=60, deadline=None)
@given(KIND_LISTS, st.integers(0, 100000), st.sampled_from((32, 64, 512)), st.floats(0, 1))
def test_random_networks_with_little_memory(
    kinds: list[str], seed: int, bits: int, part: float
) -> None:
    """Any depth from single lines up to everything, any width of the spill port."""
    graph = random_graph(kinds, seed)
    array = replace(DEEP, weight_word_bits=bits)
    least, most = depths(graph, array)
    depth = least + round(part * (most - least))
    schedule = make_schedule(graph, replace(array, activation_depth=depth))
    assert schedule.depth <= depth
    assert (schedule.spill_words > 0) == (depth < most)
    assert_runs(graph, schedule, seed)


def test_a_whole_network_in_strips_shares_its_weights() -> None:
    """Strips repeat segments, not words; iterations of an operation are those of its strips."""
    graph = small_residual(2)
    whole, cut = make_schedule(graph, DEEP), strips_on_chip(graph, DEEP, 1)
    assert len(cut.steps) > len(whole.steps)
    designs = [pack(graph, schedule) for schedule in (whole, cut)]
    assert designs[0].blob("weights.bin") == designs[1].blob("weights.bin")
    assert designs[0].blob("params.bin") == designs[1].blob("params.bin")
    assert designs[0].ops[2:3] == designs[1].ops[2:3]
    assert [op.name for op in designs[0].ops] == [op.name for op in designs[1].ops]
    assert_runs(graph, cut, 3)


@pytest.mark.parametrize(
    ("lines", "needed", "padding"),
    [((0, 1), (0, 1), 2), ((0, 9), (0, 7), 2), ((1, 3), (0, 3), 1), ((8, 9), (6, 7), 0)],
)
def test_the_lines_that_a_strip_needs(lines: Lines, needed: Lines, padding: int) -> None:
    """A 3 x 3 window with padding 2 over 7 lines."""
    net = Builder((4, 7, 4), fmt()).matmul("c", "x", 4, fmt(), window(3, 1, 2))
    assert source_lines(net.ops[-1], lines, 7) == (needed, padding)


def test_a_strip_of_padding_alone_needs_no_line() -> None:
    """Padding wider than the kernel: some output lines read nothing."""
    net = Builder((4, 3, 3), fmt()).sum_pool("p", "x", Window(padding=(2, 0, 2, 0)), fmt())
    assert [source_lines(net.ops[-1], (y, y + 1), 3)[0] for y in (0, 1, 5, 6)] == [(0, 0)] * 4
    graph = net.graph()
    least, most = depths(graph, DEEP)
    assert least < most
    assert_runs(graph, make_schedule(graph, replace(DEEP, activation_depth=least)), 0)


def test_spills_are_described() -> None:
    """The header's spill words, and operations whose every record is counted."""
    graph = small_residual(1)
    least, _ = depths(graph, DEEP)
    schedule = make_schedule(graph, replace(DEEP, activation_depth=least))
    design = pack(graph, schedule)
    assert design.spill_words == schedule.spill_words > 0
    assert [op.name for op in design.ops] == [op.name for op in graph]
    numbers = [number for number, _, _ in design.program().iterations]
    assert sorted(set(numbers)) == list(range(len(design.ops)))
    assert any(isinstance(step, SpillStep) for step in schedule.steps)
