"""IntGraph + ArrayShape -> Schedule: where every tensor and row lies, how work is cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import Tiling, matmul_iterations
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntAdd, IntMatmul, IntMaxPool, IntSumPool
from rmsmp_hls.schedule.allocate import allocate_graph, check_depth
from rmsmp_hls.schedule.check import check_runs
from rmsmp_hls.schedule.jobs import matmul_job, tensor_move_iterations, vector_job
from rmsmp_hls.schedule.layout import TensorLayout
from rmsmp_hls.schedule.place_rows import RowPlaces, place_rows


@dataclass(frozen=True, slots=True)
class MatmulPlan:
    """One matrix multiplication: its cut, its rows' places, its exact iterations."""

    name: str
    tiling: Tiling
    places: RowPlaces
    iterations: int


@dataclass(frozen=True, slots=True)
class VectorPlan:
    """One operation of the vector unit: taps, planes read per tap, exact iterations."""

    name: str
    taps: int
    planes: int
    iterations: int


_PlanT = TypeVar("_PlanT", TensorLayout, MatmulPlan, VectorPlan)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How one graph runs on one array.

    Attributes:
        array: the array.
        tensors: layouts of all tensors in the activation memory, in order of the operations.
        matmuls, vectors: plans, in order of the operations.
        depth: words of each activation bank that are used.
    """

    array: ArrayShape
    tensors: tuple[TensorLayout, ...]
    matmuls: tuple[MatmulPlan, ...]
    vectors: tuple[VectorPlan, ...]
    depth: int

    def tensor(self, name: str) -> TensorLayout:
        """Return the layout of tensor `name`; KeyError if it is not in the memory."""
        return _named(self.tensors, name)

    def matmul(self, name: str) -> MatmulPlan:
        """Return the plan of matrix multiplication `name`; KeyError if there is none."""
        return _named(self.matmuls, name)

    def vector(self, name: str) -> VectorPlan:
        """Return the plan of vector operation `name`; KeyError if there is none."""
        return _named(self.vectors, name)


def _named(items: tuple[_PlanT, ...], name: str) -> _PlanT:
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)


def make_schedule(graph: IntGraph, array: ArrayShape) -> Schedule:
    """Place tensors and rows and cut the work; the same graph gives the same schedule.

    Raises:
        LoweringError: the array cannot run the graph (a format without a lane, sums too wide).
        ResourceError: the activation memory is too small; names the tensors.
    """
    check_runs(graph, array)
    tensors, depth = allocate_graph(graph, array.channels, array.banks)
    check_depth(graph, array.channels, array.banks, depth, array.activation_depth)
    matmuls, vectors = [], []
    for op in graph:
        if isinstance(op, IntMatmul):
            places = place_rows(op.formats, array, op.name)
            tiling = matmul_job(graph, op).tiling(array, places.tiles)
            iterations = matmul_iterations(tiling, array)
            matmuls.append(MatmulPlan(op.name, tiling, places, iterations))
        elif isinstance(op, IntAdd | IntMaxPool | IntSumPool):
            job = vector_job(graph, op)
            vectors.append(VectorPlan(op.name, job.taps, job.planes, job.iterations(array)))
    return Schedule(array, tensors, tuple(matmuls), tuple(vectors), depth)


def operation_iterations(graph: IntGraph, schedule: Schedule) -> tuple[tuple[str, int], ...]:
    """Return (tensor, iterations) of every operation of the deployed program, in order.

    The load of the input comes first; a store of the result comes last if it is codes.
    """
    found = []
    for op in graph:
        if isinstance(op, IntMatmul):
            found.append((op.name, schedule.matmul(op.name).iterations))
        elif isinstance(op, IntAdd | IntMaxPool | IntSumPool):
            found.append((op.name, schedule.vector(op.name).iterations))
        else:
            found.append((op.name, tensor_move_iterations(op)))
    result = graph.op(graph.output)
    if result.output is not None:
        found.append((result.name, tensor_move_iterations(result)))
    return tuple(found)
