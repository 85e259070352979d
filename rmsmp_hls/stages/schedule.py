"""schedule: an array is chosen for the board, tensors and rows get their places, all is packed."""

from __future__ import annotations

import dataclasses
from typing import Any

from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cost import check_fits
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.serialize import load_graph
from rmsmp_hls.pack.files import design_files
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.schedule.adapt import adapt_array
from rmsmp_hls.schedule.choose import choose_array
from rmsmp_hls.schedule.predict import predict
from rmsmp_hls.schedule.schedule import make_schedule
from rmsmp_hls.stages.stage import Stage, StageContext, StageResult
from rmsmp_hls.stages.target import (
    SHARE_OPTIONS,
    TARGET_OPTIONS,
    board_file,
    target_board,
    target_clock_mhz,
    target_shares,
)
from rmsmp_hls.timing.machine import board_machine
from rmsmp_hls.timing.simulate import simulate_design

_IMAGES = 2
"""Images that the cycle simulator runs: the first, and one behind it."""


def _array(context: StageContext, graph: IntGraph, board: Board, clock_mhz: float) -> ArrayShape:
    """Choose the array, then apply what the user set by hand."""
    options = context.options
    quantization = context.facts("quantize")
    shares = target_shares(options)
    ratio = tuple(float(share) for share in quantization["ratio"])
    terms = (options.array or {}).get("multiplier_terms", quantization["multiplier_terms"])
    array = choose_array(
        graph,
        board,
        (ratio[0], ratio[1], ratio[2]),
        clock_mhz,
        shares,
        quantization["codebook"],
        terms,
    )
    if options.array:
        array = adapt_array(graph, array, options.array)
        check_fits(array, board, shares)
    return array


def _run(context: StageContext) -> StageResult:
    board = target_board(context.options)
    clock_mhz = target_clock_mhz(context.options, board)
    graph = load_graph(context.path("lower", "int.json"))
    array = _array(context, graph, board, clock_mhz)
    schedule = make_schedule(graph, array)
    prediction = predict(graph, schedule, board, clock_mhz)
    cost = check_fits(array, board, target_shares(context.options))
    facts: dict[str, Any] = {
        "summary": (
            f"{array.shift_add_lanes}+{array.fixed4_lanes}+{array.fixed8_lanes} row lanes x "
            f"{array.channels} channels x {array.pixels} pixels, {prediction.latency_ms:.3g} ms "
            "per image (modelled)"
        ),
        "prediction": dataclasses.asdict(prediction),
        "cost": dataclasses.asdict(cost),
        "board": {
            "name": None if context.options.part else board.name,
            "part": context.options.part or board.part, "lut": board.lut,
            "ff": board.ff, "dsp": board.dsp, "bram36": board.bram36, "uram": board.uram,
            "family": board.family,
        },
    }  # fmt: skip
    design = pack(graph, schedule)
    counted = simulate_design(design, board_machine(array, board, clock_mhz), _IMAGES)
    facts["simulated_cycles"] = {
        "first_image": counted.first_image,
        "steady_image": round(counted.steady_image),
    }
    return StageResult(design_files(design), facts)


SCHEDULE = Stage(
    "schedule", "4_packed", (*TARGET_OPTIONS, *SHARE_OPTIONS, "array"), _run, board_file
)
