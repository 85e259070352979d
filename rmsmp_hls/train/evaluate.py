"""What the training model computes in evaluation mode, rebuilt from its saved form.

The build compares the integer network with this; nothing of the original torch module is
needed, only the float network and the formats and scales.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rmsmp_hls.errors import QuantizationError
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.quant.params import QuantParams
from rmsmp_hls.quant.placement import QuantPlan, plan_of
from rmsmp_hls.train.constants import constant_tensors
from rmsmp_hls.train.execute import Run
from rmsmp_hls.train.state import ActivationQuantizer, QuantState, RowQuantizer

_BATCH = 64
_BATCH_NUMBERS = 1 << 25  # numbers of all tensors together that a batch may have
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """Results on N images.

    Attributes:
        codes: tensor or narrow -> integers [N, C, H, W] (int16; logits: int32 accumulators).
        top1: int64 [N], largest logit (lowest index on a tie); None if the network's
            result is no vector.
        float_correct, quantized_correct: right answers of the float and of the
            fake-quantized network; None without labels or top-1.
    """

    codes: Mapping[str, npt.NDArray[np.integer]]
    top1: npt.NDArray[np.int64] | None
    float_correct: int | None
    quantized_correct: int | None


def evaluate(
    graph: FloatGraph,
    params: QuantParams,
    inputs: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Run the float and the fake-quantized network.

    Args:
        graph: the float network with its constants.
        params: formats and scales of all its layers and tensors.
        inputs: float [N, C, H, W] or [N, F], N >= 1.
        labels: classes [N].
        progress: called with (text, images done, images in all).

    Raises:
        QuantizationError: formats or scales are missing.
        LoweringError: operations stand where they cannot be quantized.
    """
    plan = plan_of(graph, params)
    state = quantizers_of(graph, plan, params)
    constants = constant_tensors(graph)
    codes: dict[str, list[npt.NDArray[np.integer]]] = {}
    floats: list[Tensor] = []
    results: list[Tensor] = []
    size = images_per_batch(graph)
    with torch.no_grad():
        for start in range(0, len(inputs), size):
            batch = torch.from_numpy(np.array(inputs[start : start + size], dtype=np.float32))
            found: dict[str, Tensor] = {}
            plain = Run(graph, plan, constants.get)
            fake = Run(graph, plan, constants.get, state=state, codes=found)
            floats.append(plain(batch.to(_type_of(constants))))
            results.append(fake(batch.double()))
            for name, tensor in found.items():
                codes.setdefault(name, []).append(_integers(tensor, name == plan.logits.tensor))
            if progress is not None:
                done = min(start + size, len(inputs))
                progress("fake-quantized network", done, len(inputs))
    joined = {name: np.concatenate(parts) for name, parts in codes.items()}
    result = torch.cat(results)
    if result[0].numel() != result.shape[1]:
        return Evaluation(joined, None, None, None)
    top1 = result.flatten(1).argmax(1).numpy()
    if labels is None:
        return Evaluation(joined, top1, None, None)
    float_top1 = torch.cat(floats).flatten(1).argmax(1).numpy()
    return Evaluation(joined, top1, int((float_top1 == labels).sum()), int((top1 == labels).sum()))


def images_at_once(graph: FloatGraph) -> int:
    """Return how many images may be run at once where no tensor is kept longer than it is read."""
    widest = max(math.prod(op.shape) for op in graph)
    return max(images_per_batch(graph), min(_BATCH, 2 * _BATCH_NUMBERS // (3 * widest)))


def images_per_batch(graph: FloatGraph) -> int:
    """Return how many images may be run at once, 1..64, so that memory stays bounded."""
    per_image = sum(math.prod(op.shape) for op in graph)
    return max(1, min(_BATCH, _BATCH_NUMBERS // per_image))


def count_correct(
    graph: FloatGraph,
    params: QuantParams,
    inputs: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    *,
    quantized: bool,
    progress: Progress | None = None,
) -> int | None:
    """Return the right answers of the float or of the quantized network, keeping no tensors.

    Args:
        graph, params, inputs, labels, progress: as in `evaluate`.
        quantized: which of the two.

    Returns:
        None if the network's result is no vector.
    """
    plan = plan_of(graph, params)
    state = quantizers_of(graph, plan, params) if quantized else None
    constants = constant_tensors(graph)
    dtype = torch.float64 if quantized else _type_of(constants)
    size, correct = images_per_batch(graph), 0
    with torch.no_grad():
        for start in range(0, len(inputs), size):
            batch = torch.from_numpy(np.array(inputs[start : start + size])).to(dtype)
            run = Run(graph, plan, constants.get, state=state)
            result = run(batch)
            if result[0].numel() != result.shape[1]:
                return None
            answers = result.flatten(1).argmax(1).numpy()
            correct += int((answers == labels[start : start + size]).sum())
            if progress is not None:
                done = min(start + size, len(inputs))
                progress("validation", done, len(inputs))
    return correct


def quantizers_of(graph: FloatGraph, plan: QuantPlan, params: QuantParams) -> QuantState:
    """Return quantizers with exactly the given formats and (float64) scales.

    Raises:
        QuantizationError: a layer or tensor has no parameters (all are listed).
    """
    names = [quantizer.name for quantizer in plan.quantizers]
    layers = [op for op in graph if isinstance(op, (Conv2d, Linear))]
    missing = [f"tensor {name!r}" for name in names if name not in params.activations]
    missing += [f"layer {op.name!r}" for op in layers if op.name not in params.rows]
    if missing:
        findings = [QuantizationError("has no formats", where=where) for where in missing]
        raise QuantizationError.gather(findings)
    activations = {}
    for name in names:
        form = params.activations[name]
        activations[name] = ActivationQuantizer(form.bits, form.signed, form.narrow).double()
        activations[name].calibrate(form.scale, form.signed)
    rows = {}
    for op in layers:
        known = params.rows[op.name]
        rows[op.name] = RowQuantizer(op.shape[0], torch.device("cpu")).double()
        rows[op.name].load(known.formats, torch.from_numpy(np.array(known.scales.array)))
    state = QuantState(activations, rows)
    state.multiplier_terms = params.multiplier_terms
    return state


def _integers(tensor: Tensor, accumulators: bool) -> npt.NDArray[np.integer]:
    whole = tensor.round().to(torch.int32 if accumulators else torch.int16)
    image = whole if whole.dim() == 4 else whole.reshape(*whole.shape, 1, 1)
    array: npt.NDArray[np.integer] = image.numpy()
    return array


def _type_of(constants: Mapping[str, Tensor]) -> torch.dtype:
    return next((tensor.dtype for tensor in constants.values()), torch.float32)
