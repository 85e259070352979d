"""What a schedule is predicted to take on a board: exact iterations, modelled time."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cycles import PIPELINE_DEPTH_CYCLES, matmul_cycles
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.schedule.jobs import matmul_job
from rmsmp_hls.schedule.schedule import Schedule, operation_iterations

DDR_EFFICIENCY = 0.70
"""Modelled part of the DDR's peak rate that long bursts reach; an assumption."""


@dataclass(frozen=True, slots=True)
class OpPrediction:
    """One operation of the deployed program.

    Attributes:
        name: tensor.
        iterations: exact loop iterations.
        macs: multiply-accumulates of the network, 0 where there are none.
        utilization: macs / (iterations * macs_per_cycle of the array), 0..1.
        binds: what most iterations wait for; "" for operations that are no matmul.
        ddr_bytes: bytes moved between DDR and the array.
    """

    name: str
    iterations: int
    macs: int
    utilization: float
    binds: str
    ddr_bytes: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image on one board; every time is *modelled*.

    Attributes:
        ops: the operations in order.
        clock_mhz: clock that the times are for.
        iterations: exact loop iterations of all operations.
        overhead_cycles: modelled pipeline depth and descriptor fetch, all operations.
        latency_ms: the larger of compute time (iterations + overhead) and DDR time.
        ddr_bytes: bytes of one image.
        ddr_ms: ddr_bytes at `DDR_EFFICIENCY` of the board's peak rate.
        utilization: macs / (iterations * macs_per_cycle), 0..1.
    """

    ops: tuple[OpPrediction, ...]
    clock_mhz: float
    iterations: int
    overhead_cycles: int
    latency_ms: float
    ddr_bytes: int
    ddr_ms: float
    utilization: float


def predict(
    graph: IntGraph, schedule: Schedule, board: Board, clock_mhz: float | None = None
) -> Prediction:
    """Predict one image; `clock_mhz` defaults to the board's clock."""
    clock = clock_mhz or board.clock_mhz
    array = schedule.array
    names = {op.name: op for op in graph}
    ops = []
    for name, iterations in operation_iterations(graph, schedule):
        op = names[name]
        macs, binds = 0, ""
        if isinstance(op, IntMatmul):
            plan = schedule.matmul(name)
            tiling = plan.tiling
            macs = matmul_job(graph, op).macs
            binds = matmul_cycles(tiling, array).binds
            words = tiling.row_tiles * tiling.steps * array.weight_words
            params = tiling.row_tiles * array.rows * 16
            moved = tiling.pixel_tiles * (words * array.weight_word_bits // 8 + params)
            if op.output is None:
                moved += 4 * (tiling.row_tiles * array.rows + graph.argmax)
        elif name in (graph.input.name, graph.output):
            moved = 4 * schedule.tensor(name).transfer_words
        else:
            moved = 0
        ops.append(
            OpPrediction(
                name=name,
                iterations=iterations,
                macs=macs,
                utilization=macs / (iterations * array.macs_per_cycle),
                binds=binds,
                ddr_bytes=moved,
            )
        )
    total = sum(op.iterations for op in ops)
    overhead = PIPELINE_DEPTH_CYCLES * len(ops)
    ddr_bytes = sum(op.ddr_bytes for op in ops)
    ddr_ms = ddr_bytes / (board.ddr_gb_per_s * DDR_EFFICIENCY * 1e6)
    compute_ms = (total + overhead) / (clock * 1e3)
    return Prediction(
        ops=tuple(ops),
        clock_mhz=clock,
        iterations=total,
        overhead_cycles=overhead,
        latency_ms=max(compute_ms, ddr_ms),
        ddr_bytes=ddr_bytes,
        ddr_ms=ddr_ms,
        utilization=sum(op.macs for op in ops) / (total * array.macs_per_cycle),
    )
