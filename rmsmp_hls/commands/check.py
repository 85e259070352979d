"""check: would this network run on this board? Maps everything, builds nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rmsmp_hls.commands.units import MappedOperation, map_operations, not_mapped
from rmsmp_hls.config import BuildOptions
from rmsmp_hls.errors import IrVerificationError, RmsmpError
from rmsmp_hls.frontend.load import LoadedModel, load_model
from rmsmp_hls.hw.array import ArrayShape
from rmsmp_hls.hw.board import Board
from rmsmp_hls.hw.cost import Resources, array_cost
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph, IntGraph
from rmsmp_hls.ir.types import ActFormat, ConstTensor
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.placement import QuantPlan, place_quantizers, plan_of
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.quant.reassign import reassign, restricted
from rmsmp_hls.quant.rows import assign_formats
from rmsmp_hls.schedule.choose import choose_array
from rmsmp_hls.schedule.predict import Prediction, predict
from rmsmp_hls.schedule.schedule import make_schedule
from rmsmp_hls.stages.target import target_board, target_clock_mhz, target_shares

FloatArray = npt.NDArray[np.float64]
DEFAULT_RATIO, DEFAULT_CODEBOOK = (65.0, 30.0, 5.0), "SP2-4"


@dataclass(frozen=True)
class CheckOutcome:
    """What was found; every figure of the array is *modelled*.

    Attributes:
        board: the target.
        clock_mhz: its clock.
        operations: every operation and its unit; empty if the model cannot be read.
        assumed: whether formats and scales are assumptions, as the model carries none.
        array: the array that fits, None if there is none.
        cost: of that array.
        latency_ms: of one image, modelled.
        error: what stands in the way, None if nothing does; its `findings` are all.
        notes: what of the model is left to the host or was changed on purpose.
    """

    board: Board
    clock_mhz: float
    operations: tuple[MappedOperation, ...] = ()
    assumed: bool = False
    array: ArrayShape | None = None
    cost: Resources | None = None
    latency_ms: float | None = None
    error: RmsmpError | None = None
    notes: tuple[str, ...] = ()


def check_model(options: BuildOptions) -> CheckOutcome:
    """Map the model of `options` to the board of `options`.

    Raises:
        ConfigError: the board, or an option, is wrong. What is wrong with the model, or with
            the two together, is in the outcome.
    """
    board = target_board(options)
    clock = target_clock_mhz(options, board)
    try:
        model = load_model(options.model)
    except RmsmpError as error:
        return CheckOutcome(board, clock, error=error)
    outcome = _mapped(model, options, board, clock)
    outcome = replace(outcome, notes=(*model.notes, *outcome.notes))
    return replace(outcome, assumed=model.checkpoint is None)


def _mapped(model: LoadedModel, options: BuildOptions, board: Board, clock: float) -> CheckOutcome:
    try:
        plan, params, lowered = _lowered(model, options)
        operations = map_operations(model.graph, plan, lowered)
    except IrVerificationError:
        raise
    except RmsmpError as error:
        operations = not_mapped(model.graph, error.findings)
        return CheckOutcome(board, clock, operations, error=error)
    try:
        shares = target_shares(options)
        array = choose_array(
            lowered, board, params.ratio, clock, shares, params.codebook, params.multiplier_terms
        )
        schedule = make_schedule(lowered, array)
    except RmsmpError as error:
        return CheckOutcome(board, clock, operations, error=error)
    prediction = predict(lowered, schedule, board, clock)
    return CheckOutcome(
        board,
        clock,
        operations,
        array=array,
        cost=array_cost(array),
        latency_ms=prediction.latency_ms,
        notes=_dram_notes(prediction),
    )


def _dram_notes(prediction: Prediction) -> tuple[str, ...]:
    moving = [op for op in prediction.ops if op.saved + op.restored]
    if not moving:
        return ()
    cycles = sum(op.saved + op.restored for op in moving)
    return (
        f"Not all tensors fit the activation memory: {len(moving)} operations move lines to DRAM "
        f"and back, in {100 * cycles / prediction.iterations:.1f} % of all cycles (modelled).",
    )


def _lowered(model: LoadedModel, options: BuildOptions) -> tuple[QuantPlan, QuantParams, IntGraph]:
    graph = model.graph
    if model.checkpoint is None:
        ratio, book = options.ratio or DEFAULT_RATIO, options.codebook or DEFAULT_CODEBOOK
        params = assumed_params(graph, ratio, codebook(book).name)
    else:
        params = reassign(graph, model.checkpoint.params, options.ratio, options.codebook)
    params = restricted(params, options.multipliers)
    plan = plan_of(graph, params)
    return plan, params, lower(quantize(graph, params))


def assumed_params(
    graph: FloatGraph, ratio: tuple[float, float, float], shift_add: str
) -> QuantParams:
    """Return formats that have the right widths and row mix, with scales that nothing was
    learnt for: activations 1, rows by their largest weight. Good for mapping, not for accuracy.

    Raises:
        LoweringError: operations stand where they cannot be quantized (all are listed).
    """
    plan = place_quantizers(graph)
    activations = {q.name: ActFormat(q.bits, q.signed, 1.0) for q in plan.quantizers}
    rows = {}
    for op in graph.of_type(Conv2d, Linear):
        assert isinstance(op, (Conv2d, Linear))
        weight = np.asarray(graph.constants[op.weight].array)
        largest, variance = _spread(weight)
        formats = assign_formats(largest, variance, ratio, shift_add)
        reach = np.array([codebook(name).max_magnitude for name in formats])
        rows[op.name] = RowParams(formats, ConstTensor(np.where(largest > 0, largest, 1.0) / reach))
    return QuantParams(activations, rows, ratio, shift_add)


def _spread(weight: npt.NDArray[np.floating]) -> tuple[FloatArray, FloatArray]:
    """Return (largest magnitude, variance) of every row [O, ...], in float64 row by row: a large
    layer's copies would fill the memory."""
    pairs = [(np.abs(row).max(), row.var(dtype=np.float64)) for row in weight]
    largest, variance = np.array(pairs, dtype=np.float64).T
    return largest, variance
