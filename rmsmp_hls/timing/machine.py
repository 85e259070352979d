"""What the cycle simulator has to know of the hardware besides the program: FIFO depths, memory
ports, DDR, depth of the pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rmsmp_hls.hw.array import PARAM_BYTES, ArrayShape
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cycles import BEAT_WORDS, PIPELINE_DEPTH_CYCLES, ceil_div
from rmsmp_hls.hw.memory import FIFO_DEPTHS, PORT_BURSTS

FRACTION = 1 << 12
"""Parts of a cycle in which the occupancy of the DDR is counted."""


@dataclass(frozen=True, slots=True)
class PortTiming:
    """One memory port.

    Attributes:
        word_bytes: width of a word.
        burst_words: most words of a burst.
        reads, writes: bursts that may be on their way in each direction.
        interval: cycles that the board's port takes for a word.
    """

    word_bytes: int
    burst_words: int
    reads: int
    writes: int
    interval: int = 1


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware around the array.

    Attributes:
        array: the array.
        ports: by name, in the order in which they are served if they ask in the same cycle.
        latency: cycles from a burst's turn at the DDR to its first word, or from the last word
            written to its response; at least 1.
        byte_time: what a byte occupies the DDR for, in 1 / FRACTION cycles; 0: unlimited rate.
        fifo_depths: by name.
        depth: stages of a pipelined loop of Compute.
    """

    array: ArrayShape
    ports: Mapping[str, PortTiming]
    latency: int = 1
    byte_time: int = 0
    fifo_depths: Mapping[str, int] = field(default_factory=lambda: dict(FIFO_DEPTHS))
    depth: int = PIPELINE_DEPTH_CYCLES


def _ports(array: ArrayShape, most_bytes: int, port_bits: int | None) -> dict[str, PortTiming]:
    # The weight ports move in step, a beat at a time: here they are one port as wide as all.
    wide, beat = array.weight_word_bits // 8, array.weight_beat_bits // 8
    widths = {"weights": beat, "spill": wide, "params": PARAM_BYTES, "input": 4 * BEAT_WORDS}
    beside = {"weights": array.weight_ports}
    ports = {}
    for name, bursts in PORT_BURSTS.items():
        width, count = widths.get(name, 4), beside.get(name, 1)
        ports[name] = PortTiming(
            word_bytes=width,
            burst_words=max(1, min(bursts.burst_words, most_bytes * count // width)),
            reads=bursts.reads,
            writes=bursts.writes,
            interval=1 if port_bits is None else ceil_div(8 * width, port_bits * count),
        )
    return ports


def board_machine(array: ArrayShape, board: Board, clock_mhz: float) -> Machine:
    """Return the machine that a board makes at a clock; its memory figures are assumptions."""
    per_cycle = board.ddr_gb_per_s * board.ddr_efficiency * 1e3 / clock_mhz
    return Machine(
        array,
        _ports(array, board.max_burst_bytes, board.memory_port_bits),
        latency=max(1, round(board.memory_latency_ns * clock_mhz / 1e3)),
        byte_time=round(FRACTION / per_cycle),
    )


def ideal_machine(array: ArrayShape) -> Machine:
    """Return a machine whose memory answers in the next cycle, at any rate: what is left is the
    program's own control flow."""
    return Machine(array, _ports(array, 4096, None))
