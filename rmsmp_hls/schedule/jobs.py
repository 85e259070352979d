"""What the array has to do, as plain numbers: the part of an operation that time depends on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import (
    Tiling,
    ceil_div,
    choose_tiling,
    matmul_iterations,
    move_iterations,
    vector_iterations,
)
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntAdd, IntInput, IntMatmul, IntMaxPool, IntOp, IntSumPool
from rmsmp_hls.schedule.place_rows import kind_counts


@dataclass(frozen=True, slots=True)
class MatmulJob:
    """A matrix multiplication: output size, kernel taps, operand, rows of each kind."""

    out_height: int
    out_width: int
    stride_w: int
    taps: int
    in_channels: int
    in_planes: int
    rows: tuple[int, int, int]
    out_planes: int
    logits: bool

    def steps(self, channels: int) -> int:
        """Return the weight tiles of a block, for TN = `channels`."""
        return self.taps * ceil_div(self.in_channels, channels) * self.in_planes

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the network's arithmetic (an 8-bit operand counts once)."""
        pixels = self.out_height * self.out_width
        return pixels * sum(self.rows) * self.taps * self.in_channels

    def tiling(self, array: ArrayShape, row_tiles: int) -> Tiling:
        """Return the best cut of this job on `array` with that many row tiles."""
        return choose_tiling(
            array,
            out_height=self.out_height,
            out_width=self.out_width,
            stride_w=self.stride_w,
            steps=self.steps(array.channels),
            row_tiles=row_tiles,
            planes=self.out_planes,
            logits=self.logits,
        )


@dataclass(frozen=True, slots=True)
class VectorJob:
    """A pooling, adding or requantizing operation; `planes` per tap, padding rule applied."""

    out_height: int
    out_width: int
    channels: int
    taps: int
    planes: int

    def iterations(self, array: ArrayShape) -> int:
        """Return the exact iterations on `array`."""
        return vector_iterations(
            array, self.out_height, self.out_width, self.channels, self.taps, self.planes
        )


def _planes(graph: IntGraph, name: str) -> int:
    source = graph.op(name).output
    assert source is not None, "nothing reads logits"
    return source.planes


@lru_cache(maxsize=4096)
def _kind_counts(formats: tuple[str, ...]) -> tuple[int, int, int]:
    return kind_counts(formats)


def matmul_job(graph: IntGraph, op: IntMatmul) -> MatmulJob:
    """Return the job of one matrix multiplication."""
    _, in_channels, kernel_h, kernel_w = op.codes.shape
    _, height, width = op.shape
    return MatmulJob(
        out_height=height,
        out_width=width,
        stride_w=op.window.stride[1],
        taps=kernel_h * kernel_w,
        in_channels=in_channels,
        in_planes=_planes(graph, op.inputs[0]),
        rows=_kind_counts(op.formats),
        out_planes=op.output.planes if op.output else 1,
        logits=op.output is None,
    )


def vector_job(graph: IntGraph, op: IntAdd | IntMaxPool | IntSumPool) -> VectorJob:
    """Return the job of one operation of the vector unit.

    A lone one-plane tap whose result has two planes is padded to two planes: the high nibble
    of one pixel would meet the low nibble of the next otherwise (docs/hardware.md).
    """
    assert op.output is not None, "the vector unit writes codes"
    taps = 2 if isinstance(op, IntAdd) else op.window.kernel[0] * op.window.kernel[1]
    planes = max(_planes(graph, name) for name in op.inputs)
    if op.output.planes == 2 and taps * planes < 2:
        planes = 2
    channels, height, width = op.shape
    return VectorJob(height, width, channels, taps, planes)


def tensor_move_iterations(op: IntOp) -> int:
    """Return the iterations of a load or store of the tensor that `op` makes."""
    assert op.output is not None, "logits are not stored"
    channels, height, width = op.shape
    return move_iterations(height, width, channels, op.output.planes)


def graph_jobs(
    graph: IntGraph,
) -> tuple[dict[MatmulJob, int], dict[VectorJob, int], int]:
    """Return the jobs of a graph with how often each occurs, and iterations of load and store."""
    matmuls: dict[MatmulJob, int] = {}
    vectors: dict[VectorJob, int] = {}
    moves = 0
    for op in graph:
        if isinstance(op, IntMatmul):
            job = matmul_job(graph, op)
            matmuls[job] = matmuls.get(job, 0) + 1
        elif isinstance(op, IntAdd | IntMaxPool | IntSumPool):
            vector = vector_job(graph, op)
            vectors[vector] = vectors.get(vector, 0) + 1
        elif isinstance(op, IntInput):
            moves += tensor_move_iterations(op)
        if op.name == graph.output and op.output is not None:
            moves += tensor_move_iterations(op)
    return matmuls, vectors, moves


def job_iterations(job: MatmulJob, array: ArrayShape, row_tiles: int) -> tuple[int, Tiling]:
    """Return the iterations of `job` and the tiling that gives them."""
    tiling = job.tiling(array, row_tiles)
    return matmul_iterations(tiling, array), tiling
