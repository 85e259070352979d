"""What a simulation counted."""

from __future__ import annotations

from dataclasses import dataclass

CAUSES = ("weights", "params", "input", "output", "spill", "record")
"""What Compute may wait for: words of a stream, places in one, DRAM, the record of an operation."""


@dataclass(frozen=True, slots=True)
class OpCycles:
    """One record of the program, of one image.

    cycles = iterations + fill + fetch + all stalls.

    Attributes:
        image: number of the image.
        record: number of the record in the program.
        operation: number of the operation that it belongs to.
        name: tensor of the network's operation.
        opcode: LOAD, MATMUL, ...
        start, end: first cycle, and first cycle behind the last.
        iterations: of pipelined loops, exactly those that the C simulation counts.
        fill: cycles that pipelines fill and drain, loops begin and end, addresses are prepared.
        fetch: cycles in which words of the record are read.
        stalls: (cause, cycles) of those of CAUSES that occur.
        blocks: first cycle of every block of a matrix multiplication; each swaps the halves of
            the partial sums.
        steps: weight tiles that became active, swaps of the weight registers.
        busy: cycles in which the row lanes compute.
    """

    image: int
    record: int
    operation: int
    name: str
    opcode: str
    start: int
    end: int
    iterations: int
    fill: int
    fetch: int
    stalls: tuple[tuple[str, int], ...]
    blocks: tuple[int, ...]
    steps: int
    busy: int

    @property
    def cycles(self) -> int:
        """Cycles from its first to its last."""
        return self.end - self.start

    def stall(self, cause: str) -> int:
        """Cycles waited for one cause."""
        return dict(self.stalls).get(cause, 0)


@dataclass(frozen=True, slots=True)
class FifoUse:
    """A FIFO: depth, most words held at the end of a cycle, words that passed."""

    name: str
    depth: int
    high_water: int
    words: int


@dataclass(frozen=True, slots=True)
class PortUse:
    """One direction of a memory port: bursts and bytes."""

    name: str
    bursts: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """A process: the cycle in which it ended, and what it waited for, (cause, cycles)."""

    name: str
    end: int
    stalls: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class CycleCount:
    """A simulated run of the accelerator.

    Attributes:
        cycles: from the start of all processes to the end of the last one.
        image_ends: cycle in which the last output of every image was answered.
        ops: the records, image by image.
        fifos, ports, processes: what they did.
        ddr_busy: cycles in which the DDR moved data.
    """

    cycles: int
    image_ends: tuple[int, ...]
    ops: tuple[OpCycles, ...]
    fifos: tuple[FifoUse, ...]
    ports: tuple[PortUse, ...]
    processes: tuple[ProcessUse, ...]
    ddr_busy: float

    @property
    def images(self) -> int:
        """Images of the run."""
        return len(self.image_ends)

    @property
    def first_image(self) -> int:
        """Cycles of the first image, from the start."""
        return self.image_ends[0]

    @property
    def steady_image(self) -> float:
        """Cycles from one image to the next; those of the first where there is one only."""
        if self.images == 1:
            return float(self.first_image)
        return (self.image_ends[-1] - self.image_ends[0]) / (self.images - 1)

    def of_image(self, image: int) -> tuple[OpCycles, ...]:
        """The records of one image."""
        return tuple(op for op in self.ops if op.image == image)
