"""Strips of lines give what whole operations give, with all on chip and with all in DRAM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import address_words
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntConcat, IntInput, IntOp, IntSelect
from rmsmp_hls.ir.types import Window
from rmsmp_hls.pack.design import PROGRAM, TRACE
from rmsmp_hls.pack.emulate import Emulator
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.pack.transfer import input_words, read_outputs
from rmsmp_hls.reference import run
from rmsmp_hls.schedule.arrange import Arrangement, arrange
from rmsmp_hls.schedule.layout import TensorLayout
from rmsmp_hls.schedule.schedule import (
    Schedule,
    make_schedule,
    on_chip_steps,
    stores_in_trace,
)
from rmsmp_hls.schedule.steps import Lines, SpillStep, Step
from rmsmp_hls.schedule.strips import StepMaker, first_line_step, source_lines
from tests.pack.test_emulate import ARRAY, random_codes
from tests.schedule.graphs import Builder, fmt, small_residual, window
from tests.schedule.random_graphs import KINDS, random_graph

DEEP = replace(ARRAY, activation_depth=40000)


def random_cut(seed: int) -> Callable[[IntOp], tuple[Lines, ...]]:
    """Strips of one to four lines, whole lines of an upsampling's operand each."""
    rng = np.random.default_rng(seed)

    def cut(op: IntOp) -> tuple[Lines, ...]:
        ends, unit, top = [], first_line_step(op), 0
        while top < op.shape[1]:
            ends.append((top, min(op.shape[1], top + unit * int(rng.integers(1, 5)))))
            top = ends[-1][1]
        return tuple(ends)

    return cut


def strips_on_chip(graph: IntGraph, array: ArrayShape, seed: int) -> Schedule:
    """The schedule with every operation in random strips."""
    schedule = make_schedule(graph, array)
    arrangement = arrange(graph, array.channels, array.banks, array.shift_add_codebook)
    maker = StepMaker(arrangement, array)
    layouts = {layout.name: layout for layout in schedule.tensors}
    stored = {op.name for op in graph if stores_in_trace(graph, arrangement, op.name)}
    steps, trace = (
        tuple(on_chip_steps(arrangement, maker, layouts, names, random_cut(seed)))
        for names in ({graph.output}, stored)
    )
    return replace(schedule, steps=steps, trace=trace)


class Spilled:
    """All tensors in DRAM: every strip restores its operands' lines and saves its own."""

    def __init__(self, graph: IntGraph, array: ArrayShape, seed: int) -> None:
        self.graph, self.array = graph, array
        self.arrangement: Arrangement = arrange(graph, array.channels, array.banks)
        self.maker = StepMaker(self.arrangement, array)
        self.cut = random_cut(seed)
        self.made = {op.name: op for op in self.arrangement.ops}
        self.words = 0
        self.offsets: dict[str, int] = {}
        for op in self.arrangement.ops:
            if op.output is not None and not isinstance(op, IntConcat | IntSelect):
                self.offsets[op.name] = self.words
                self.words += op.shape[1] * self.line_words(op)

    def line_words(self, op: IntOp) -> int:
        """Words of the spill port that a line takes."""
        layout = self.arrangement.layout(op, 0)
        pixels = -(-op.shape[2] // self.array.banks)
        return pixels * layout.blocks * layout.planes * address_words(self.array)

    def room(self, op: IntOp, lines: Lines, base: int) -> tuple[TensorLayout, int]:
        """Some lines of a tensor's buffer at `base`; where they end."""
        held = replace(self.arrangement.layout(op, base), top=lines[0], height=lines[1] - lines[0])
        return held, base + held.height * held.line_stride

    def moves(self, owner: str, name: str, held: TensorLayout, base: int) -> Iterator[Step]:
        """Restore the lines `held` of a tensor, part by part of its buffer."""
        buffer = self.arrangement.places[name].buffer
        for part, offset in self.offsets.items():
            if self.arrangement.places[part].buffer == buffer:
                lines = (held.top, held.top + held.height)
                layout, _ = self.room(self.made[part], lines, base)
                start = offset + held.top * self.line_words(self.made[part])
                yield self.maker.restore(owner, layout, start)

    def steps(self, stored: set[str]) -> Iterator[Step]:
        """The program."""
        for op in self.arrangement.ops:
            owner = self.arrangement.owners[op.name]
            moved = isinstance(op, IntConcat | IntSelect)
            for lines in self.cut(op):
                base = 0
                if moved:
                    if op.name in stored:
                        held, _ = self.room(op, lines, base)
                        yield from self.moves(owner, op.name, held, base)
                        yield self.maker.store(held)
                    continue
                operands = []
                for number, name in enumerate(op.inputs):
                    source = self.made[name]
                    need = lines if number and source.shape[1] > 1 else (0, source.shape[1])
                    if number == 0:
                        need, _ = source_lines(op, lines, source.shape[1])
                    if need[0] == need[1]:
                        need = (0, 1)
                    held, end = self.room(source, need, base)
                    yield from self.moves(owner, name, held, base)
                    operands.append(held)
                    base = end
                if op.output is None:
                    yield self.maker.compute(op, tuple(operands), None)
                    continue
                result, _ = self.room(op, lines, base)
                if isinstance(op, IntInput):
                    yield self.maker.load(result)
                else:
                    yield self.maker.compute(op, tuple(operands), result, lines)
                start = self.offsets[op.name] + lines[0] * self.line_words(op)
                yield self.maker.save(owner, result, start)
                if op.name in stored:
                    yield self.maker.store(result)

    def schedule(self) -> Schedule:
        """Both programs."""
        stored = {
            op.name for op in self.graph if stores_in_trace(self.graph, self.arrangement, op.name)
        }
        steps, trace = (tuple(self.steps(names)) for names in ({self.graph.output}, stored))
        return Schedule(self.array, (), steps, trace, 0, self.words)


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


@settings(max_examples=40, deadline=None)
@given(KIND_LISTS, st.integers(0, 100000), st.sampled_from((32, 64, 512)))
def test_random_strips_with_all_tensors_in_dram(kinds: list[str], seed: int, bits: int) -> None:
    """Only the lines that a strip reads and writes are on chip; any width of the spill port."""
    graph = random_graph(kinds, seed)
    spilled = Spilled(graph, replace(DEEP, weight_word_bits=bits), seed)
    assert_runs(graph, spilled.schedule(), seed)


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
    array = replace(DEEP)
    assert_runs(graph, Spilled(graph, array, 0).schedule(), 0)


def test_spills_are_described() -> None:
    """The header's spill words, and operations whose every record is counted."""
    graph = small_residual(1)
    schedule = Spilled(graph, DEEP, 4).schedule()
    design = pack(graph, schedule)
    assert design.spill_words == schedule.spill_words > 0
    assert [op.name for op in design.ops] == [op.name for op in graph]
    numbers: Sequence[int] = [number for number, _, _ in design.program().iterations]
    assert sorted(set(numbers)) == list(range(len(design.ops)))
    assert any(isinstance(step, SpillStep) for step in schedule.steps)
