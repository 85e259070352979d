"""What a schedule is predicted to take on a board: exact iterations, modelled time."""

from __future__ import annotations

from dataclasses import dataclass

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cycles import (
    LOOP_OVERHEAD_CYCLES,
    RECORD_WORDS,
    TABLE_WORDS,
    block_bytes,
    block_wait,
    line_words,
    loops_overhead,
    matmul_cycles,
    spill_wait,
)
from rmsmp_hls.hw.memory import PORT_BURSTS
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntTable
from rmsmp_hls.schedule.jobs import op_macs
from rmsmp_hls.schedule.schedule import Schedule
from rmsmp_hls.schedule.steps import (
    LoadStep,
    MatmulStep,
    RestoreStep,
    SaveStep,
    SpillStep,
    Step,
    StoreStep,
    VectorStep,
)


@dataclass(frozen=True, slots=True)
class OpPrediction:
    """One operation of the graph, all its steps together.

    Attributes:
        name: tensor.
        records: how many of the deployed program's records belong to it; 0 of what only names
            channels. Several where it runs in strips or a copy serves it.
        iterations: exact loop iterations of them all.
        saved, restored: those that move lines of its result to DRAM, and of its operands back.
        macs: multiply-accumulates of the network, 0 where there are none.
        utilization: macs / (iterations * macs_per_cycle of the array), 0..1.
        binds: what most iterations wait for; "" for operations that are no matmul.
        ddr_bytes: bytes moved between DDR and the array.
        weight_bytes: packed weights in memory, padding of the tiles included.
    """

    name: str
    records: int
    iterations: int
    saved: int
    restored: int
    macs: int
    utilization: float
    binds: str
    ddr_bytes: int
    weight_bytes: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image on one board; every time is *modelled*.

    Attributes:
        ops: the operations of the graph in order.
        clock_mhz: clock that the times are for.
        iterations: exact loop iterations of all operations.
        overhead_cycles: modelled fetch of records, filling and draining of pipelines, all
            operations, and what SAVE, RESTORE and the weights and row parameters of each matrix
            multiplication wait for DDR; not the start of the first image.
        latency_ms: the larger of compute time (iterations + overhead) and DDR time.
        ddr_bytes: bytes of one image.
        ddr_ms: ddr_bytes at the board's `ddr_efficiency` of its peak rate.
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
    steps: dict[str, list[Step]] = {op.name: [] for op in graph}
    for step in schedule.steps:
        steps[step.operation].append(step)
    ops = []
    for op in graph:
        own = steps[op.name]
        iterations, macs = sum(step.iterations for step in own), op_macs(op)
        # All strips of a matrix multiplication share the weights of the first.
        main = next((s for s in own if isinstance(s, MatmulStep) and s.op.name == op.name), None)
        ops.append(
            OpPrediction(
                name=op.name,
                records=len(own),
                iterations=iterations,
                saved=sum(step.iterations for step in own if isinstance(step, SaveStep)),
                restored=sum(step.iterations for step in own if isinstance(step, RestoreStep)),
                macs=macs,
                utilization=macs / (max(1, iterations) * array.macs_per_cycle),
                binds=_binds(own, array),
                ddr_bytes=sum(_ddr_bytes(step, array, graph.argmax) for step in own),
                weight_bytes=_weight_bytes(main, array) if main else 0,
            )
        )
    total = sum(op.iterations for op in ops)
    bytes_per_ms = board.ddr_gb_per_s * board.ddr_efficiency * 1e6
    moved = sum(step.iterations for step in schedule.steps if isinstance(step, SpillStep))
    latency = round(board.memory_latency_ns * clock / 1e3)
    bytes_per_cycle = bytes_per_ms / (clock * 1e3)
    overhead = sum(step_overhead(step, array, graph.argmax, latency) for step in schedule.steps)
    overhead += spill_wait(array, moved, bytes_per_cycle)
    overhead += sum(
        block_wait(array, step.tiling, step.iterations, bytes_per_cycle)
        for step in schedule.steps
        if isinstance(step, MatmulStep)
    )
    ddr_bytes = sum(op.ddr_bytes for op in ops)
    ddr_ms = ddr_bytes / bytes_per_ms
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


def step_overhead(step: Step, array: ArrayShape, argmax: bool, latency: int) -> int:
    """Return the modelled cycles that a record takes besides its iterations: its fetch, its loops'
    pipelines, and where it moves lines the memory's answer.

    Every block of a matrix multiplication is a loop, and so is its last drain.

    Args:
        step: the record.
        array: the array.
        argmax: whether the top-1 channel follows the logits.
        latency: of the memory, in cycles.
    """
    cycles = RECORD_WORDS + LOOP_OVERHEAD_CYCLES
    if isinstance(step, MatmulStep):
        offsets = array.pixels + LOOP_OVERHEAD_CYCLES
        blocks = step.tiling.pixel_tiles * step.tiling.row_tiles
        last = int(argmax and step.destination is None)
        return cycles + offsets + loops_overhead(blocks + 1) + last
    if isinstance(step, LoadStep) and step.fold is not None:
        cycles += array.banks + LOOP_OVERHEAD_CYCLES
    if isinstance(step, VectorStep) and isinstance(step.op, IntTable):
        cycles += LOOP_OVERHEAD_CYCLES
    if isinstance(step, SpillStep):
        cycles += latency + 1
    if isinstance(step, SaveStep):  # the last burst leaves when it is whole
        cycles += (step.iterations - 1) % PORT_BURSTS["spill"].burst_words + 1
    return cycles + loops_overhead(1)


def _binds(steps: list[Step], array: ArrayShape) -> str:
    """Return what the most iterations of the matrix multiplications among `steps` wait for."""
    waits: dict[str, int] = {}
    for step in steps:
        if isinstance(step, MatmulStep):
            why = matmul_cycles(step.tiling, array).binds
            waits[why] = waits.get(why, 0) + step.iterations
    return max(waits, key=lambda why: waits[why]) if waits else ""


def _weight_bytes(step: MatmulStep, array: ArrayShape) -> int:
    beats = step.tiling.row_tiles * step.tiling.steps * array.weight_beats
    return beats * array.weight_beat_bits // 8


def _ddr_bytes(step: Step, array: ArrayShape, argmax: bool) -> int:
    """Return the bytes that one step moves between DDR and the array."""
    if isinstance(step, MatmulStep):
        rows = step.tiling.row_tiles * array.rows
        moved = block_bytes(step.tiling, array)
        return moved if step.destination else moved + 4 * (rows + argmax)
    if isinstance(step, LoadStep):
        width, chunks = (
            (step.fold.width, 1) if step.fold else (step.tensor.width, step.tensor.chunks)
        )
        return 4 * step.tensor.height * line_words(width, chunks)
    if isinstance(step, StoreStep):
        return 4 * step.tensor.transfer_words
    if isinstance(step, SpillStep):
        return step.iterations * array.weight_word_bits // 8
    table = isinstance(step, VectorStep) and isinstance(step.op, IntTable)
    return 16 * TABLE_WORDS if table else 0
