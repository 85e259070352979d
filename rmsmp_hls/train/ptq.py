"""Post-training quantization: a float network and some images -> formats, scales, new biases.

In this order: channels are equalized, if that is asked for or, on the first batch of images, gives
the nearer result; scales of the activations and the rows' sensitivity (one pass of the float
network); formats and scales of the rows; biases; and what all that cost (one pass of both).

What there is nothing to learn from is defined: a tensor that is zero on all images gets the scale
1 / (largest code); a row of zeros gets scale 1 and stays zero; a batch norm channel of variance
zero has gain 1 / sqrt(eps), like any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.numerics.multipliers import parse_multipliers
from rmsmp_hls.quant.ends import PINNED_FORMAT, SAME, check_policy, pinned_layers
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.placement import QuantPlan, place_quantizers
from rmsmp_hls.train.batches import Batches, Progress, check_inputs
from rmsmp_hls.train.bias import correct_biases
from rmsmp_hls.train.calibrate import Method, Observer, check_method, set_scales
from rmsmp_hls.train.constants import constant_tensors
from rmsmp_hls.train.equalize import equalize as equalize_channels
from rmsmp_hls.train.equalize import find_pairs
from rmsmp_hls.train.execute import Run
from rmsmp_hls.train.fidelity import Comparison, Fidelity
from rmsmp_hls.train.network import Network
from rmsmp_hls.train.power_of_two import parse_scale_values
from rmsmp_hls.train.ratio import Ratio
from rmsmp_hls.train.row_fits import RowFits
from rmsmp_hls.train.scores import layer_formats
from rmsmp_hls.train.sensitivity import RowErrors
from rmsmp_hls.train.settings import checked_settings
from rmsmp_hls.train.state import ActivationQuantizer, QuantState, RowQuantizer
from rmsmp_hls.train.watched import WatchedRun

Equalize = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class Equalization:
    """What became of cross-layer equalization.

    Attributes:
        used: whether the result has equalized channels.
        tensors: activations that can be equalized.
        images: how many both ways were tried on; 0 if there was nothing to choose.
        without_db, with_db: SQNR of the network's result in that trial, whose biases are not
            corrected; None without one.
    """

    used: bool
    tensors: int
    images: int = 0
    without_db: float | None = None
    with_db: float | None = None


@dataclass(frozen=True)
class PtqResult:
    """A quantized network, and what quantizing it cost on the calibration images.

    Attributes:
        graph: the float network, equalized or not; its biases are corrected if that was asked for.
        params: formats and scales.
        layers: every tensor of codes against the same tensor of the float network (equalized, if
            it was: the same function, other scales of channels), in order; differences of earlier
            layers are included.
        output: the network's result.
        top1_agreement: share of images whose largest logit is the float network's, 0..1; None
            if the result is no vector of at least two.
        images: how many there were.
        equalization: whether channels were equalized, and why.
    """

    graph: FloatGraph
    params: QuantParams
    layers: tuple[Fidelity, ...]
    output: Fidelity
    top1_agreement: float | None
    images: int
    equalization: Equalization


@dataclass(frozen=True)
class Settings:
    """Checked settings of a quantization; see `post_training_quantize`."""

    shift_add: str
    shares: tuple[float, float, float]
    widths: tuple[int, int, int]
    method: Method
    percentile: float
    bias_correction: bool
    multiplier_terms: int
    power_of_two_scales: bool
    first_last: str = SAME


def post_training_quantize(
    graph: FloatGraph,
    inputs: npt.NDArray[np.generic],
    *,
    ratio: Ratio = "65:30:5",
    codebook: str = "SP2-4",
    activation_bits: int = 4,
    residual_bits: int = 8,
    input_bits: int = 8,
    first_last: str = SAME,
    method: Method = "mse",
    percentile: float = 99.9,
    bias_correction: bool = True,
    equalize: Equalize = "auto",
    multipliers: str = "exact",
    scale_values: str = "free",
    progress: Progress | None = None,
) -> PtqResult:
    """Quantize a trained float network without training.

    Args:
        graph: the float network, its constants bound.
        inputs: images [N, C, H, W] (or [N, F]), N >= 1, finite numbers of any real type.
        ratio: shares of rows shift-add : Fixed-4 : Fixed-8, in every layer.
        codebook: of the shift-add rows.
        activation_bits, residual_bits, input_bits: widths, 2..8.
        first_last: policy of the first and last layers, as in `prepare`.
        method, percentile: how activation scales are chosen, as in `calibrate`.
        bias_correction: whether mean errors are taken out of the biases. One batch of images
            serves for that (64, fewer if they are large); of a single image nothing is corrected.
        equalize: whether channels are equalized (`train.equalize`): "on", "off", or "auto", which
            quantizes that batch of images both ways and keeps what has the higher SQNR.
        multipliers, scale_values: as in `prepare`.
        progress: called with (text, images or layers done, images or layers in all).

    Raises:
        ConfigError: unknown codebook, policy, method or equalization, impossible ratio, width or
            percentile.
        LoweringError: operations stand where they cannot be quantized (all are listed).
        QuantizationError: the images do not fit or are not finite, or the network makes NaN or
            infinity of them.
    """
    widths = (activation_bits, residual_bits, input_bits)
    shift_add, shares = checked_settings(codebook, ratio, widths)
    check_method(method, percentile)
    if equalize not in ("auto", "on", "off"):
        raise ConfigError(f"unknown equalization {equalize!r}", fix="choose auto, on or off")
    check_inputs(inputs, graph.input.shape)
    settings = Settings(
        shift_add, shares, widths, method, percentile, bias_correction,
        parse_multipliers(multipliers), parse_scale_values(scale_values), check_policy(first_last),
    )  # fmt: skip
    plan = _plan(graph, settings)
    batches, fits = Batches(graph, inputs, progress), RowFits()
    pairs = () if equalize == "off" else find_pairs(graph, plan)
    if not pairs:
        return _quantized(graph, plan, settings, fits, batches, Equalization(False, 0))
    equalized = equalize_channels(graph, plan, batches.first(), pairs)
    if equalize == "on":
        return _quantized(equalized, plan, settings, fits, batches, Equalization(True, len(pairs)))
    return _better(graph, equalized, plan, settings, fits, batches, len(pairs))


def _plan(graph: FloatGraph, settings: Settings) -> QuantPlan:
    bits, residual, first = settings.widths
    return place_quantizers(graph, activation_bits=bits, residual_bits=residual, input_bits=first)


def _better(
    graph: FloatGraph,
    equalized: FloatGraph,
    plan: QuantPlan,
    settings: Settings,
    fits: RowFits,
    batches: Batches,
    tensors: int,
) -> PtqResult:
    """Try both on the first few images; the nearer one then gets all. A tie stays as it is.

    Biases are left out of the trial: few images are soon learned by heart.
    """
    nothing, plain = Equalization(False, tensors), replace(settings, bias_correction=False)
    first = batches.trial("as it is: ")
    without = _quantized(graph, plan, plain, fits, first, nothing)
    first = batches.trial("equalized: ")
    trial = _quantized(equalized, plan, plain, fits, first, nothing)
    before, after = without.output.sqnr_db, trial.output.sqnr_db
    choice = Equalization(after > before, tensors, trial.images, before, after)
    if trial.images == len(batches.inputs) and settings == plain:
        return replace(trial if choice.used else without, equalization=choice)
    return _quantized(equalized if choice.used else graph, plan, settings, fits, batches, choice)


def _quantized(
    graph: FloatGraph,
    plan: QuantPlan,
    settings: Settings,
    fits: RowFits,
    batches: Batches,
    equalization: Equalization,
) -> PtqResult:
    constants = constant_tensors(graph)
    state = _state(graph, plan, fits, batches)
    state.restrict(settings.multiplier_terms, settings.power_of_two_scales)
    sensitivity = _calibrate(graph, plan, state, settings, constants, batches)
    _assign(graph, state, sensitivity, settings, fits, batches)
    corrected = graph
    if settings.bias_correction:
        corrected = correct_biases(graph, plan, state, batches.first())
    layers, output, agreement = _compare(graph, corrected, plan, state, batches)
    params = _params(plan, state, graph, settings)
    images = len(batches.inputs)
    return PtqResult(corrected, params, layers, output, agreement, images, equalization)


def _calibrate(
    graph: FloatGraph,
    plan: QuantPlan,
    state: QuantState,
    settings: Settings,
    constants: dict[str, Tensor],
    batches: Batches,
) -> dict[str, Tensor]:
    """Set the scales of the activations; return layer -> the error of every row, [rows]."""
    scales = {op.name: state.row(op.name).scales().detach() for op in graph.of_type(Conv2d, Linear)}
    errors = RowErrors(Network(graph, plan, constants.get), scales)
    observers: dict[str, Observer] = {}

    def observe(name: str, value: Tensor) -> None:
        observers.setdefault(plan.quantizer_of(name), Observer()).see(value)

    with torch.no_grad():
        for batch in batches.walk("calibration"):
            WatchedRun(graph, plan, constants.get, observe=observe, watch=errors.see)(batch)
    set_scales(state, observers, graph.input.name, settings.method, settings.percentile)
    return errors.sums


def _state(graph: FloatGraph, plan: QuantPlan, fits: RowFits, batches: Batches) -> QuantState:
    """Return quantizers whose rows all are Fixed-4, fitted to the weights."""
    activations = {q.name: ActivationQuantizer(q.bits, q.signed).double() for q in plan.quantizers}
    rows: dict[str, RowQuantizer] = {}
    layers = tuple(graph.of_type(Conv2d, Linear))
    for op in layers:
        assert isinstance(op, (Conv2d, Linear))
        rows[op.name] = RowQuantizer(op.shape[0], torch.device("cpu")).double()
        formats = ("Fixed-4",) * op.shape[0]
        try:
            scales = fits.scales(graph.constants[op.weight], formats)
        except QuantizationError as error:
            where = f"layer {op.module or op.name!r}"
            raise QuantizationError(error.what, where=where, fix=error.fix) from error
        rows[op.name].load(formats, torch.from_numpy(scales))
        batches.tell("row scales", len(rows), len(layers))
    return QuantState(activations, rows)


def _assign(
    graph: FloatGraph,
    state: QuantState,
    errors: dict[str, Tensor],
    settings: Settings,
    fits: RowFits,
    batches: Batches,
) -> None:
    layers, pinned = tuple(graph.of_type(Conv2d, Linear)), pinned_layers(graph, settings.first_last)
    for number, op in enumerate(layers):
        assert isinstance(op, (Conv2d, Linear))
        weight = np.asarray(graph.constants[op.weight].array)
        formats = layer_formats(
            weight, errors[op.name].numpy(), settings.shares, settings.shift_add
        )
        if op.name in pinned:
            formats = (PINNED_FORMAT,) * len(formats)
        scales = fits.scales(graph.constants[op.weight], formats)
        state.row(op.name).load(formats, torch.from_numpy(scales))
        batches.tell("row formats", number + 1, len(layers))


def _compare(
    graph: FloatGraph,
    corrected: FloatGraph,
    plan: QuantPlan,
    state: QuantState,
    batches: Batches,
) -> tuple[tuple[Fidelity, ...], Fidelity, float | None]:
    """Run the original float network and the quantized one side by side."""
    plain, quantized = constant_tensors(graph), constant_tensors(corrected)
    found: dict[str, Comparison] = {}
    result, agree = Comparison(), 0
    with torch.no_grad():
        for batch in batches.walk("comparison"):
            floats: dict[str, Tensor] = {}
            codes: dict[str, Tensor] = {}
            want = Run(graph, plan, plain.get, observe=floats.__setitem__)(batch)
            got = Run(corrected, plan, quantized.get, state=state, codes=codes)(batch.double())
            for name, value in floats.items():
                scale = state.activation(plan.quantizer_of(name)).scale()
                found.setdefault(name, Comparison()).see(value, codes[name] * scale)
            result.see(want, got)
            agree += int((want.flatten(1).argmax(1) == got.flatten(1).argmax(1)).sum())
    forms = {name: state.activation(plan.quantizer_of(name)).format() for name in found}
    layers = tuple(
        found[name].fidelity(name, graph.op(head), forms[name], "narrow copy" if narrow else "")
        for name, (head, narrow) in _heads(graph, plan).items()
    )
    last = plan.logits
    output = result.fidelity(graph.output, graph.op(last.head), forms.get(last.tensor))
    shape = graph.op(graph.output).shape
    vector = math.prod(shape) == shape[0] and shape[0] > 1
    return layers, output, agree / len(batches.inputs) if vector else None


def _heads(graph: FloatGraph, plan: QuantPlan) -> dict[str, tuple[str, bool]]:
    """Return quantized tensor -> (operation that makes it, whether it is a narrow copy), each
    narrow copy behind its source."""
    heads: dict[str, tuple[str, bool]] = {}
    for op in graph:
        point = plan.point(op.name)
        if point is not None:
            heads[op.name] = point.head, False
        for narrow in plan.narrows:
            if narrow.source == op.name:
                heads[narrow.name] = point.head if point else op.name, True
    return heads


def _params(
    plan: QuantPlan,
    state: QuantState,
    graph: FloatGraph,
    settings: Settings,
) -> QuantParams:
    rows = {}
    for op in graph.of_type(Conv2d, Linear):
        quantizer = state.row(op.name)
        rows[op.name] = RowParams(
            quantizer.names, ConstTensor(quantizer.scales().detach().cpu().numpy())
        )
    activations = {q.name: state.activation(q.name).format() for q in plan.quantizers}
    return QuantParams(
        activations, rows, settings.shares, settings.shift_add, *settings.widths,
        settings.multiplier_terms, settings.first_last,
    )  # fmt: skip
