"""explore: which designs of a network on a board no other design beats."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rmsmp_hls.commands.check import DEFAULT_CODEBOOK, DEFAULT_RATIO, assumed_params
from rmsmp_hls.config import BuildOptions, Ratio
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
