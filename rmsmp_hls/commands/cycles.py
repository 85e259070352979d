"""cycles: how many clock cycles a packed program takes on a board, simulated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.board import Board
from rmsmp_hls.pack.design import OpSummary, PackedDesign
from rmsmp_hls.pack.files import HEADER, load_design
from rmsmp_hls.timing.machine import FRACTION, Machine, board_machine, ideal_machine
from rmsmp_hls.timing.result import CycleCount, OpCycles
from rmsmp_hls.timing.simulate import simulate_design

MOST_IMAGES = 1000


@dataclass(frozen=True, slots=True)
class OperationCycles:
    """One operation in one image: the sums of its records, which it has several of in strips.

    Attributes:
        name: path of a weighted layer's module, else the tensor.
        opcode: of its first record that computes, else of its first.
        cycles, iterations, busy: as in `OpCycles`.
        overhead: cycles of fill and fetch.
        stalls: cycles waited, by cause.
    """

    name: str
    opcode: str
    cycles: int
    iterations: int
    busy: int
    overhead: int
    stalls: tuple[tuple[str, int], ...]

    def stall(self, cause: str) -> int:
        """Cycles waited for one cause."""
        return dict(self.stalls).get(cause, 0)


@dataclass(frozen=True, slots=True)
class CyclesOutcome:
    """What was simulated, and on what; every figure of it is *simulated*.

    Attributes:
        design: the packed design.
        board: the board; its memory figures are assumptions.
        clock_mhz: the clock.
        ideal: whether the memory was taken as ideal instead.
        machine: what was made of them.
        count: what was counted.
    """

    design: PackedDesign
    board: Board
    clock_mhz: float
    ideal: bool
    machine: Machine
    count: CycleCount

    @property
    def ddr_bytes_per_cycle(self) -> float | None:
        """What the DDR delivers; None: unlimited."""
        return FRACTION / self.machine.byte_time if self.machine.byte_time else None

    def operations(self, image: int = 0) -> tuple[OperationCycles, ...]:
        """Return the operations of one image in the order of the program."""
        return operation_cycles(self.count.of_image(image), self.design.ops)


def design_folder(path: Path) -> Path:
    """Return the packed design in `path`: the folder itself, or one in a build folder.

    Raises:
        ConfigError: there is none.
    """
    places = [path, *sorted(file.parent for file in path.glob(f"*/{HEADER}"))]
    for place in places:
        if (place / HEADER).is_file():
            return place
    raise ConfigError(
        "holds no packed design",
        where=str(path),
        fix="name the folder that `rmsmp-hls build -o` was given, or its packed design",
    )


def simulate_cycles(
    path: Path, board: Board, clock_mhz: float | None, images: int, *, ideal: bool = False
) -> CyclesOutcome:
    """Simulate the deployed program of a build folder or packed design.

    Args:
        path: the folder.
        board: whose memory it is.
        clock_mhz: the clock; the board's default otherwise.
        images: one behind the other, 1 .. MOST_IMAGES.
        ideal: take a memory without latency and limits.

    Raises:
        ConfigError: there is no design, or a number is out of range.
        ArtefactError: the design is damaged.
    """
    clock = clock_mhz or board.clock_mhz
    if not 1 <= images <= MOST_IMAGES:
        raise ConfigError(f"{images} images", where="--images", fix=f"give 1 .. {MOST_IMAGES}")
    if not 1 <= clock <= 10_000:
        raise ConfigError(f"{clock:g} MHz", where="--clock-mhz", fix="give 1 .. 10000")
    design = load_design(design_folder(path))
    machine = ideal_machine(design.array) if ideal else board_machine(design.array, board, clock)
    count = simulate_design(design, machine, images)
    return CyclesOutcome(design, board, clock, ideal, machine, count)


def operation_cycles(
    records: tuple[OpCycles, ...], ops: tuple[OpSummary, ...]
) -> tuple[OperationCycles, ...]:
    """Return the sums of records by operation; `ops` are the design's, by number."""
    found: dict[int, list[OpCycles]] = {}
    for record in records:
        found.setdefault(record.operation, []).append(record)
    return tuple(_sum(own, ops[number]) for number, own in found.items())


def _sum(own: list[OpCycles], op: OpSummary) -> OperationCycles:
    stalls: dict[str, int] = {}
    for record in own:
        for cause, cycles in record.stalls:
            stalls[cause] = stalls.get(cause, 0) + cycles
    computing = [r for r in own if r.opcode not in ("SAVE", "RESTORE")] or own
    return OperationCycles(
        name=op.module if op.opcode == "MATMUL" and op.module else op.name,
        opcode=computing[0].opcode,
        cycles=sum(record.cycles for record in own),
        iterations=sum(record.iterations for record in own),
        busy=sum(record.busy for record in own),
        overhead=sum(record.fill + record.fetch for record in own),
        stalls=tuple(stalls.items()),
    )
