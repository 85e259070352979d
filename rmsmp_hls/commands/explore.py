"""explore: which designs of a network on a board no other design beats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rmsmp_hls.commands.check import DEFAULT_CODEBOOK, DEFAULT_RATIO, assumed_params
from rmsmp_hls.config import BuildOptions, Ratio, show_ratio
from rmsmp_hls.config.values import ARRAY_KEYS
from rmsmp_hls.explore.front import Resolution
from rmsmp_hls.explore.points import Point, front_points, merged
from rmsmp_hls.frontend.load import LoadedModel, load_model
from rmsmp_hls.hw.board import Board
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.params import QuantParams
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.quant.reassign import reassign, restricted
from rmsmp_hls.quant.weight_sqnr import weight_sqnr_db
from rmsmp_hls.schedule.space import SearchSpace
from rmsmp_hls.stages.calibrated import quantized_model
from rmsmp_hls.stages.stage import ProgressSink
from rmsmp_hls.stages.target import target_board, target_clock_mhz, target_shares

CALIBRATED_RATIOS: tuple[Ratio, ...] = ((65.0, 30.0, 5.0), (35.0, 60.0, 5.0), (60.0, 20.0, 20.0))
"""Ratios that a float network with calibration images is quantized at unless others are asked."""

SCHEMA, VERSION = "rmsmp-hls/explore", 1
SQNR_OF_RESULT = "SQNR of the network's result on the calibration images, after quantization"
SQNR_OF_WEIGHTS = "SQNR of the weights, mean over rows: no image was computed"
NO_PROXY = "not known: formats and scales are assumptions; give --calib"


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was found.

    Attributes:
        board: the target.
        clock_mhz: its clock.
        points: the front, quickest first.
        proxy: what `Point.proxy_db` is.
    """

    board: Board
    clock_mhz: float
    points: tuple[Point, ...]
    proxy: str


@dataclass(frozen=True, slots=True)
class _Variant:
    ratio: Ratio | None
    graph: IntGraph
    params: QuantParams
    proxy_db: float | None


def explore_model(
    options: BuildOptions,
    progress: ProgressSink,
    ratios: tuple[Ratio, ...] = (),
    resolution: Resolution | None = None,
) -> Exploration:
    """Search the designs of the model of `options` on the board of `options`.

    Args:
        options: model, target, shares, quantization; its own `ratio` is not read.
        progress: told the ratios.
        ratios: of the rows; none: the checkpoint's own formats, or `CALIBRATED_RATIOS`.
        resolution: designs that differ by less count as one.

    Raises:
        RmsmpError: the model, the board or the options are wrong, or nothing fits.
    """
    resolution = resolution or Resolution()
    board = target_board(options)
    clock = target_clock_mhz(options, board)
    model = load_model(options.model)
    asked: tuple[Ratio | None, ...] = ratios
    if not ratios:
        asked = CALIBRATED_RATIOS if options.calib else (None,)
    points: list[Point] = []
    for number, ratio in enumerate(asked):
        name = "as quantized" if ratio is None else ":".join(f"{part:g}" for part in ratio)
        progress.step(f"ratio {name}", number, len(asked))
        variant = _variant(model, replace(options, ratio=ratio), progress)
        params = variant.params
        terms = (options.array or {}).get("multiplier_terms", params.multiplier_terms)
        space = SearchSpace(variant.graph, board, params.ratio, clock, params.codebook, terms)
        for point in front_points(space, target_shares(options), resolution):
            points.append(replace(point, ratio=variant.ratio, proxy_db=variant.proxy_db))
    progress.step("ratios", len(asked), len(asked))
    left = merged(points, board, resolution) if len(asked) > 1 else tuple(points)
    proxy = SQNR_OF_RESULT if options.calib else SQNR_OF_WEIGHTS
    if model.checkpoint is None and not options.calib:
        proxy = NO_PROXY
    return Exploration(board, clock, left, proxy)


def _variant(model: LoadedModel, options: BuildOptions, progress: ProgressSink) -> _Variant:
    graph, ratio = model.graph, options.ratio
    proxy: float | None = None
    if model.checkpoint is None and options.calib is None:
        book = codebook(options.codebook or DEFAULT_CODEBOOK).name
        params = assumed_params(graph, ratio or DEFAULT_RATIO, book)
    elif model.checkpoint is None:
        made = quantized_model(model, options, progress)
        graph, params = made.checkpoint.graph, made.checkpoint.params
        proxy = made.facts["quantization"]["output"]["sqnr_db"]
    else:
        quantized_model(model, options, progress)  # refuses calibration images
        params = reassign(graph, model.checkpoint.params, ratio, options.codebook)
        proxy = weight_sqnr_db(graph, params)
    params = restricted(params, options.multipliers)
    return _Variant(ratio, lower(quantize(graph, params)), params, proxy)


def build_options(point: Point) -> tuple[str, ...]:
    """Return the options that make `rmsmp-hls build` take a design: every field of its array."""
    values = [(key, getattr(point.array, key)) for key in ARRAY_KEYS]
    options = [f"--array {key}={value}" for key, value in values]
    if point.ratio is not None:
        options.insert(0, f"--ratio {show_ratio(point.ratio)}")
    return tuple(options)


def exploration_json(found: Exploration, model: str) -> dict[str, Any]:
    """Return what was found as JSON values."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "model": model.encode("utf-8", "backslashreplace").decode("utf-8"),
        "board": found.board.name,
        "clock_mhz": found.clock_mhz,
        "proxy": found.proxy,
        "points": [
            {
                "array": {key: getattr(point.array, key) for key in ARRAY_KEYS},
                "ratio": None if point.ratio is None else list(point.ratio),
                "cycles": point.cycles,
                "latency_ms": point.latency_ms(found.clock_mhz),
                "images_per_second": 1e3 / point.latency_ms(found.clock_mhz),
                "lut": point.cost.lut, "ff": point.cost.ff, "dsp": point.cost.dsp,
                "bram36": point.cost.bram36,
                "proxy_db": point.proxy_db,
                "chosen": point.chosen,
            }
            for point in found.points
        ],
    }  # fmt: skip
