"""FloatGraph + QuantParams -> QuantGraph: weights become codes, once and for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import QuantizationError, RmsmpError
from rmsmp_hls.ir.float_ops import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    FloatOp,
    Input,
    Linear,
    MaxPool2d,
    Multiply,
    Pad,
    SelectChannels,
    Unflatten,
    Upsample,
)
from rmsmp_hls.ir.graph import FloatGraph, Graph, Level, QuantGraph
from rmsmp_hls.ir.quant_ops import (
    QuantAdd,
    QuantAvgPool,
    QuantConcat,
    QuantFlatten,
    QuantInput,
    QuantMatmul,
    QuantMaxPool,
    QuantMultiply,
    QuantOp,
    QuantPad,
    QuantRequantize,
    QuantSelect,
    QuantTable,
    QuantUnflatten,
    QuantUpsample,
)
from rmsmp_hls.ir.types import ActFormat, ConstTensor, Window
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.numerics.multipliers import matmul_factors
from rmsmp_hls.quant.affine import affine_of, formats_of_ones
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.placement import Narrow, QuantPlan, QuantPoint, plan_of
from rmsmp_hls.quant.rows import quantize_row

_RENAMED: dict[type[FloatOp], type[QuantOp]] = {Flatten: QuantFlatten, Unflatten: QuantUnflatten}


def quantize(graph: FloatGraph, params: QuantParams) -> QuantGraph:
    """Quantize a float network with given formats and scales.

    Args:
        graph: the float network, its constants bound.
        params: row formats and scales, activation formats.

    Raises:
        LoweringError: operations that cannot be placed (all listed).
        QuantizationError: parameters are missing, not finite or do not fit (all listed).
    """
    plan = plan_of(graph, params)
    _check(graph, plan, params)
    builder = _Builder(graph, plan, params)
    for op in graph:
        builder.visit(op)
    return Graph(Level.QUANT, tuple(builder.ops), builder.alias[graph.output])


def _check(graph: FloatGraph, plan: QuantPlan, params: QuantParams) -> None:
    findings: list[RmsmpError] = []
    for name in (quantizer.name for quantizer in plan.quantizers):
        found = params.activations.get(name)
        if found is None or not (np.isfinite(found.scale) and found.scale > 0):
            findings.append(
                QuantizationError(
                    "has no activation scale" if found is None else f"has scale {found.scale}",
                    where=f"tensor {name!r}",
                    fix="calibrate the model (rmsmp_hls.train.calibrate) before saving it",
                )
            )
    for op in graph.of_type(Conv2d, Linear):
        findings += _check_rows(graph, op, params.rows.get(op.name))
    if findings:
        raise QuantizationError.gather(findings)


def _check_rows(graph: FloatGraph, op: FloatOp, rows: RowParams | None) -> list[RmsmpError]:
    where = f"layer {op.module or op.name!r}"
    assert isinstance(op, (Conv2d, Linear))
    weight = graph.constants[op.weight].array
    if rows is None:
        fix = "assign its rows (rmsmp_hls.train.assign_rows) before saving"
        return [QuantizationError("has no row formats", where=where, fix=fix)]
    scales = np.asarray(rows.scales.array, dtype=np.float64)
    if len(rows.formats) != weight.shape[0] or scales.shape != (weight.shape[0],):
        text = f"has {weight.shape[0]} rows but parameters for {len(rows.formats)}"
        return [QuantizationError(text, where=where)]
    findings: list[RmsmpError] = []
    if weight.size == 0:
        findings.append(QuantizationError("has no weights", where=where))
    if not np.isfinite(weight).all():
        findings.append(QuantizationError("has weights that are NaN or infinite", where=where))
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        findings.append(QuantizationError("has a row scale that is not positive", where=where))
    return findings


class _Builder:
    """Visits the float operations in order; `alias` maps float tensors to quantized ones."""

    def __init__(self, graph: FloatGraph, plan: QuantPlan, params: QuantParams) -> None:
        self.graph, self.plan, self.params = graph, plan, params
        self.ops: list[QuantOp] = []
        self.alias: dict[str, str] = {}
        self.by_name: dict[str, QuantOp] = {}
        chains = [*plan.points, plan.logits]
        self.by_head = {point.head: point for point in chains}
        self.inside = {name for p in chains for name in (p.batchnorm, p.clamp) if name}
        self.narrows: dict[str, list[Narrow]] = {}
        for narrow in plan.narrows:
            self.narrows.setdefault(narrow.source, []).append(narrow)

    def visit(self, op: FloatOp) -> None:
        if op.name in self.by_head:
            self._emit(self._chain(op, self.by_head[op.name]))
        elif op.name in self.inside:
            return
        else:
            self._transparent(op)
        tail = self.by_head[op.name].tensor if op.name in self.by_head else op.name
        for narrow in self.narrows.get(tail, []):
            self._narrow(narrow, op)

    def _emit(self, op: QuantOp) -> None:
        self.ops.append(op)
        self.by_name[op.name] = op
        self.alias[op.name] = op.name

    def _format(self, tensor: str) -> ActFormat | None:
        point = self.plan.point(tensor)
        return self.params.activations[point.scale] if point else None

    def _inputs(self, op: FloatOp) -> tuple[str, ...]:
        reads = [(source, self.plan.read(op, source)) for source in op.inputs]
        return tuple(narrow.name if narrow else self.alias[source] for source, narrow in reads)

    def _chain(self, op: FloatOp, point: QuantPoint) -> QuantOp:
        common: dict[str, Any] = {
            "name": point.tensor,
            "inputs": self._inputs(op),
            "shape": op.shape,
            "output": self._format(point.tensor),
            "module": op.module,
            "multiplier_terms": self.params.multiplier_terms,
        }
        if isinstance(op, Input):
            return QuantInput(**common)
        if isinstance(op, Concat):
            return QuantConcat(**common)
        clamp = self.graph.op(point.clamp) if point.clamp else op
        bounds = (clamp.low, clamp.high) if isinstance(clamp, Clamp) else (-np.inf, np.inf)
        common |= {"low": bounds[0], "high": bounds[1]}
        if isinstance(op, (Conv2d, Linear)):
            return self._matmul(op, point, common)
        if isinstance(op, BatchNorm):
            return self._batch_norm(op, common)
        if isinstance(op, Add):
            return QuantAdd(**common)
        if isinstance(op, Multiply):
            return QuantMultiply(**common)
        if isinstance(op, Activation):
            return QuantTable(**common, function=op.function, parameter=op.parameter)
        if isinstance(op, AvgPool2d):
            return QuantAvgPool(**common, window=op.window)
        assert isinstance(op, Clamp), op
        return QuantRequantize(**common)

    def _transparent(self, op: FloatOp) -> None:
        source = self.by_name[self.alias[op.inputs[0]]]
        renamed = isinstance(op, (Flatten, Unflatten))
        if isinstance(op, Dropout) or (renamed and source.output is None):
            self.alias[op.name] = source.name  # logits have one pixel: flat already
            return
        common: dict[str, Any] = {
            "name": op.name,
            "inputs": (source.name,),
            "shape": op.shape,
            "output": source.output,
            "module": op.module,
        }
        if isinstance(op, MaxPool2d):
            self._emit(QuantMaxPool(**common, window=op.window))
        elif isinstance(op, SelectChannels):
            self._emit(QuantSelect(**common, indices=op.indices))
        elif isinstance(op, Upsample):
            self._emit(QuantUpsample(**common, factors=op.factors))
        elif isinstance(op, Pad):
            self._emit(QuantPad(**common, padding=op.padding))
        else:
            self._emit(_RENAMED[type(op)](**common))

    def _narrow(self, narrow: Narrow, op: FloatOp) -> None:
        source = self.by_name[self.alias[narrow.source]]
        self._emit(
            QuantRequantize(
                name=narrow.name,
                inputs=(source.name,),
                shape=source.shape,
                output=self.params.activations[narrow.scale],
                module=op.module,
                multiplier_terms=self.params.multiplier_terms,
                low=-np.inf,
                high=np.inf,
            )
        )

    def _matmul(
        self, op: Conv2d | Linear, point: QuantPoint, common: dict[str, Any]
    ) -> QuantMatmul:
        rows = self.params.rows[op.name]
        weight = np.asarray(self.graph.constants[op.weight].array)
        if isinstance(op, Conv2d):  # of a 1-D convolution [O, I / groups, K]
            weight = weight.reshape(*weight.shape[:2], *op.window.kernel)
        norm = self.graph.op(point.batchnorm) if point.batchnorm else None
        assert norm is None or isinstance(norm, BatchNorm)
        gain, offset = affine_of(self.graph, op.bias, norm, len(weight))
        scales = np.asarray(rows.scales.array, dtype=np.float64)
        scales = scales * self._factors(gain, scales, common)
        return QuantMatmul(
            **common | {"module": op.module or op.name},
            codes=ConstTensor(encode_rows(weight, RowParams(rows.formats, ConstTensor(scales)))),
            formats=rows.formats,
            row_scales=ConstTensor(scales),
            gain=ConstTensor(gain),
            offset=ConstTensor(offset),
            window=op.window if isinstance(op, Conv2d) else None,
            groups=op.groups if isinstance(op, Conv2d) else 1,
        )

    def _factors(
        self, gain: npt.NDArray[np.float64], scales: npt.NDArray[np.float64], common: dict[str, Any]
    ) -> npt.NDArray[np.float64]:
        """Return by what row scales change, so that the multipliers have few terms, [rows]."""
        read, made = self.by_name[common["inputs"][0]].output, common["output"]
        assert read is not None
        terms = self.params.multiplier_terms
        return matmul_factors(gain, scales, read.scale, made.scale if made else 1.0, terms)

    def _batch_norm(self, op: BatchNorm, common: dict[str, Any]) -> QuantMatmul:
        channels = op.shape[0]
        gain, offset = affine_of(self.graph, "", op, channels)
        factors = self._factors(gain, np.ones(channels), common)
        if op.bias:  # what the mean becomes stays; the weights are ones, no scale can give way
            center = np.asarray(self.graph.constants[op.bias].array, dtype=np.float64)
        else:
            center = np.zeros(channels)
        gain, offset = gain * factors, center + (offset - center) * factors
        formats = formats_of_ones(self.params.ratio, self.params.codebook, channels)
        ones = [codebook(name).encode(np.ones((1, 1, 1), dtype=np.int64)) for name in formats]
        return QuantMatmul(
            **common | {"module": op.module or op.name},
            codes=ConstTensor(np.array(ones)),
            formats=formats,
            row_scales=ConstTensor(np.ones(channels)),
            gain=ConstTensor(gain),
            offset=ConstTensor(offset),
            window=Window(),
            groups=channels,
        )


def encode_rows(weight: npt.NDArray[np.generic], rows: RowParams) -> npt.NDArray[np.uint8]:
    """Return the stored codes uint8, shape of `weight` ([O, ...])."""
    codes = np.zeros(weight.shape, dtype=np.uint8)
    scales = rows.scales.array
    for row, name in enumerate(rows.formats):
        book = codebook(name)
        reals = np.asarray(weight[row], dtype=np.float64)
        codes[row] = book.encode(quantize_row(reals, float(scales[row]), book))
    return codes
