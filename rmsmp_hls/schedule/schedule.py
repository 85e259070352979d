"""IntGraph + ArrayShape -> Schedule: where every tensor and row lies, and the program's steps."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.errors import ResourceError
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntConcat, IntInput, IntSelect
from rmsmp_hls.schedule.arrange import Arrangement, arrange
from rmsmp_hls.schedule.check import check_runs, check_sums
from rmsmp_hls.schedule.demands import Demands, no_room
from rmsmp_hls.schedule.layout import TensorLayout
from rmsmp_hls.schedule.spill import SpillPlan, plan_spills
from rmsmp_hls.schedule.spilled import PlannedSteps
from rmsmp_hls.schedule.steps import MatmulStep, Step
from rmsmp_hls.schedule.strips import StepMaker

SPILL_WORDS_END = 1 << 31
"""Numbers of spill words in a program are below this: 31 bits (docs/packed-design.md)."""


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
        ResourceError: the activation memory is too small for single lines; names the tensors.
    """
    check_runs(graph, array)
    arrangement = arrange(graph, array.channels, array.banks, array.shift_add_codebook)
    check_sums(arrangement.ops, array)
    demands = Demands(arrangement, graph.output)
    plan = plan_spills(demands.buffers(), demands.works(), array.activation_depth)
    if plan is None:
        raise no_room(demands, array.activation_depth)
    return planned_schedule(graph, array, demands, plan)


def planned_schedule(
    graph: IntGraph, array: ArrayShape, demands: Demands, plan: SpillPlan
) -> Schedule:
    """Return the programs of a network whose tensors lie, and whose operations are cut, as
    `plan` says.

    Raises:
        LoweringError: a row format has no lane.
        ResourceError: what lies in DRAM has more words than a program can number.
    """
    arrangement = demands.arrangement
    made = PlannedSteps(demands, plan, StepMaker(arrangement, array), array)
    if made.spill_words >= SPILL_WORDS_END:
        raise ResourceError(
            f"the tensors in DRAM take {made.spill_words} words of the spill port, a program can "
            f"number {SPILL_WORDS_END}",
            where="spill port",
            fix="choose a smaller input image or an array with more activation memory",
        )
    stored = {op.name for op in graph if stores_in_trace(graph, arrangement, op.name)}
    return Schedule(
        array,
        made.layouts(),
        tuple(made.steps({graph.output})),
        tuple(made.steps(stored)),
        plan.depth,
        made.spill_words,
    )


def stores_in_trace(graph: IntGraph, arrangement: Arrangement, name: str) -> bool:
    """Return whether the trace program stores tensor `name`: all that an operation makes."""
    op = graph.op(name)
    if isinstance(op, IntInput):
        return arrangement.fold is None
    return name == graph.output or not isinstance(op, IntConcat | IntSelect)


def operation_iterations(graph: IntGraph, schedule: Schedule) -> tuple[tuple[str, int], ...]:
    """Return (operation, iterations of all its steps) of every operation of the graph, in order.

    The result's includes its store; what only names channels has none.
    """
    sums = {op.name: 0 for op in graph}
    for step in schedule.steps:
        sums[step.operation] += step.iterations
    return tuple(sums.items())
