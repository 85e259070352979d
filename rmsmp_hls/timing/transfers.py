"""The processes at the memory ports (hls_cpp/rmsmp/transfer.hpp) as sequences of runs."""

from __future__ import annotations

from collections.abc import Iterator

from rmsmp_hls.hw.cycles import BEAT_WORDS, LOOP_OVERHEAD_CYCLES, RECORD_WORDS
from rmsmp_hls.pack.program import HEADER_WORDS, SEGMENT_WORDS, Opcode, Program, Segment
from rmsmp_hls.timing.loops import uses_table
from rmsmp_hls.timing.memory import Answered, ReadPort
from rmsmp_hls.timing.process import Process, Run
from rmsmp_hls.timing.region import Region
from rmsmp_hls.timing.tokens import Fifo

_EXIT = Run(LOOP_OVERHEAD_CYCLES)


def load_program(process: Process, region: Region, program: Program, images: int) -> Iterator[Run]:
    """LoadProgram: counts, then of every operation its segments and its record."""
    port = region.reads["program"]
    fifos = {name: fifo.writer(f"{name} full") for name, fifo in region.fifos.items()}
    counts = ("input_words", "output_words", "weight_segments", "param_segments", "ops")
    weights_at = HEADER_WORDS + RECORD_WORDS * len(program.records)
    for _ in range(images):
        port.request(0, HEADER_WORDS, process.now)
        yield Run(HEADER_WORDS, (port,))
        yield _EXIT
        for name in counts:
            yield Run(1, (fifos[name],))
        weight_at = weights_at
        param_at = weights_at + SEGMENT_WORDS * len(program.weight_segments)
        for number, record in enumerate(program.records):
            port.request(HEADER_WORDS + RECORD_WORDS * number, RECORD_WORDS, process.now)
            yield Run(RECORD_WORDS, (port,))
            yield _EXIT
            matmul = record.opcode is Opcode.MATMUL
            if matmul:
                port.request(weight_at, SEGMENT_WORDS, process.now)
                yield Run(SEGMENT_WORDS, (port, fifos["weight_segments"]))
                yield _EXIT
                weight_at += SEGMENT_WORDS
            if matmul or uses_table(record):
                port.request(param_at, SEGMENT_WORDS, process.now)
                yield Run(SEGMENT_WORDS, (port, fifos["param_segments"]))
                yield _EXIT
                param_at += SEGMENT_WORDS
            yield Run(RECORD_WORDS, (fifos["ops"],))
            yield _EXIT


def load_segments(
    process: Process,
    port: ReadPort,
    numbers: Fifo,
    words: Fifo,
    segments: tuple[Segment, ...],
    images: int,
) -> Iterator[Run]:
    """LoadWeights, LoadParams: every segment as often as it is repeated, one loop each."""
    taken, given = numbers.reader("program"), words.writer(f"{words.name} full")
    for _ in range(images):
        yield Run(1, (taken,))
        for segment in segments:
            yield Run(SEGMENT_WORDS, (taken,))
            for _ in range(segment.repeats):
                if segment.words:
                    port.request(segment.offset, segment.words, process.now)
                    yield Run(segment.words, (port, given))
                yield _EXIT


def load_input(process: Process, region: Region, length: int, images: int) -> Iterator[Run]:
    """LoadInput: one image behind the other."""
    port, counts = region.reads["input"], region.fifos["input_words"].reader("program")
    words, beats = region.fifos["input"].writer("input full"), length // BEAT_WORDS
    for image in range(images):
        yield Run(1, (counts,))
        if beats:
            port.request(image * beats, beats, process.now)
            yield Run(beats, (port, words))
        yield _EXIT


def store_output(
    process: Process, region: Region, length: int, images: int, ends: list[int]
) -> Iterator[Run]:
    """StoreOutput: the words of every image; its end is noted in `ends`."""
    port, counts = region.output, region.fifos["output_words"].reader("program")
    words = region.fifos["output"].reader("compute")
    answered = Answered(port)
    for image in range(images):
        yield Run(1, (counts,))
        if length:
            port.request(image * length, length, process.now)
            yield Run(length, (words, port))
        yield Run(1, (answered,))
        ends.append(process.now)
        yield _EXIT
