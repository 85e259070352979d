"""IntGraph + ArrayShape -> Schedule: where every tensor and row lies, and the program's steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntConcat, IntInput, IntSelect
from rmsmp_hls.schedule.allocate import allocate_arrangement, check_depth
from rmsmp_hls.schedule.arrange import Arrangement, arrange
from rmsmp_hls.schedule.check import check_runs
from rmsmp_hls.schedule.layout import TensorLayout
from rmsmp_hls.schedule.steps import MatmulStep, Step
from rmsmp_hls.schedule.strips import StepMaker


@dataclass(frozen=True, slots=True)
class Schedule:
    """How one graph runs on one array.

    Attributes:
        array: the array.
        tensors: layouts of all tensors in the activation memory, in order of the operations.
        steps: the deployed program.
        trace: the program that stores every tensor, for verification.
        depth: words of each activation bank that are used.
        spill_words: words of the spill port that are used.
    """

    array: ArrayShape
    tensors: tuple[TensorLayout, ...]
    steps: tuple[Step, ...]
    trace: tuple[Step, ...]
    depth: int
    spill_words: int = 0

    def tensor(self, name: str) -> TensorLayout:
        """Return the layout of tensor `name`; KeyError if it is not in the memory."""
        for layout in self.tensors:
            if layout.name == name:
                return layout
        raise KeyError(name)

    def matmul(self, name: str) -> MatmulStep:
        """Return the first step of matrix multiplication `name`; KeyError if there is none."""
        for step in self.steps:
            if isinstance(step, MatmulStep) and step.op.name == name:
                return step
        raise KeyError(name)


def make_schedule(graph: IntGraph, array: ArrayShape) -> Schedule:
    """Place tensors and rows and cut the work; the same graph gives the same schedule.

    Raises:
        LoweringError: the array cannot run the graph (a format without a lane, sums too wide).
        ResourceError: the activation memory is too small; names the tensors.
    """
    check_runs(graph, array)
    arrangement = arrange(graph, array.channels, array.banks, array.shift_add_codebook)
    tensors, depth = allocate_arrangement(arrangement, graph.output)
    check_depth(arrangement, graph.output, depth, array.activation_depth)
    maker = StepMaker(arrangement, array)
    layouts = {layout.name: layout for layout in tensors}
    steps = tuple(_steps(arrangement, maker, layouts, {graph.output}))
    stored = {op.name for op in graph if stores_in_trace(graph, arrangement, op.name)}
    trace = tuple(_steps(arrangement, maker, layouts, stored))
    return Schedule(array, tensors, steps, trace, depth)


def stores_in_trace(graph: IntGraph, arrangement: Arrangement, name: str) -> bool:
    """Return whether the trace program stores tensor `name`: all that an operation makes."""
    op = graph.op(name)
    if isinstance(op, IntInput):
        return arrangement.fold is None
    return name == graph.output or not isinstance(op, IntConcat | IntSelect)


def _steps(
    arrangement: Arrangement, maker: StepMaker, layouts: dict[str, TensorLayout], stored: set[str]
) -> Iterator[Step]:
    """Yield the steps of a program that stores the tensors `stored`, all tensors on chip."""
    for op in arrangement.ops:
        if isinstance(op, IntInput):
            yield maker.load(layouts[op.name])
        elif not isinstance(op, IntConcat | IntSelect):
            operands = tuple(layouts[name] for name in op.inputs)
            yield maker.compute(op, operands, layouts.get(op.name))
        if op.name in stored and op.output is not None:
            yield maker.store(layouts[op.name])


def operation_iterations(graph: IntGraph, schedule: Schedule) -> tuple[tuple[str, int], ...]:
    """Return (operation, iterations of all its steps) of every operation of the graph, in order.

    The result's includes its store; what only names channels has none.
    """
    sums = {op.name: 0 for op in graph}
    for step in schedule.steps:
        sums[step.operation] += step.iterations
    return tuple(sums.items())
