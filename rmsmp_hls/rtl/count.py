"""Count the primitives of a synthesized netlist.

LUTs are counted raw: LUT1..LUT6, LUT6_2 and inverters as one each, the LUTs of memories and shift
registers, and one for every carry-chain select that a flip-flop drives directly (it goes through a
LUT, which yosys does not show). Nothing is merged: two small LUTs that the vendor's tool would
place in one are two here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rmsmp_hls.errors import ToolError

# LUTs of one LUT-memory or shift-register primitive. Sources: UG474, UG574.
_MEMORY_LUTS = {"RAM32M": 4, "RAM32M16": 8, "RAM64M": 4, "RAM64M8": 8, "SRL16E": 1, "SRLC32E": 1}
_FREE = {"GND", "VCC", "BUFG", "$scopeinfo"}
_LUTS = {"INV", "LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "LUT6_2"}
_FLIP_FLOPS = {"FDRE", "FDSE", "FDCE", "FDPE"}
_CARRIES = {"CARRY4", "CARRY8"}
_DSPS = {"DSP48E1", "DSP48E2"}
_OTHERS = {"MUXF7", "MUXF8", "MUXF9"}


@dataclass(frozen=True, slots=True)
class Counts:
    """Primitives of one netlist.

    Attributes:
        lut: raw LUTs of every use, `lutram` included.
        lutram: LUTs that must be in a SLICEM.
        ff: flip-flops.
        carry: CARRY4 or CARRY8.
        dsp: DSP slices.
    """

    lut: int
    lutram: int
    ff: int
    carry: int
    dsp: int


def count_netlist(netlist: Path, top: str) -> Counts:
    """Count the primitives of module `top` in a JSON netlist of yosys.

    Raises:
        ToolError: a cell is of a kind that is not counted here.
    """
    cells: list[dict[str, Any]] = list(
        json.loads(netlist.read_text("utf-8"))["modules"][top]["cells"].values()
    )
    kinds: dict[str, int] = {}
    for cell in cells:
        kinds[cell["type"]] = kinds.get(cell["type"], 0) + 1
    known = _FREE | _LUTS | _FLIP_FLOPS | _CARRIES | _DSPS | _OTHERS | set(_MEMORY_LUTS)
    unknown = sorted(set(kinds) - known)
    if unknown:
        raise ToolError(f"the netlist has cells of unknown kinds: {', '.join(unknown)}", where=top)
    registered = {
        bit for cell in cells if cell["type"] in _FLIP_FLOPS for bit in cell["connections"]["Q"]
    }
    routed = sum(
        bit in registered
        for cell in cells
        if cell["type"] in _CARRIES
        for bit in cell["connections"]["S"]
    )
    memory = sum(count * kinds.get(kind, 0) for kind, count in _MEMORY_LUTS.items())

    def total(of: set[str]) -> int:
        return sum(kinds.get(kind, 0) for kind in of)

    return Counts(
        total(_LUTS) + memory + routed, memory, total(_FLIP_FLOPS), total(_CARRIES), total(_DSPS)
    )
