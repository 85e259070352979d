"""Bias correction: the mean error that quantization gives a channel is taken out of its bias.

Layer after layer, in the order of the network, so that a layer is corrected for the inputs it
really gets: the mean over images and positions of (quantized - float) output, behind the layer's
batch norm, of every channel. Few images give a noisy mean; it is shrunk by the positive-part
James-Stein factor max(0, 1 - se^2 / mean^2), se being its standard error over the images; of one
image nothing is corrected.

Source: Nagel et al. 2019 (arXiv 1906.04721), the empirical bias correction; the shrinking is ours.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rmsmp_hls.ir.float_ops import BatchNorm, Conv2d, FloatOp, Linear
from rmsmp_hls.ir.graph import FloatGraph, Graph
from rmsmp_hls.ir.types import ConstTensor
from rmsmp_hls.quant.placement import QuantPlan
from rmsmp_hls.train.constants import constant_tensors
from rmsmp_hls.train.state import QuantState
from rmsmp_hls.train.watched import WatchedRun

Shifts = dict[str, Tensor]
"""Affine tail (convolution, linear layer or its batch norm) -> what to add to it, [C]."""


def affine_tails(plan: QuantPlan) -> dict[str, str]:
    """Return head -> the operation whose result still is affine in the head's sums."""
    chains = {point.head: point.batchnorm or point.head for point in plan.points}
    return chains | {plan.logits.head: plan.logits.batchnorm or plan.logits.head}


def correct_biases(
    graph: FloatGraph, plan: QuantPlan, state: QuantState, images: Tensor
) -> FloatGraph:
    """Return the float network with corrected biases; its weights are untouched.

    The shift goes into the bias of the batch norm or, without one, of the layer; a bias is
    added where there is none, and copied first where other operations read it too.

    Args:
        graph: the float network.
        plan: where its quantizers are.
        state: the quantizers, with their scales.
        images: [N, ...]; all are run at once.
    """
    return add_to_outputs(graph, _shifts(graph, plan, state, images))


def _shifts(graph: FloatGraph, plan: QuantPlan, state: QuantState, images: Tensor) -> Shifts:
    heads = {op.name for op in graph.of_type(Conv2d, Linear)}
    tails = {tail for head, tail in affine_tails(plan).items() if head in heads}
    constants = constant_tensors(graph)
    means: dict[str, Tensor] = {}
    shifts: Shifts = {}

    def note(op: FloatOp, _: list[Tensor], made: Tensor) -> Tensor:
        if op.name in tails:
            means[op.name] = _per_image(made)
        return made

    def correct(op: FloatOp, _: list[Tensor], made: Tensor) -> Tensor:
        if op.name not in tails:
            return made
        shifts[op.name] = -_shrunk(_per_image(made) - means[op.name])
        return made + shifts[op.name].reshape(1, -1, *[1] * (made.dim() - 2))

    with torch.no_grad():
        for watch, quantizers in ((note, None), (correct, state)):
            run = WatchedRun(graph, plan, constants.get, state=quantizers, watch=watch)
            run(images.double() if quantizers else images)
    return shifts


def _per_image(value: Tensor) -> Tensor:
    """Return the mean over positions, float64 [N, C]."""
    return value.double().flatten(2).mean(2) if value.dim() > 2 else value.double()


def _shrunk(errors: Tensor) -> Tensor:
    """Return the mean error [C] of [N, C], less what may be chance."""
    mean = errors.mean(0)
    if len(errors) == 1:
        return torch.zeros_like(mean)  # one image cannot tell what is chance
    error = errors.var(0, unbiased=True) / len(errors)
    kept = torch.where(mean == 0, torch.zeros_like(mean), 1 - error / (mean * mean))
    return mean * kept.clamp(min=0.0)


def add_to_outputs(graph: FloatGraph, shifts: Shifts) -> FloatGraph:
    """Return `graph` with shifts [C] added to the results of the named operations."""
    constants = dict(graph.constants)
    uses = [key for op in graph for key in parameter_keys(op)]
    ops: list[FloatOp] = []
    for op in graph:
        shift = shifts.get(op.name)
        if shift is not None and bool((shift != 0).any()):
            assert isinstance(op, (Conv2d, Linear, BatchNorm)), op.name
            shared = op.bias and uses.count(op.bias) > 1
            key = op.bias if op.bias and not shared else fresh_key(f"{op.name}.bias", constants)
            constants[key] = _sum(constants.get(op.bias), shift.numpy(), _type(op, constants))
            op = replace(op, bias=key)
        ops.append(op)
    read = {key for op in ops for key in parameter_keys(op)}
    kept = {key: value for key, value in constants.items() if key in read}
    return Graph(graph.level, tuple(ops), graph.output, kept)


def parameter_keys(op: FloatOp) -> list[str]:
    """Return the state_dict keys that an operation reads."""
    if isinstance(op, BatchNorm):
        keys = [op.weight, op.bias, op.running_mean, op.running_var]
    elif isinstance(op, (Conv2d, Linear)):
        keys = [op.weight, op.bias]
    else:
        keys = []
    return [key for key in keys if key]


def _type(op: FloatOp, constants: dict[str, ConstTensor]) -> np.dtype[np.generic]:
    key = op.running_var if isinstance(op, BatchNorm) else parameter_keys(op)[0]
    return constants[key].array.dtype


def _sum(
    old: ConstTensor | None, by: npt.NDArray[np.floating], dtype: np.dtype[np.generic]
) -> ConstTensor:
    before = 0.0 if old is None else np.asarray(old.array, dtype=np.float64)
    return ConstTensor((before + by).astype(dtype))


def fresh_key(name: str, constants: dict[str, ConstTensor]) -> str:
    """Return `name`, with a number behind it if it is taken."""
    number, candidate = 0, name
    while candidate in constants:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
