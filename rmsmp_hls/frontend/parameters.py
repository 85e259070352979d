"""The parameters of a float network: taken from a state_dict, and checked against it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.ir.float_ops import BatchNorm, Conv2d, FloatOp, Linear
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import ConstTensor

_FLOATS = (torch.float32, torch.float64)
_BY_HAND = "load or train real weights before this step"


@dataclass(frozen=True, slots=True)
class Reading:
    """One operation's use of a parameter.

    Attributes:
        key: of the state_dict.
        op: reads it.
        shapes: that it may have; of a 1-D convolution with and without height.
    """

    key: str
    op: FloatOp
    shapes: tuple[tuple[int, ...], ...]


def parameter_readings(graph: FloatGraph) -> tuple[Reading, ...]:
    """Return who reads which parameter, in order; tied weights have several readers."""
    found: list[Reading] = []
    sizes = {op.name: op.shape for op in graph}
    for op in graph:
        source = sizes[op.inputs[0]] if op.inputs else ()
        if isinstance(op, Conv2d):
            taps = (op.shape[0], source[0] // op.groups)
            height, width = op.window.kernel
            flat = ((*taps, width),) if height == 1 and source[1] == 1 else ()
            found.append(Reading(op.weight, op, ((*taps, height, width), *flat)))
        elif isinstance(op, Linear):
            found.append(Reading(op.weight, op, ((op.shape[0], source[0]),)))
        vectors: tuple[str, ...] = ()
        if isinstance(op, (Conv2d, Linear)):
            vectors = (op.bias,)
        elif isinstance(op, BatchNorm):
            vectors = (op.weight, op.bias, op.running_mean, op.running_var)
        found += [Reading(key, op, ((op.shape[0],),)) for key in vectors if key]
    return tuple(found)


def bind_constants(
    graph: FloatGraph, state: Mapping[str, Tensor], float32: bool = False
) -> dict[str, ConstTensor]:
    """Return the arrays that `graph` reads, from a state_dict.

    Args:
        graph: without constants.
        state: float32 or float64 tensors.
        float32: convert all to float32.

    Raises:
        ModelImportError: a parameter is missing, of another shape or type, empty, NaN or
            infinite (all are listed, with their layers).
    """
    constants: dict[str, ConstTensor] = {}
    findings: list[RmsmpError] = []
    for reading in parameter_readings(graph):
        key, tensor = reading.key, state.get(reading.key)
        if float32 and isinstance(tensor, Tensor) and tensor.dtype == torch.float64:
            tensor = tensor.float()
        problem = _problem(tensor, reading.shapes)
        if problem:
            where = f"layer {reading.op.module or reading.op.name!r}"
            findings.append(ModelImportError(f"{key!r} {problem[0]}", where=where, fix=problem[1]))
        elif key not in constants:
            assert tensor is not None
            constants[key] = ConstTensor(tensor.detach().cpu().numpy())
    findings += _bad_variances(graph, constants)
    if findings:
        raise ModelImportError.gather(findings)
    return constants


def _problem(tensor: object, shapes: tuple[tuple[int, ...], ...]) -> tuple[str, str] | None:
    if tensor is None:
        return "is missing from the parameters", "save the model again"
    if not isinstance(tensor, Tensor):
        return f"is a {type(tensor).__name__}, not a tensor", "save the model again"
    if tensor.dtype not in _FLOATS or tensor.layout != torch.strided:
        return f"is of type {tensor.dtype}", "convert the model to float32: model.float()"
    if tuple(tensor.shape) not in shapes:
        return f"has shape {list(tensor.shape)}, not {list(shapes[0])}", "save the model again"
    if tensor.numel() == 0:
        return "is empty", "remove the layer: it computes nothing"
    bad = int((~torch.isfinite(tensor)).sum())
    if bad:
        return f"holds {bad} values that are NaN or infinite", _BY_HAND
    return None


def _bad_variances(graph: FloatGraph, constants: Mapping[str, ConstTensor]) -> list[RmsmpError]:
    findings: list[RmsmpError] = []
    for op in graph.of_type(BatchNorm):
        assert isinstance(op, BatchNorm)
        variance = constants.get(op.running_var)
        if variance is not None and bool(np.any(np.asarray(variance.array) + op.eps <= 0)):
            findings.append(
                ModelImportError(
                    f"{op.running_var!r} holds a variance that is not positive",
                    where=f"layer {op.module or op.name!r}",
                    fix=_BY_HAND,
                )
            )
    return findings


def macs_per_image(graph: FloatGraph) -> int:
    """Return the multiply-accumulates of all convolutions and linear layers for one image."""
    total = 0
    for op in graph:
        if isinstance(op, (Conv2d, Linear)):
            total += math.prod(graph.constants[op.weight].shape) * math.prod(op.shape[1:])
    return total
