"""Boards as data: what a part holds and what its memory can deliver.

The shipped boards are the YAML files in `rmsmp_hls/hw/boards/`; a user's own file has
the same keys (`rmsmp_hls/hw/board_file.py` checks it). A board file:

    name: my-board
    title: My board            # optional
    part: xczu9eg-ffvb1156-2-e
    device: xczu9eg            # optional: the part up to the package
    family: ultrascale+        # or 7series
    dsp_family: DSP48E2        # or DSP48E1
    lut: 274080
    ff: 548160
    dsp: 2520
    bram36: 912
    uram: 0
    slicem_lut: 144000         # optional: LUTs that can be memory, needed for table lanes
    clock_mhz: 200
    memory_ports: 4
    memory_port_bits: 128
    ddr_gb_per_s: 17.0
    ddr_efficiency: 0.7        # optional, as the two below
    memory_latency_ns: 200
    max_burst_bytes: 4096
    sources: {lut: where the figure is from}   # optional
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from rmsmp_hls.errors import ConfigError
from rmsmp_hls.hw.array import DspFamily
from rmsmp_hls.hw.board_file import PART_RULE, is_part, read_board_fields

_FOLDER = Path(__file__).parent / "boards"

DDR_EFFICIENCY = 0.70
"""Modelled part of the DDR's peak rate that long bursts reach; an assumption, unverified."""

MEMORY_LATENCY_NS = 200.0
"""Modelled time from a burst's request to its first word where a board file does not say; an
assumption, unverified."""

MAX_BURST_BYTES = 4096
"""Most bytes of an AXI4 burst."""


@dataclass(frozen=True, slots=True)
class Board:
    """One board.

    Attributes:
        name: what `--board` takes.
        title: its name in words.
        part: the part string of the tools.
        device: the part without package and speed grade.
        family: "7series" or "ultrascale+".
        dsp_family: the DSP slice.
        lut, ff, dsp, bram36, uram: what the device holds; bram36 in RAMB36.
        clock_mhz: clock used if none is asked for.
        memory_ports: ports from the logic to the processor's DDR.
        memory_port_bits: data width of one port.
        ddr_gb_per_s: peak rate of the DDR, 10^9 bytes per second.
        ddr_efficiency: part of the peak rate that long bursts reach, 0..1; an assumption.
        memory_latency_ns: from a burst's request to its first word; an assumption.
        max_burst_bytes: most bytes that the processor's ports take in a burst.
        slicem_lut: LUTs that lie in SLICEMs and can be memory; 0: not known.
        sources: (key, where its figure is from), for the shipped boards one for every figure.
    """

    name: str
    title: str
    part: str
    device: str
    family: str
    dsp_family: DspFamily
    lut: int
    ff: int
    dsp: int
    bram36: int
    uram: int
    clock_mhz: float
    memory_ports: int
    memory_port_bits: int
    ddr_gb_per_s: float
    ddr_efficiency: float = DDR_EFFICIENCY
    memory_latency_ns: float = MEMORY_LATENCY_NS
    max_burst_bytes: int = MAX_BURST_BYTES
    sources: tuple[tuple[str, str], ...] = ()
    slicem_lut: int = 0

    def source(self, key: str) -> str:
        """Return where the figure `key` is from, "" if the file does not say."""
        return dict(self.sources).get(key, "")


def _read(path: Path) -> Board:
    fields = read_board_fields(path)
    fields["dsp_family"] = DspFamily[str(fields["dsp_family"])]
    return Board(**fields)  # type: ignore[arg-type]


@cache
def boards() -> tuple[Board, ...]:
    """Return the shipped boards, by name."""
    return tuple(_read(path) for path in sorted(_FOLDER.glob("*.yaml")))


def load_board(name_or_path: str) -> Board:
    """Return the shipped board of that name (case does not matter) or the board in a YAML file.

    Whatever ends in `.yaml` or `.yml` or has a path separator is a file.

    Raises:
        ConfigError: there is no such board, or the file is unreadable or wrong; all its
            faults are listed at once.
    """
    for board in boards():
        if board.name == name_or_path.lower():
            return board
    if name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path or "\\" in name_or_path:
        return _read(Path(name_or_path))
    names = [board.name for board in boards()]
    near = difflib.get_close_matches(name_or_path.lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"unknown board {name_or_path[:60]!r}",
        where="--board",
        fix=f"{hint}known: {', '.join(names)}; or give the path of a board file (.yaml)",
    )


def board_for_part(part: str) -> Board:
    """Return a shipped board's figures for `part`, whose device some shipped board has.

    Package and speed grade may differ; the logic is that of the device. Memory ports and
    DDR rate are those of the shipped board, and the sources say so.

    Raises:
        ConfigError: `part` is not a part string, or no shipped board has its device.
    """
    if not is_part(part):
        raise ConfigError(f"{part[:60]!r} is not a part", where="--part", fix=PART_RULE)
    lower = part.lower()
    known = [b for b in boards() if lower.startswith(b.device)]
    exact = [b for b in known if b.part.lower() == lower] or known
    # A device name continues with its package: a further digit would be another device.
    exact = [b for b in exact if not lower[len(b.device) :][:1].isdigit()]
    if not exact:
        devices = sorted({b.device for b in boards()})
        raise ConfigError(
            f"the device of part {part!r} is not known",
            where="--part",
            fix=f"known devices: {', '.join(devices)}; for another one write a board file with "
            "the keys name, part, family, dsp_family, lut, ff, dsp, bram36, uram, clock_mhz, "
            "memory_ports, memory_port_bits, ddr_gb_per_s and pass it: --board FILE.yaml",
        )
    board = exact[0]
    if board.part.lower() == lower:
        return board
    borrowed = ("memory_ports", "memory_port_bits", "ddr_gb_per_s", "clock_mhz")
    sources = tuple(
        (key, f"taken over from board {board.name}: {text}" if key in borrowed else text)
        for key, text in board.sources
        if key != "part"
    )
    return replace(board, name=part, title=f"part {part}", part=part, sources=sources)
