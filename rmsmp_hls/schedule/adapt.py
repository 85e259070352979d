"""An array with some fields set by hand: what follows from them is chosen again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from rmsmp_hls.hw.array import LUTRAM_DEPTH, ArrayShape
from rmsmp_hls.hw.cycles import ceil_div
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.schedule.allocate import allocate_arrangement
from rmsmp_hls.schedule.arrange import Arrangement, arrange

RAM_DEPTH = 4096
"""Words of a RAMB18 that is four bits wide."""


def activation_depth(arrangement: Arrangement, output: str) -> int:
    """Return the depth that holds all tensors of a network with result `output` at their time,
    rounded up to what the memories hold anyway: LUT RAM of 32 or 64 words, RAMB18 of 4096 x 4."""
    depth = max(1, allocate_arrangement(arrangement, output)[1])
    if depth <= LUTRAM_DEPTH:
        return ceil_div(depth, 32) * 32
    return ceil_div(depth, RAM_DEPTH) * RAM_DEPTH


def adapt_array(graph: IntGraph, array: ArrayShape, given: Mapping[str, int]) -> ArrayShape:
    """Return `array` with the fields of `given`; those that depend on them and are not given
    (banks, drain rows, vector lanes, activation depth) are fitted.

    Raises:
        ConfigError: the hardware cannot have this shape.
    """
    values = {field.name: getattr(array, field.name) for field in fields(array)} | dict(given)
    rows = values["shift_add_lanes"] + values["fixed4_lanes"] + values["fixed8_lanes"]
    channels, pixels = values["channels"], values["pixels"]
    if "banks" not in given:
        values["banks"] = max(values["banks"], 1 << max(0, pixels - 1).bit_length())
    if "drain_rows" not in given:
        most = max(1, min(values["drain_rows"], channels))
        values["drain_rows"] = next((n for n in range(most, 0, -1) if rows % n == 0), 1)
    if "vector_lanes" not in given:
        values["vector_lanes"] = max(4, min(values["vector_lanes"], channels))
    if "activation_depth" not in given and channels >= 1 and values["banks"] >= 1:
        values["activation_depth"] = activation_depth(
            arrange(graph, channels, values["banks"]), graph.output
        )
    return ArrayShape(**values)
