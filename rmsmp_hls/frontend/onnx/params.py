"""Formats and scales of the file -> QuantParams, without calibration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rmsmp_hls.errors import LoweringError, ModelImportError, RmsmpError
from rmsmp_hls.frontend.onnx.derive import derive_formats
from rmsmp_hls.frontend.onnx.model import Array
from rmsmp_hls.frontend.onnx.values import WeightCodes
from rmsmp_hls.ir.float_ops import Conv2d, Linear
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import ActFormat, ConstTensor
from rmsmp_hls.numerics.codebooks import FIXED_4, FIXED_8
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.placement import place_quantizers
from rmsmp_hls.quant.rows import row_scales_mse

_CODEBOOK = "SP2-4"  # of shift-add rows: a file with quantizers of its own has none
_BITS = 8  # at this width placement adds no second quantization of its own


def params_of(
    graph: FloatGraph,
    codes: Mapping[str, WeightCodes],
    formats: Mapping[str, ActFormat],
    calibrated: Mapping[str, ActFormat],
) -> tuple[QuantParams | None, tuple[str, ...]]:
    """Return the parameters, and notes; None if a tensor needs calibration.

    Args:
        graph: the network.
        codes: weight's key -> its integers.
        formats: tensor -> format that the file gives it.
        calibrated: tensor -> format, for tensors to which the file gives none.

    Raises:
        ModelImportError: integers of weights are beyond the codebooks (all are listed).
    """
    if not codes and not formats:
        return None, ()
    findings: list[RmsmpError] = []
    notes: list[str] = []
    rows: dict[str, RowParams] = {}
    for op in graph.of_type(Conv2d, Linear):
        assert isinstance(op, (Conv2d, Linear))
        try:
            found = codes.get(op.weight)
            if found is None:
                rows[op.name] = _own_rows(np.asarray(graph.constants[op.weight].array))
                notes.append(f"layer {op.name!r} has no weight quantizer: its rows are Fixed-8")
            else:
                rows[op.name] = _rows(op, found)
        except ModelImportError as error:
            findings.append(error)
    if findings:
        raise ModelImportError.gather(findings)
    try:
        plan = place_quantizers(graph, activation_bits=_BITS, residual_bits=_BITS, input_bits=_BITS)
    except LoweringError:
        return None, (*notes, "the file's quantizers are not used: parts cannot be placed")
    known = {**calibrated, **formats}
    derived, missing = derive_formats(graph, plan, known)
    if missing:
        listed = ", ".join(repr(name) for name in missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        notes.append(
            f"the file's quantizers are not used: {listed}{more} must be codes and have no "
            "quantizer in the file; add one there (QuantIdentity), or calibrate (--calib)"
        )
        return None, tuple(notes)
    tensors = [point.tensor for point in plan.points] + [n.name for n in plan.narrows]
    every = {**known, **derived}
    notes += [_described(name, made) for name, made in derived.items() if name in tensors]
    if plan.logits.tensor in known and plan.point(plan.logits.tensor) is None:
        notes.append("the result's own quantizer is left to the host")
    activations = {name: every[name] for name in tensors}
    names = [name for params in rows.values() for name in params.formats]
    four = 100.0 * names.count(FIXED_4.name) / len(names) if names else 0.0
    ratio = (0.0, four, 100.0 - four)
    return QuantParams(activations, rows, ratio, _CODEBOOK, _BITS, _BITS, _BITS), tuple(notes)


def _rows(op: Conv2d | Linear, codes: WeightCodes) -> RowParams:
    count = len(codes.integers)
    integers = np.abs(codes.integers.reshape(count, -1))
    scales = np.asarray(codes.scale).reshape(count, -1)
    where = f"layer {op.module or op.name!r}"
    if bool((scales != scales[:, :1]).any()):
        raise ModelImportError(
            "has several scales within a row", where=where,
            fix="use a scale per tensor or per output channel",
        )  # fmt: skip
    largest = integers.max(axis=1, initial=0)
    beyond = int((integers > FIXED_8.max_magnitude).sum())
    if beyond:
        raise ModelImportError(
            f"{beyond} of {integers.size} weights are integers beyond +-{FIXED_8.max_magnitude}, "
            f"up to {int(largest.max())}: the array computes 8-bit weights as two nibbles",
            where=where,
            fix=f"train the layer with weights limited to +-{FIXED_8.max_magnitude} steps, or "
            "with up to 7 bits and narrow_range; or quantize the float model with "
            "rmsmp-hls quantize",
        )
    fits = (largest <= FIXED_4.max_magnitude) & (codes.bits <= FIXED_4.bits)
    formats = tuple(FIXED_4.name if fit else FIXED_8.name for fit in fits)
    return RowParams(formats, ConstTensor(np.array(scales[:, 0], dtype=np.float64)))


def _own_rows(weight: Array) -> RowParams:
    flat = weight.reshape(len(weight), -1)
    scales = ConstTensor(row_scales_mse(flat, FIXED_8))
    return RowParams((FIXED_8.name,) * len(weight), scales)


def _described(name: str, made: ActFormat) -> str:
    sign = "signed" if made.signed else "unsigned"
    return (
        f"tensor {name!r} has no quantizer in the file: {made.bits} bits {sign}, scale "
        f"{made.scale:.6g}, from the range of its neighbours"
    )
