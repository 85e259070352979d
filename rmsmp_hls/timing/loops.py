"""A record of the program -> the pipelined loops that Compute runs for it, cycle by cycle.

This is the only place of the simulator that knows what an operation does in which iteration
(docs/hardware.md; hls_cpp/rmsmp/matmul.hpp, vector_unit.hpp, tensor_io.hpp, folded_load.hpp and
spill.hpp). A loop of n iterations in a pipeline of D stages takes n + D - 1 cycles and reads its
streams in the first stage of an iteration, writes them in the last; any stream that is not ready
stops the whole pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.cycles import (
    BEAT_WORDS,
    LOOP_OVERHEAD_CYCLES,
    TABLE_WORDS,
    address_words,
    ceil_div,
    drain_cycles,
    vector_iterations,
)
from rmsmp_hls.pack.program import MatmulFlags, MoveFlags, Opcode, Record, VectorFlags
from rmsmp_hls.timing.tokens import Cycles


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """`cycles` cycles of a loop; each of `streams` has an access in each of the cycles `ticks`,
    counted from the piece's first; None: in every cycle."""

    cycles: int
    streams: tuple[str, ...] = ()
    ticks: Cycles | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Words of the spill port that a loop moves: its direction's stream, first word, words."""

    stream: str
    first: int
    words: int


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """One pipelined loop.

    Attributes:
        iterations: those that the C simulation counts; 0 for what only prepares an operation.
        pieces: its cycles in order, entry and exit included.
        block: whether it is a block of a matrix multiplication.
        steps: weight tiles that become active in it.
        busy: iterations in which the row lanes compute.
        transfer: what it asks of the spill port when it is entered. Written words are waited for.
    """

    iterations: int
    pieces: tuple[Piece, ...]
    block: bool = False
    steps: int = 0
    busy: int = 0
    transfer: Transfer | None = None

    @property
    def cycles(self) -> int:
        """Cycles without any stall."""
        return sum(piece.cycles for piece in self.pieces)


_EXIT = Piece(LOOP_OVERHEAD_CYCLES)
RECORD_STREAM = "ops"


def record_loops(record: Record, array: ArrayShape, depth: int) -> Iterator[Loop]:
    """Return the loops of one record in order.

    Args:
        record: the operation.
        array: the array.
        depth: stages of a pipelined loop, at least 1.
    """
    if record.opcode is Opcode.MATMUL:
        return _matmul(record, array, depth)
    if record.opcode is Opcode.VECTOR:
        return _vector(record, array, depth)
    if record.opcode is Opcode.LOAD:
        return iter(_load(record, array, depth))
    if record.opcode is Opcode.STORE:
        return iter((_store(record, depth),))
    return iter((_move_spill(record, array, depth),))


def uses_table(record: Record) -> bool:
    """Return whether a record takes a table from the parameter stream."""
    return record.opcode is Opcode.VECTOR and bool(record["flags"] & VectorFlags.TABLE)


def _matmul(record: Record, array: ArrayShape, depth: int) -> Iterator[Loop]:
    """The loop over pixel offsets, then a loop per block, then one that only drains.

    The block loop holds variables that the next block needs, so blocks do not overlap: each
    empties the pipeline.
    """
    yield Loop(0, (Piece(array.pixels), _EXIT))
    tile, tiles = record["groups_per_tile"], record["pixel_tiles"]
    blocks, steps = tiles * record["row_tiles"], record["steps"]
    logits = bool(record["flags"] & MatmulFlags.LOGITS)
    before = 0
    for block in range(blocks + 1):
        computes = block < blocks
        work = steps if computes else 0
        last_tile = block // record["row_tiles"] == tiles - 1
        groups = record["groups"] - (tiles - 1) * tile if last_tile else tile
        drain = drain_cycles(before, array.rows, array.drain_rows, record["repeat"])
        iterations, pieces = _block(
            steps=work,
            step_length=max(groups, array.weight_beats, array.min_step),
            prologue=array.weight_beats if block == 0 else 0,
            weight_beats=array.weight_beats,
            prefetches=block + 1 < blocks,
            rows=array.rows if computes else 0,
            drain=drain,
            logits=logits,
            depth=depth,
        )
        yield Loop(iterations, pieces, block=computes, steps=work, busy=work * groups)
        before = groups
    if record["flags"] & MatmulFlags.ARGMAX:
        yield Loop(0, (Piece(1, ("output",)),))


@lru_cache(maxsize=32)
def _block(
    *, steps: int, step_length: int, prologue: int, weight_beats: int, prefetches: bool, rows: int,
    drain: int, logits: bool, depth: int,
) -> tuple[int, tuple[Piece, ...]]:  # fmt: skip
    """Return (iterations, pieces) of one block.

    Args:
        steps, step_length: steps that it computes, 0 of the last that only drains, and L.
        prologue: WPT in block 0, whose first step has no step before that loads it.
        weight_beats: WPT.
        prefetches: whether its last step loads the first of another block.
        rows: words of parameters that it takes.
        drain: cycles in which the block before leaves.
        logits: whether those are words of the output stream, one per cycle.
        depth: stages of the pipeline.
    """
    iterations = max(steps * step_length + prologue, rows, drain)
    spans = [("params", 0, rows), ("weights", 0, prologue)]
    loading = steps if prefetches else steps - 1
    spans += [("weights", prologue + step * step_length, weight_beats) for step in range(loading)]
    if logits:
        spans.append(("output", depth - 1, drain))
    return iterations, (*_pieces(iterations + depth - 1, spans), _EXIT)


def _pieces(cycles: int, spans: list[tuple[str, int, int]]) -> Iterator[Piece]:
    """Cut `cycles` cycles where other streams join; a span is (stream, first cycle, cycles).

    As long as the same streams have an access or none has, it is one piece.
    """
    changes: dict[int, dict[str, int]] = {}
    for stream, start, count in spans:
        for edge, change in ((start, 1), (start + count, -1)):
            at = changes.setdefault(edge, {})
            at[stream] = at.get(stream, 0) + change
    active: dict[str, int] = {}
    position, begin = 0, 0
    ticks: list[Cycles] = []
    streams: tuple[str, ...] = ()
    for edge in sorted({*changes, cycles}):
        now = tuple(sorted(stream for stream, count in active.items() if count))
        if now and edge > position:
            if streams not in ((), now):
                yield Piece(position - begin, streams, np.concatenate(ticks))
                begin, ticks = position, []
            streams = now
            ticks.append(np.arange(position - begin, edge - begin, dtype=np.int64))
        for stream, change in changes.get(edge, {}).items():
            active[stream] = active.get(stream, 0) + change
        position = edge
    yield Piece(cycles - begin, streams, np.concatenate(ticks) if ticks else None)


def _vector(record: Record, array: ArrayShape, depth: int) -> Iterator[Loop]:
    if uses_table(record):
        yield Loop(TABLE_WORDS, (Piece(TABLE_WORDS, ("params",)), _EXIT))
    binary = bool(record["flags"] & VectorFlags.BINARY)
    iterations = vector_iterations(
        array,
        record["destination_height"],
        record["destination_width"],
        record["blocks"],
        2 if binary else record["kernel_h"] * record["kernel_w"],
        record["tap_planes"],
    )
    yield Loop(iterations, (Piece(iterations + depth - 1), _EXIT))


def _load(record: Record, array: ArrayShape, depth: int) -> tuple[Loop, ...]:
    planes, height, width = record["planes"], record["height"], record["width"]
    tail = (Piece(depth - 1), _EXIT)
    if not record["flags"] & MoveFlags.FOLDED:
        words = width * record["chunks"]  # of a line, which begins a beat
        taken = np.arange(height)[:, None] * words + np.arange(0, words, BEAT_WORDS)
        iterations = height * words * planes
        beats = Piece(iterations, ("input",), taken.reshape(-1) * planes)
        return (Loop(iterations, (beats, *tail)),)
    columns = record["fold_columns"]
    before = ceil_div(record["fold_left"], columns)
    steps = before + ceil_div(width + record["fold_right"], columns)
    beats_at = before + np.arange(0, ceil_div(width, columns), BEAT_WORDS // columns)
    taken = np.arange(height)[:, None] * steps + beats_at
    iterations = height * steps * planes
    setup = Loop(0, (Piece(array.banks), _EXIT))
    return setup, Loop(
        iterations, (Piece(iterations, ("input",), taken.reshape(-1) * planes), *tail)
    )


def _store(record: Record, depth: int) -> Loop:
    planes = record["planes"]
    iterations = record["height"] * record["width"] * record["chunks"] * planes
    # A word leaves at the end of the pipeline, in the iteration of its last plane.
    written = np.arange(planes - 1, iterations, planes, dtype=np.int64) + depth - 1
    return Loop(iterations, (Piece(iterations + depth - 1, ("output",), written), _EXIT))


def _move_spill(record: Record, array: ArrayShape, depth: int) -> Loop:
    words = record["runs"] * record["run"] * address_words(array)
    saves = record.opcode is Opcode.SAVE
    transfer = Transfer("spill_write" if saves else "spill_read", record["offset"], words)
    moved, fill = Piece(words, (transfer.stream,)), Piece(depth - 1)
    pieces = (fill, moved) if saves else (moved, fill)
    return Loop(words, (*pieces, _EXIT), transfer=transfer)
