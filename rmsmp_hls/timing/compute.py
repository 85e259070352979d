"""The Compute process (hls_cpp/rmsmp/compute.hpp): records, and the loops of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rmsmp_hls.hw.cycles import LOOP_OVERHEAD_CYCLES, RECORD_WORDS
from rmsmp_hls.pack.program import Program
from rmsmp_hls.timing.loops import RECORD_STREAM, Loop, record_loops
from rmsmp_hls.timing.process import Process, Run
from rmsmp_hls.timing.region import Region
from rmsmp_hls.timing.tokens import End


@dataclass(frozen=True, slots=True)
class RecordTime:
    """One record as Compute ran it; the fields are those of `OpCycles`."""

    image: int
    record: int
    start: int
    end: int
    iterations: int
    fill: int
    fetch: int
    stalls: tuple[tuple[str, int], ...]
    blocks: tuple[int, ...]
    steps: int
    busy: int


def compute(
    process: Process, region: Region, program: Program, images: int, done: list[RecordTime]
) -> Iterator[Run]:
    """Run the program; what every record took is appended to `done`."""
    ends = region.compute_ends()
    array, depth = region.machine.array, region.machine.depth
    fetched = (ends[RECORD_STREAM],)
    for image in range(images):
        start, before = process.now, dict(process.stalls)
        yield Run(1, fetched)  # the number of operations, counted with the first one's fetch
        for number, record in enumerate(program.records):
            fetch = RECORD_WORDS + (1 if number == 0 else 0)
            yield Run(RECORD_WORDS, fetched)
            yield Run(LOOP_OVERHEAD_CYCLES)
            fill, iterations, steps, busy = LOOP_OVERHEAD_CYCLES, 0, 0, 0
            blocks: list[int] = []
            for loop in record_loops(record, array, depth):
                if loop.block:
                    blocks.append(process.now)
                yield from _run_loop(process, region, ends, loop)
                iterations += loop.iterations
                fill += loop.cycles - loop.iterations
                fill += 1 if _waits(loop) else 0
                steps += loop.steps
                busy += loop.busy
            waited = {c: n - before.get(c, 0) for c, n in process.stalls.items()}
            stalls = tuple((cause, n) for cause, n in sorted(waited.items()) if n)
            done.append(
                RecordTime(
                    image, number, start, process.now, iterations, fill, fetch, stalls,
                    tuple(blocks), steps, busy,
                )
            )  # fmt: skip
            start, before = process.now, dict(process.stalls)


def _waits(loop: Loop) -> bool:
    """Whether the loop's function ends only when DRAM has answered all that was written."""
    return loop.transfer is not None and loop.transfer.stream == "spill_write"


def _run_loop(
    process: Process, region: Region, ends: Mapping[str, End], loop: Loop
) -> Iterator[Run]:
    asked = loop.transfer
    if asked is not None:
        port = region.spill if _waits(loop) else region.reads["spill"]
        port.request(asked.first, asked.words, process.now)
    for piece in loop.pieces:
        yield Run(piece.cycles, tuple(ends[name] for name in piece.streams), piece.ticks)
    if _waits(loop):
        yield Run(1, (region.spill_answered(),))
