"""An ONNX file -> FloatGraph, and its own quantization where it has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from rmsmp_hls.errors import ModelImportError, RmsmpError
from rmsmp_hls.frontend.fold_pads import fold_pads
from rmsmp_hls.frontend.onnx.advice import advice_for
from rmsmp_hls.frontend.onnx.build import Builder
from rmsmp_hls.frontend.onnx.file import located, read_model
from rmsmp_hls.frontend.onnx.params import params_of
from rmsmp_hls.frontend.onnx.quantizers import absorb_quantizers
from rmsmp_hls.frontend.onnx.values import Half, Quantizer, Scale
from rmsmp_hls.frontend.onnx.walk import walk
from rmsmp_hls.ir.float_ops import BatchNorm, FloatOp, Input
from rmsmp_hls.ir.graph import FloatGraph, Graph, Level
from rmsmp_hls.ir.types import ActFormat
from rmsmp_hls.quant.params import QuantParams

_KEYS = ("weight", "bias", "running_mean", "running_var")
_NONE: Mapping[str, ActFormat] = MappingProxyType({})


@dataclass(frozen=True)
class OnnxNetwork:
    """What a file holds.

    Attributes:
        graph: the network, without quantizers; weights that the file quantizes are their
            values scale * integer.
        params: formats and scales of the file, None if it has none or they do not suffice.
        notes: what the user should know: what is left to the host, what was derived.
    """

    graph: FloatGraph
    params: QuantParams | None
    notes: tuple[str, ...]


def load_onnx(path: str | Path) -> FloatGraph:
    """Read the network of an ONNX or QONNX file; see `read_onnx`."""
    return read_onnx(path).graph


def read_onnx(path: str | Path, calibrated: Mapping[str, ActFormat] = _NONE) -> OnnxNetwork:
    """Read an ONNX (opset 9 to 21) or QONNX file. Nothing in it is executed.

    Parameters are named by the layers; an open batch is taken as 1.

    Args:
        path: the file; external data must lie in its folder.
        calibrated: tensor -> format for tensors that the file does not quantize.

    Raises:
        ModelImportError: the package onnx is missing; the file is damaged, unsafe or too
            large; it holds nodes that FloatGraph has no equal for, or quantizers that the
            array cannot keep (all such nodes are listed).
    """
    model = read_model(path)
    try:
        walked = walk(model)
        del model
        ops = _needed(tuple(_final(walked.builder)), walked.output)
        halves = [_refused(op) for op in ops if isinstance(op, Half)]
        if halves:
            raise ModelImportError.gather(halves)
        quantized = any(isinstance(op, Quantizer) for op in ops)
        absorbed = absorb_quantizers(ops, walked.output)
        used = {key for op in absorbed.ops for name in _KEYS if (key := getattr(op, name, ""))}
        constants = {k: v for k, v in walked.builder.constants.items() if k in used}
        final = fold_pads(absorbed.ops, absorbed.output)
        graph: FloatGraph = Graph(Level.FLOAT, final, absorbed.output, constants)
        codes = {k: v for k, v in walked.builder.codes.items() if k in used}
        if isinstance(graph.op(graph.output), Input):
            raise ModelImportError("computes nothing from its input", where="the network")
        params, notes = params_of(graph, codes, absorbed.formats, calibrated)
    except ModelImportError as error:
        raise located(error, str(path)) from error
    own = absorbed.notes if quantized else ()
    return OnnxNetwork(graph, params, (*walked.notes, *own, *notes))


def _final(builder: Builder) -> list[FloatOp]:
    """Return the operations; x * factor + shift that stayed are batch norms."""
    made: list[FloatOp] = []
    for op in builder.ops.values():
        made.append(_batch_norm(builder, op) if isinstance(op, Scale) else op)
    return made


def _batch_norm(builder: Builder, op: Scale) -> BatchNorm:
    def bound(field: str, value: float) -> str:
        return builder.bind(op.name, field, np.full(op.shape[0], value, dtype=np.float64))

    return BatchNorm(
        name=op.name,
        inputs=op.inputs,
        shape=op.shape,
        module=op.module,
        weight=bound("weight", op.factor),
        bias=bound("bias", op.shift),
        running_mean=bound("running_mean", 0.0),
        running_var=bound("running_var", 1.0),
        eps=0.0,
    )


def _needed(ops: tuple[FloatOp, ...], output: str) -> tuple[FloatOp, ...]:
    needed = {output}
    for op in reversed(ops):
        if op.name in needed:
            needed.update(op.inputs)
    return tuple(op for op in ops if op.name in needed)


def _refused(op: Half) -> RmsmpError:
    kind = op.function.capitalize()
    return ModelImportError(
        f"{kind}: is not supported", where=f"node {op.module!r}", fix=advice_for(kind)
    )
