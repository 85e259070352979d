"""What the array has to do, as plain numbers: the part of an operation that time depends on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import move_iterations, vector_iterations
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntConcat,
    IntInput,
    IntMatmul,
    IntMaxPool,
    IntMultiply,
    IntOp,
    IntSelect,
    IntSumPool,
    IntTable,
    IntUpsample,
)
from rmsmp_hls.ir.types import Window
from rmsmp_hls.schedule.arrange import Arrangement
from rmsmp_hls.schedule.buses import Counts
from rmsmp_hls.schedule.layout import Slots, slot_blocks
from rmsmp_hls.schedule.matmul_job import MatmulJob
from rmsmp_hls.schedule.sections import Sections, sections
from rmsmp_hls.schedule.steps import Lines

VectorOp = IntAdd | IntMultiply | IntMaxPool | IntSumPool | IntTable | IntUpsample
"""What the vector unit computes."""


@dataclass(frozen=True, slots=True)
class VectorJob:
    """An operation of the vector unit; `planes` per tap, padding rule applied."""

    out_height: int
    out_width: int
    blocks: int
    taps: int
    planes: int
    table: bool

    def lines(self, height: int) -> VectorJob:
        """Return the job of `height` output lines of this one."""
        return replace(self, out_height=height)

    def iterations(self, array: ArrayShape) -> int:
        """Return the exact iterations on `array`."""
        return vector_iterations(
            array, self.out_height, self.out_width, self.blocks, self.taps, self.planes, self.table
        )


def op_macs(op: IntOp) -> int:
    """Return the multiply-accumulates of the network's arithmetic, 0 of other operations."""
    if not isinstance(op, IntMatmul):
        return 0
    return op.shape[1] * op.shape[2] * op.codes.array.size


def vector_window(op: VectorOp) -> Window:
    """Return the window of an operation of the vector unit; 1 x 1 where it has none."""
    return op.window if isinstance(op, IntMaxPool | IntSumPool) else Window()


def vector_taps(op: VectorOp) -> int:
    """Return the reads per output pixel: a window's, or one per operand."""
    kernel = vector_window(op).kernel
    return kernel[0] * kernel[1] * len(op.inputs)


def tap_planes(taps: int, operands: int, result: int) -> int:
    """Return the planes to read per tap, from those of the operands and of the result.

    A lone one-plane tap whose result has two planes is padded to two planes: the high nibble
    of one pixel would meet the low nibble of the next otherwise (docs/hardware.md).
    """
    return 2 if result == 2 and taps * operands < 2 else operands


@lru_cache(maxsize=4096)
def _fullest(found: Sections, formats: tuple[str, ...]) -> Counts:
    return found.fullest(formats)


@lru_cache(maxsize=4096)
def _bus_rows(
    found: Sections, formats: tuple[str, ...], slots: Slots, channels: int
) -> tuple[Counts, ...]:
    return found.on_buses(formats, slots, channels)


def could_be_windows(op: IntMatmul, found: Sections) -> bool:
    """Return whether every row reads one channel of one block, with neighbouring taps."""
    return (
        op.output is not None
        and op.groups > 1
        and op.codes.shape[1] == 1
        and op.codes.shape[3] > 1
        and found.blocks == 1
        and op.window.dilation[1] == 1
        and op.window.stride[1] <= 2
    )


class JobMaker:
    """Reads jobs off an arrangement."""

    def __init__(self, arrangement: Arrangement) -> None:
        self.arrangement = arrangement
        self.made = {op.name: op for op in arrangement.ops}

    def planes(self, name: str) -> int:
        """Return the planes of a tensor."""
        source = self.made[name].output
        assert source is not None, "nothing reads logits"
        return source.planes

    def matmul(self, op: IntMatmul) -> MatmulJob:
        """Return the job of one matrix multiplication."""
        where = self.arrangement
        rows, group_channels, kernel_h, kernel_w = op.codes.shape
        slots = where.slots(op.inputs[0])
        found = sections(op, slots, where.channels)
        channels = group_channels * op.groups
        windows = could_be_windows(op, found)
        read = tuple(slots[row * op.groups // rows] for row in range(rows)) if windows else ()
        return MatmulJob(
            out_height=op.shape[1],
            out_width=op.shape[2],
            image_height=op.shape[1],
            stride_w=op.window.stride[1],
            kernel=(kernel_h, kernel_w),
            blocks=found.blocks,
            sections=found.count,
            rows=_fullest(found, op.formats),
            depth=channels if found.count == 1 else found.blocks * where.channels,
            in_planes=self.planes(op.inputs[0]),
            out_planes=op.output.planes if op.output else 1,
            logits=op.output is None,
            bus_rows=_bus_rows(found, op.formats, read, where.channels) if windows else (),
        )

    def vector(self, op: VectorOp) -> VectorJob:
        """Return the job of one operation of the vector unit."""
        assert op.output is not None, "the vector unit writes codes"
        taps = vector_taps(op)
        planes = tap_planes(taps, max(map(self.planes, op.inputs)), op.output.planes)
        slots = self.arrangement.slots(op.name)
        return VectorJob(
            out_height=op.shape[1],
            out_width=op.shape[2],
            blocks=slot_blocks(slots, self.arrangement.channels),
            taps=taps,
            planes=planes,
            table=isinstance(op, IntTable),
        )

    def load(self) -> int:
        """Return the iterations of the load of the input."""
        op, fold = self.arrangement.ops[0], self.arrangement.load
        return (
            self.store(op) if fold is None else fold.iterations(op.shape[1], self.planes(op.name))
        )

    def store(self, op: IntOp) -> int:
        """Return the iterations of a store of the tensor that `op` makes."""
        chunks = -(-(max(self.arrangement.slots(op.name)) + 1) // 4)
        return move_iterations(op.shape[1], op.shape[2], chunks, self.planes(op.name))


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of a network with how often each occurs, and iterations of load and store."""

    matmuls: dict[MatmulJob, int]
    vectors: dict[VectorJob, int]
    moves: int


def arranged_jobs(
    arrangement: Arrangement, output: str, cuts: Mapping[int, tuple[Lines, ...]]
) -> Jobs:
    """Return the jobs of an arranged network whose result is `output`.

    Args:
        arrangement: the network.
        output: the tensor that is stored.
        cuts: number of an operation -> the output lines of its strips; the others are whole.
    """
    maker = JobMaker(arrangement)
    matmuls: Counter[MatmulJob] = Counter()
    vectors: Counter[VectorJob] = Counter()
    moves = maker.load()
    for number, op in enumerate(arrangement.ops):
        heights = Counter(last - first for first, last in cuts.get(number, ((0, op.shape[1]),)))
        if isinstance(op, IntMatmul):
            job = maker.matmul(op)
            matmuls.update({job.lines(height): count for height, count in heights.items()})
        elif not isinstance(op, IntInput | IntConcat | IntSelect):
            assert isinstance(op, VectorOp), "every operation has its unit"
            vector = maker.vector(op)
            vectors.update({vector.lines(height): count for height, count in heights.items()})
        if op.name == output and op.output is not None:
            moves += maker.store(op)
    return Jobs(matmuls, vectors, moves)
