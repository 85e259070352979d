"""Counting: LUTs of memories, route-through LUTs, kinds that are unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rmsmp_hls.errors import ToolError
from rmsmp_hls.rtl.count import Counts, count_netlist


def _netlist(folder: Path, cells: list[tuple[str, dict[str, list[Any]]]]) -> Path:
    path = folder / "netlist.json"
    named = {f"c{i}": {"type": kind, "connections": pins} for i, (kind, pins) in enumerate(cells)}
    path.write_text(json.dumps({"modules": {"top": {"cells": named}}}))
    return path


def test_what_counts(tmp_path: Path) -> None:
    """LUTs of every kind, memories by their LUTs, one LUT per select that a register drives."""
    cells = [
        ("LUT3", {}), ("LUT6_2", {}), ("INV", {}), ("GND", {}), ("RAM32M", {}), ("RAM32M16", {}),
        ("SRL16E", {}), ("DSP48E1", {}), ("FDRE", {"Q": [7]}), ("FDSE", {"Q": [8]}),
        ("CARRY4", {"S": [7, 9, 8, "0"]}), ("CARRY8", {"S": [9] * 8}),
    ]  # fmt: skip
    counted = count_netlist(_netlist(tmp_path, cells), "top")
    assert counted == Counts(lut=3 + 4 + 8 + 1 + 2, lutram=13, ff=2, carry=2, dsp=1)


def test_unknown_cells_are_no_silent_zero(tmp_path: Path) -> None:
    """A kind that is not counted stops the measurement."""
    with pytest.raises(ToolError, match="unknown kinds: RAMB18E1"):
        count_netlist(_netlist(tmp_path, [("RAMB18E1", {})]), "top")
