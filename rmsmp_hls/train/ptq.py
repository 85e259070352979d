"""Post-training quantization: a float network and some images -> formats, scales, new biases.

In this order: scales of the activations and the rows' sensitivity (one pass of the float
network), formats and scales of the rows, biases, and what all that cost (one pass of both).

What there is nothing to learn from is defined: a tensor that is zero on all images gets the scale
1 / (largest code); a row of zeros gets scale 1 and stays zero; a batch norm channel of variance
zero has gain 1 / sqrt(eps), like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.placement import QuantPlan, place_quantizers
from rmsmp_hls.quant.rows import assign_formats
from rmsmp_hls.train.bias import correct_biases
from rmsmp_hls.train.calibrate import Method, Observer, check_method, set_scales
from rmsmp_hls.train.evaluate import images_per_batch
from rmsmp_hls.train.execute import Run
from rmsmp_hls.train.fidelity import Comparison, Fidelity
from rmsmp_hls.train.ratio import Ratio
from rmsmp_hls.train.sensitivity import RowErrors
from rmsmp_hls.train.settings import checked_settings
from rmsmp_hls.train.state import ActivationQuantizer, QuantState, RowQuantizer
from rmsmp_hls.train.watched import WatchedRun

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PtqResult:
    """A quantized network, and what quantizing it cost on the calibration images.

    Attributes:
        graph: the float network; its biases are corrected if that was asked for.
        params: formats and scales.
        layers: every tensor of codes against the same tensor of the original float network, in
            order; differences of earlier layers are included.
        output: the network's result.
        top1_agreement: share of images whose largest logit is the float network's, 0..1; None
            if the result is no vector of at least two.
        images: how many there were.
    """

    graph: FloatGraph
    params: QuantParams
    layers: tuple[Fidelity, ...]
    output: Fidelity
    top1_agreement: float | None
    images: int


def post_training_quantize(
    graph: FloatGraph,
    inputs: npt.NDArray[np.generic],
    *,
    ratio: Ratio = "65:30:5",
    codebook: str = "SP2-4",
    activation_bits: int = 4,
    residual_bits: int = 8,
    input_bits: int = 8,
    method: Method = "mse",
    percentile: float = 99.9,
    bias_correction: bool = True,
    progress: Progress | None = None,
) -> PtqResult:
    """Quantize a trained float network without training.

    Args:
        graph: the float network, its constants bound.
        inputs: images [N, C, H, W] (or [N, F]), N >= 1, finite numbers of any real type.
        ratio: shares of rows shift-add : Fixed-4 : Fixed-8, in every layer.
        codebook: of the shift-add rows.
        activation_bits, residual_bits, input_bits: widths, 2..8.
        method, percentile: how activation scales are chosen, as in `calibrate`.
        bias_correction: whether mean errors are taken out of the biases. One batch of images
            serves for that (64, fewer if they are large).
        progress: called with (text, images done, images in all).

    Raises:
        ConfigError: unknown codebook, method, impossible ratio, width or percentile.
        LoweringError: operations stand where they cannot be quantized (all are listed).
        QuantizationError: the images do not fit or are not finite, or the network makes NaN or
            infinity of them.
    """
    widths = (activation_bits, residual_bits, input_bits)
    shift_add, shares = checked_settings(codebook, ratio, widths)
    check_method(method, percentile)
    _check_inputs(inputs, graph.input.shape)
    plan = place_quantizers(
        graph, activation_bits=activation_bits, residual_bits=residual_bits, input_bits=input_bits
    )
    state, constants = _state(graph, plan), _tensors(graph)
    batches = _Batches(graph, inputs, progress)
    errors = RowErrors(graph, plan, state, constants)
    observers: dict[str, Observer] = {}

    def observe(name: str, value: Tensor) -> None:
        observers.setdefault(plan.quantizer_of(name), Observer()).see(value)

    with torch.no_grad():
        for batch in batches.walk("calibration"):
            WatchedRun(
                graph, plan, constants.get, lambda _: None, training=False, observe=observe,
                watch=errors.see,
            )(batch)  # fmt: skip
    set_scales(state, observers, graph.input.name, method, percentile)
    _assign(graph, state, errors.sums, shares, shift_add, constants)
    corrected = correct_biases(graph, plan, state, batches.first()) if bias_correction else graph
    layers, output, agreement = _compare(graph, corrected, plan, state, batches)
    params = _params(plan, state, graph, shares, shift_add, widths)
    return PtqResult(corrected, params, layers, output, agreement, len(inputs))


class _Batches:
    """The images in batches that fit the memory, in the network's type."""

    def __init__(
        self, graph: FloatGraph, inputs: npt.NDArray[np.generic], progress: Progress | None
    ) -> None:
        self.inputs, self.progress = inputs, progress
        self.size = images_per_batch(graph)
        types = [c.array.dtype for c in graph.constants.values()]
        self.dtype = types[0] if types else np.dtype(np.float32)

    def first(self) -> Tensor:
        return torch.from_numpy(np.array(self.inputs[: self.size], dtype=self.dtype))

    def walk(self, text: str) -> Iterator[Tensor]:
        for start in range(0, len(self.inputs), self.size):
            stop = min(start + self.size, len(self.inputs))
            yield torch.from_numpy(np.array(self.inputs[start:stop], dtype=self.dtype))
            if self.progress is not None:
                self.progress(text, stop, len(self.inputs))


def _check_inputs(inputs: npt.NDArray[np.generic], shape: tuple[int, ...]) -> None:
    wanted = f"[N, {', '.join(map(str, shape))}] with N >= 1"
    if not isinstance(inputs, np.ndarray) or inputs.dtype.kind not in "fiub":
        found = inputs.dtype if isinstance(inputs, np.ndarray) else type(inputs).__name__
        what = f"are {found}, not an array of real numbers"
    elif inputs.shape[1:] != shape or len(inputs) == 0 or inputs.ndim != len(shape) + 1:
        what = f"have shape {list(inputs.shape)}, the network takes {wanted}"
    elif inputs.dtype.kind == "f" and (bad := _not_finite(inputs)):
        what = f"hold NaN or infinity in {bad} of {len(inputs)} images"
    else:
        return
    raise QuantizationError(
        what, where="calibration images", fix=f"give finite numbers {wanted}, as in training"
    )


def _not_finite(inputs: npt.NDArray[np.generic]) -> int:
    """Return how many images are not finite in float32, the type they are computed in."""
    with np.errstate(over="ignore"):
        return sum(not np.isfinite(image.astype(np.float32)).all() for image in inputs)


def _tensors(graph: FloatGraph) -> dict[str, Tensor]:
    return {key: torch.from_numpy(c.array.copy()) for key, c in graph.constants.items()}


def _state(graph: FloatGraph, plan: QuantPlan) -> QuantState:
    """Return quantizers whose rows all are Fixed-4, fitted to the weights."""
    activations = {q.name: ActivationQuantizer(q.bits, q.signed).double() for q in plan.quantizers}
    rows = {}
    for op in graph.of_type(Conv2d, Linear):
        assert isinstance(op, (Conv2d, Linear))
        rows[op.name] = RowQuantizer(op.shape[0], torch.device("cpu")).double()
        try:
            rows[op.name].fit(torch.from_numpy(graph.constants[op.weight].array.copy()))
        except QuantizationError as error:
            where = f"layer {op.module or op.name!r}"
            raise QuantizationError(error.what, where=where, fix="train the layer again") from error
    return QuantState(activations, rows)


def _assign(
    graph: FloatGraph,
    state: QuantState,
    errors: dict[str, Tensor],
    shares: tuple[float, float, float],
    shift_add: str,
    constants: dict[str, Tensor],
) -> None:
    for op in graph.of_type(Conv2d, Linear):
        assert isinstance(op, (Conv2d, Linear))
        weight = constants[op.weight]
        variance = weight.flatten(1).double().var(dim=1, unbiased=False).numpy()
        formats = assign_formats(errors[op.name].numpy(), variance, shares, shift_add)
        state.row(op.name).assign(formats, weight)


def _compare(
    graph: FloatGraph,
    corrected: FloatGraph,
    plan: QuantPlan,
    state: QuantState,
    batches: _Batches,
) -> tuple[tuple[Fidelity, ...], Fidelity, float | None]:
    """Run the original float network and the quantized one side by side."""
    plain, quantized = _tensors(graph), _tensors(corrected)
    found: dict[str, Comparison] = {}
    result, agree = Comparison(), 0
    with torch.no_grad():
        for batch in batches.walk("comparison"):
            floats: dict[str, Tensor] = {}
            codes: dict[str, Tensor] = {}
            want = Run(
                graph, plan, plain.get, lambda _: None, training=False, observe=floats.__setitem__
            )(batch)
            got = Run(
                corrected, plan, quantized.get, lambda _: None, training=False, state=state,
                codes=codes,
            )(batch.double())  # fmt: skip
            for name, value in floats.items():
                scale = state.activation(plan.quantizer_of(name)).scale()
                found.setdefault(name, Comparison()).see(value, codes[name] * scale)
            result.see(want, got)
            agree += int((want.flatten(1).argmax(1) == got.flatten(1).argmax(1)).sum())
    layers = tuple(
        found[name].fidelity(name, graph.op(head), "narrow copy" if narrow else "")
        for name, (head, narrow) in _heads(graph, plan).items()
    )
    output = result.fidelity(graph.output, graph.op(plan.logits.head))
    shape = graph.op(graph.output).shape
    vector = math.prod(shape) == shape[0] and shape[0] > 1
    return layers, output, agree / len(batches.inputs) if vector else None


def _heads(graph: FloatGraph, plan: QuantPlan) -> dict[str, tuple[str, bool]]:
    """Return quantized tensor -> (operation that makes it, whether it is a narrow copy), each
    narrow copy behind its source."""
    heads: dict[str, tuple[str, bool]] = {}
    for op in graph:
        point, narrow = plan.point(op.name), plan.narrow_of(op.name)
        if point is not None:
            heads[op.name] = point.head, False
        if narrow is not None:
            heads[narrow.name] = point.head if point else op.name, True
    return heads


def _params(
    plan: QuantPlan,
    state: QuantState,
    graph: FloatGraph,
    shares: tuple[float, float, float],
    shift_add: str,
    widths: tuple[int, int, int],
) -> QuantParams:
    rows = {}
    for op in graph.of_type(Conv2d, Linear):
        quantizer = state.row(op.name)
        rows[op.name] = RowParams(
            quantizer.names, ConstTensor(quantizer.scales().detach().cpu().numpy())
        )
    activations = {q.name: state.activation(q.name).format() for q in plan.quantizers}
    return QuantParams(activations, rows, shares, shift_add, *widths)
