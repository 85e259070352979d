"""Operations into steps: all output lines at once, or strips of them.

A strip takes operands and a result of which only some lines are in memory
(`TensorLayout.top`, `TensorLayout.height`). It is the same record as the whole operation,
with other heights, bases and padding above.
"""

from __future__ import annotations

from dataclasses import replace

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import (
    matmul_iterations,
    move_iterations,
    spill_iterations,
    vector_iterations,
)
from rmsmp_hls.ir.int_ops import IntMatmul, IntOp, IntTable, IntUpsample
from rmsmp_hls.ir.types import Window
from rmsmp_hls.schedule.arrange import Arrangement
from rmsmp_hls.schedule.buses import bus_of
from rmsmp_hls.schedule.jobs import JobMaker, VectorOp, tap_planes, vector_taps, vector_window
from rmsmp_hls.schedule.layout import TensorLayout
from rmsmp_hls.schedule.place_rows import place_rows
from rmsmp_hls.schedule.sections import sections
from rmsmp_hls.schedule.steps import (
    Lines,
    LoadStep,
    MatmulStep,
    RestoreStep,
    RowPlan,
    SaveStep,
    StoreStep,
    VectorStep,
)


def first_line_step(op: IntOp) -> int:
    """Return what the first line of a strip must be a multiple of."""
    return op.factors[0] if isinstance(op, IntUpsample) else 1


def operation_window(op: IntOp) -> Window:
    """Return the window of a matrix or vector operation."""
    if isinstance(op, IntMatmul):
        return op.window
    assert isinstance(op, VectorOp), "only matrix and vector operations have windows"
    return vector_window(op)


def source_lines(op: IntOp, lines: Lines, height: int) -> tuple[Lines, int]:
    """Return the lines of the first operand that some output lines need, and the padding above.

    Args:
        op: a matrix or vector operation.
        lines: output lines.
        height: of the operand.

    Returns:
        The lines, none (first = last) if all are padding, and the lines of padding above them.
    """
    first, last = lines
    if isinstance(op, IntUpsample):
        factor = op.factors[0]
        assert first % factor == 0, "a strip of an upsampling starts at a whole line"
        return (first // factor, -(-last // factor)), 0
    window = operation_window(op)
    start = first * window.stride[0] - window.padding[0]
    reach = (window.kernel[0] - 1) * window.dilation[0] + 1
    stop = (last - 1) * window.stride[0] - window.padding[0] + reach
    top, bottom = min(max(start, 0), height), min(max(stop, 0), height)
    if top >= bottom:
        return (0, 0), 0
    return (top, bottom), top - start


class StepMaker:
    """Makes the steps of one arranged network on one array."""

    def __init__(self, arrangement: Arrangement, array: ArrayShape) -> None:
        self.arrangement = arrangement
        self.array = array
        self.jobs = JobMaker(arrangement)
        self._rows: dict[str, RowPlan] = {}

    def row_plan(self, op: IntMatmul) -> RowPlan:
        """Return where the rows of a matrix multiplication sit.

        Raises:
            LoweringError: a format has no lane.
        """
        if op.name not in self._rows:
            channels = self.array.channels
            read = self.arrangement.slots(op.inputs[0])
            found = sections(op, read, channels)
            own = range(op.shape[0]) if op.output is None else self.arrangement.slots(op.name)
            windows = self.jobs.matmul(op).mapped(self.array).windows
            per_channel = op.shape[0] // op.groups
            places = place_rows(
                op.formats,
                self.array,
                op.name,
                [slot % channels for slot in own],
                found.of_rows,
                [bus_of(read[row // per_channel], channels) for row in range(op.shape[0])]
                if windows
                else None,
            )
            stride = found.blocks * self.jobs.planes(op.inputs[0]) if found.count > 1 else 0
            self._rows[op.name] = RowPlan(
                places, found.blocks, places.tiles // found.count, stride, windows
            )
        return self._rows[op.name]

    def compute(
        self,
        op: IntOp,
        operands: tuple[TensorLayout, ...],
        destination: TensorLayout | None,
        lines: Lines | None = None,
    ) -> MatmulStep | VectorStep:
        """Return the step that makes some output lines.

        Args:
            op: a matrix or vector operation of the arrangement.
            operands: the operands, with at least the lines of `source_lines`.
            destination: the result, with room for the lines; None for logits.
            lines: the output lines, default all.

        Raises:
            LoweringError: a row format has no lane.
        """
        lines = lines or (0, op.shape[1])
        held = destination.lines(*lines) if destination else None
        if isinstance(op, IntMatmul):
            return self._matmul(op, operands[0], held, lines)
        assert isinstance(op, VectorOp) and held is not None, "an operation without a unit"
        return self._vector(op, operands, held, lines)

    def _matmul(
        self, op: IntMatmul, operand: TensorLayout, held: TensorLayout | None, lines: Lines
    ) -> MatmulStep:
        (first, last), padding = source_lines(op, lines, self._height(op))
        rows = self.row_plan(op)
        job = replace(self.jobs.matmul(op), windows=rows.windows)
        tiling = job.lines(lines[1] - lines[0]).tiling(self.array, rows.places.tiles)
        return MatmulStep(
            operation=self.arrangement.owners[op.name],
            iterations=matmul_iterations(tiling, self.array),
            op=op,
            lines=lines,
            source=operand.lines(first, last),
            destination=held,
            padding_top=padding,
            tiling=tiling,
            rows=rows,
        )

    def _vector(
        self, op: VectorOp, operands: tuple[TensorLayout, ...], held: TensorLayout, lines: Lines
    ) -> VectorStep:
        (first, last), padding = source_lines(op, lines, self._height(op))
        b = operands[1] if len(operands) > 1 else None
        broadcast = b is not None and (b.height, b.width) == (1, 1) and op.shape[1:] != (1, 1)
        taps = vector_taps(op)
        planes = tap_planes(taps, max(item.planes for item in operands), held.planes)
        return VectorStep(
            operation=self.arrangement.owners[op.name],
            iterations=vector_iterations(
                self.array, held.height, held.width, operands[0].blocks, taps, planes,
                isinstance(op, IntTable),
            ),
            op=op,
            lines=lines,
            a=operands[0].lines(first, last),
            b=b if b is None or broadcast else b.lines(*lines),
            destination=held,
            padding_top=padding,
            planes=planes,
            broadcast=broadcast,
        )  # fmt: skip

    def _height(self, op: IntOp) -> int:
        return self.jobs.made[op.inputs[0]].shape[1]

    def load(self, layout: TensorLayout) -> LoadStep:
        """Return the step that takes the lines of `layout` from the input."""
        fold = self.arrangement.load
        iterations = (
            move_iterations(layout.height, layout.width, layout.chunks, layout.planes)
            if fold is None
            else fold.iterations(layout.height, layout.planes)
        )
        return LoadStep(operation=layout.name, iterations=iterations, tensor=layout, fold=fold)

    def store(self, layout: TensorLayout) -> StoreStep:
        """Return the step that sends the lines of `layout` to the output."""
        iterations = move_iterations(layout.height, layout.width, layout.chunks, layout.planes)
        return StoreStep(operation=layout.name, iterations=iterations, tensor=layout)

    def save(self, operation: str, layout: TensorLayout, offset: int) -> SaveStep:
        """Return the step that takes the lines of `layout` to word `offset` of the spill port."""
        base, run, runs, stride, iterations = self._runs(layout)
        return SaveStep(
            operation=operation, iterations=iterations, tensor=layout.name, base=base, run=run,
            runs=runs, stride=stride, offset=offset,
        )  # fmt: skip

    def restore(self, operation: str, layout: TensorLayout, offset: int) -> RestoreStep:
        """Return the step that brings the lines of `layout` from word `offset` on."""
        base, run, runs, stride, iterations = self._runs(layout)
        return RestoreStep(
            operation=operation, iterations=iterations, tensor=layout.name, base=base, run=run,
            runs=runs, stride=stride, offset=offset,
        )  # fmt: skip

    def _runs(self, layout: TensorLayout) -> tuple[int, int, int, int, int]:
        """Return base, run, runs, stride and iterations; one run where no gaps are between."""
        run = layout.blocks * layout.planes
        runs = layout.height * (layout.line_stride // layout.pixel_stride)
        stride = layout.pixel_stride
        if run == stride:
            run, runs, stride = run * runs, 1, run * runs
        return layout.base, run, runs, stride, spill_iterations(self.array, runs, run)
