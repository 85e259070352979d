"""Program steps: one record of the program each, with everything that its words are made of.

An operation has one step, none (what only names channels) or several (strips of lines,
copies of its operands, moves between the activation memory and DRAM).
"""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.hw.cycles import Tiling
from rmsmp_hls.ir.int_ops import IntMatmul, IntOp
from rmsmp_hls.schedule.fold_input import Fold
from rmsmp_hls.schedule.layout import TensorLayout
from rmsmp_hls.schedule.place_rows import RowPlaces

Lines = tuple[int, int]
"""Lines of a tensor: the first, and the first behind the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Base: one record.

    Attributes:
        operation: the operation of the graph that the step belongs to.
        iterations: exact loop iterations.
    """

    operation: str
    iterations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStep(Step):
    """LOAD: lines of the network's input, `fold` says how they are walked; None: word by word."""

    tensor: TensorLayout
    fold: Fold | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStep(Step):
    """STORE: lines of a tensor, which must follow each other over the steps."""

    tensor: TensorLayout


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The rows of one matrix multiplication; all its strips share it.

    Attributes:
        places: tile and lane of every row.
        blocks: channel blocks that a row tile reads.
        tiles_per_group: row tiles that read the same blocks.
        group_stride: addresses from one group's blocks to the next's; 0 for a dense layer.
        windows: whether every step takes several columns of the rows' channels at once.
    """

    places: RowPlaces
    blocks: int
    tiles_per_group: int
    group_stride: int
    windows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MatmulStep(Step):
    """MATMUL: some output lines of a matrix multiplication.

    Attributes:
        op: the operation, as the array runs it.
        lines: the output lines.
        source: exactly the lines that the windows reach.
        destination: the output lines in memory; None for logits.
        padding_top: lines of padding above `source`.
        tiling: how the work is cut.
        rows: where the rows sit.
    """

    op: IntMatmul
    lines: Lines
    source: TensorLayout
    destination: TensorLayout | None
    padding_top: int
    tiling: Tiling
    rows: RowPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorStep(Step):
    """VECTOR: some output lines of an operation of the vector unit.

    Attributes:
        op: the operation, as the vector unit runs it.
        lines: the output lines.
        a, b: exactly the operands' lines that are read; b None for one operand.
        destination: the output lines in memory.
        padding_top: lines of padding above `a`.
        planes: planes read per tap, padding rule applied.
        broadcast: whether b is one pixel for all.
    """

    op: IntOp
    lines: Lines
    a: TensorLayout
    b: TensorLayout | None
    destination: TensorLayout
    padding_top: int
    planes: int
    broadcast: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpillStep(Step):
    """SAVE or RESTORE: runs of addresses between the activation memory and DRAM.

    Attributes:
        tensor: whose lines move, for readers.
        base: first address in the activation memory.
        run: addresses of a run.
        runs: how many.
        stride: addresses from one run's start to the next's.
        offset: first word of the spill port; the spill side is consecutive.
    """

    tensor: str
    base: int
    run: int
    runs: int
    stride: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveStep(SpillStep):
    """SAVE: from the activation memory to DRAM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreStep(SpillStep):
    """RESTORE: from DRAM to the activation memory."""
