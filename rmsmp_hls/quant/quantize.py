"""FloatGraph + QuantParams -> QuantGraph: weights become codes, once and for all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rmsmp_hls.errors import QuantizationError, RmsmpError
from rmsmp_hls.ir.float_ops import (
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Conv2d,
    Dropout,
    Flatten,
    FloatOp,
    Input,
    Linear,
    MaxPool2d,
)
from rmsmp_hls.ir.graph import FloatGraph, Graph, Level, QuantGraph
from rmsmp_hls.ir.quant_ops import (
    QuantAdd,
    QuantAvgPool,
    QuantFlatten,
    QuantInput,
    QuantMatmul,
    QuantMaxPool,
    QuantOp,
    QuantRequantize,
)
from rmsmp_hls.ir.types import ActFormat, ConstTensor
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.quant.params import QuantParams, RowParams
from rmsmp_hls.quant.placement import QuantPlan, QuantPoint, place_quantizers
from rmsmp_hls.quant.rows import quantize_row

Floats = npt.NDArray[np.float64]


def quantize(graph: FloatGraph, params: QuantParams) -> QuantGraph:
    """Quantize a float network with given formats and scales.

    Args:
        graph: the float network, its constants bound.
        params: row formats and scales, activation formats.

    Raises:
        LoweringError: operations that cannot be placed (all listed).
        QuantizationError: parameters are missing, not finite or do not fit (all listed).
    """
    plan = place_quantizers(
        graph,
        activation_bits=params.activation_bits,
        residual_bits=params.residual_bits,
        input_bits=params.input_bits,
    )
    _check(graph, plan, params)
    builder = _Builder(graph, plan, params)
    for op in graph:
        builder.visit(op)
    return Graph(Level.QUANT, tuple(builder.ops), builder.alias[graph.output])


def _check(graph: FloatGraph, plan: QuantPlan, params: QuantParams) -> None:
    findings: list[RmsmpError] = []
    for name in [p.tensor for p in plan.points] + [n.name for n in plan.narrows]:
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
        chains = [*plan.points, plan.logits]
        self.by_head = {point.head: point for point in chains}
        self.inside = {name for p in chains for name in (p.batchnorm, p.clamp) if name}

    def visit(self, op: FloatOp) -> None:
        if op.name in self.by_head:
            self._chain(op, self.by_head[op.name])
        elif op.name in self.inside:
            return
        elif isinstance(op, Dropout):
            self.alias[op.name] = self.alias[op.inputs[0]]
        else:
            self._transparent(op)
        narrow = self.plan.narrow_of(self._tail(op))
        if narrow is not None and narrow.name not in self.alias:
            self._requantize(narrow.name, self._tail(op), op)

    def _tail(self, op: FloatOp) -> str:
        return self.by_head[op.name].tensor if op.name in self.by_head else op.name

    def _emit(self, op: QuantOp, *names: str) -> None:
        self.ops.append(op)
        for name in (op.name, *names):
            self.alias[name] = op.name

    def _format(self, tensor: str) -> ActFormat | None:
        return self.params.activations[tensor] if self.plan.point(tensor) else None

    def _chain(self, op: FloatOp, point: QuantPoint) -> None:
        low, high = -np.inf, np.inf
        clamp = self.graph.op(point.clamp) if point.clamp else op
        if isinstance(clamp, Clamp):
            low, high = clamp.low, clamp.high
        name, module, output = point.tensor, op.module, self._format(point.tensor)
        inputs = tuple(self.alias[source] for source in op.inputs)
        if isinstance(op, Input):
            new: QuantOp = QuantInput(
                name=name, inputs=(), shape=op.shape, output=output, module=module
            )
        elif isinstance(op, (Conv2d, Linear)):
            new = self._matmul(op, point, low, high)
        elif isinstance(op, Add):
            new = QuantAdd(
                name=name,
                inputs=inputs,
                shape=op.shape,
                output=output,
                module=module,
                low=low,
                high=high,
            )
        elif isinstance(op, AvgPool2d):
            new = QuantAvgPool(
                name=name,
                inputs=inputs,
                shape=op.shape,
                output=output,
                module=module,
                window=op.window,
                low=low,
                high=high,
            )
        else:
            new = QuantRequantize(
                name=name,
                inputs=inputs,
                shape=op.shape,
                output=output,
                module=module,
                low=low,
                high=high,
            )
        self._emit(new)

    def _transparent(self, op: FloatOp) -> None:
        source = self.alias[op.inputs[0]]
        output = next(q.output for q in self.ops if q.name == source)
        if isinstance(op, MaxPool2d):
            self._emit(
                QuantMaxPool(
                    name=op.name,
                    inputs=(source,),
                    shape=op.shape,
                    output=output,
                    module=op.module,
                    window=op.window,
                )
            )
        else:
            assert isinstance(op, Flatten)
            if output is None:  # logits have one pixel: flat already
                self.alias[op.name] = source
                return
            self._emit(
                QuantFlatten(
                    name=op.name, inputs=(source,), shape=op.shape, output=output, module=op.module
                )
            )

    def _requantize(self, name: str, source: str, op: FloatOp) -> None:
        shape = next(q.shape for q in self.ops if q.name == self.alias[source])
        self._emit(
            QuantRequantize(
                name=name,
                inputs=(self.alias[source],),
                shape=shape,
                output=self.params.activations[name],
                module=op.module,
                low=-np.inf,
                high=np.inf,
            )
        )

    def _matmul(
        self, op: Conv2d | Linear, point: QuantPoint, low: float, high: float
    ) -> QuantMatmul:
        source = op.inputs[0]
        narrow = self.plan.narrow_of(source)
        rows = self.params.rows[op.name]
        weight = np.asarray(self.graph.constants[op.weight].array)
        gain, offset = self._affine(op, point, weight.shape[0])
        return QuantMatmul(
            name=point.tensor,
            inputs=(narrow.name if narrow else self.alias[source],),
            shape=op.shape,
            output=self._format(point.tensor),
            module=op.module or op.name,
            codes=ConstTensor(encode_rows(weight, rows)),
            formats=rows.formats,
            row_scales=ConstTensor(np.asarray(rows.scales.array, dtype=np.float64)),
            gain=ConstTensor(gain),
            offset=ConstTensor(offset),
            window=op.window if isinstance(op, Conv2d) else None,
            low=low,
            high=high,
        )

    def _affine(self, op: Conv2d | Linear, point: QuantPoint, rows: int) -> tuple[Floats, Floats]:
        """Return (gain, offset) of bias and batch norm, float64 [rows]."""
        constants = self.graph.constants

        def of(key: str, default: float) -> Floats:
            if not key:
                return np.full(rows, default)
            return np.asarray(constants[key].array, dtype=np.float64)

        bias = of(op.bias, 0.0)
        if not point.batchnorm:
            return np.ones(rows), bias
        norm = self.graph.op(point.batchnorm)
        assert isinstance(norm, BatchNorm)
        gain = of(norm.weight, 1.0) / np.sqrt(of(norm.running_var, 1.0) + norm.eps)
        return gain, (bias - of(norm.running_mean, 0.0)) * gain + of(norm.bias, 0.0)


def encode_rows(weight: npt.NDArray[np.floating], rows: RowParams) -> npt.NDArray[np.uint8]:
    """Return the stored codes uint8, shape of `weight` ([O, ...]); float64 row by row only."""
    codes = np.zeros(weight.shape, dtype=np.uint8)
    scales = rows.scales.array
    for row, name in enumerate(rows.formats):
        book = codebook(name)
        codes[row] = book.encode(quantize_row(weight[row], float(scales[row]), book))
    return codes
