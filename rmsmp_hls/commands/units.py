"""Which unit of the accelerator computes each operation of a float network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rmsmp_hls.errors import RmsmpError
from rmsmp_hls.ir.float_ops import Activation, FloatOp, Pad
from rmsmp_hls.ir.graph import FloatGraph, IntGraph
from rmsmp_hls.ir.int_ops import (
    IntAdd,
    IntConcat,
    IntInput,
    IntMatmul,
    IntMaxPool,
    IntMultiply,
    IntOp,
    IntSelect,
    IntSumPool,
    IntTable,
    IntUpsample,
)
from rmsmp_hls.ir.types import Shape
from rmsmp_hls.quant.placement import QuantPlan
from rmsmp_hls.schedule.jobs import op_macs
from rmsmp_hls.schedule.place_rows import kind_counts

MATRIX, VECTOR, MOVED, HOST, FOLDED, NOTHING, NOT_MAPPED = (
    "matrix array", "vector unit", "moved", "host", "folded", "no work", "not mapped",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MappedOperation:
    """One operation, and where it is computed.

    Attributes:
        name, module, operation: of the float graph; `module` is the path in the torch model.
        shape: of its result, without the batch.
        unit: one of the words above.
        detail: what it is folded into, or what the unit does.
        rows: of weights, (shift-add, Fixed-4, Fixed-8); None without weights.
        macs: multiply-accumulates per image.
        problem, fix: why it is not mapped, and what to do; "" if it is.
    """

    name: str
    module: str
    operation: str
    shape: Shape
    unit: str
    detail: str = ""
    rows: tuple[int, int, int] | None = None
    macs: int = 0
    problem: str = ""
    fix: str = ""


def map_operations(
    graph: FloatGraph, plan: QuantPlan, lowered: IntGraph
) -> tuple[MappedOperation, ...]:
    """Return every operation of `graph`, in order, each narrow copy behind its source.

    Args:
        graph: the float network.
        plan: its quantizers; says what is folded into what.
        lowered: the same network in integers.
    """
    tails = {point.head: point.tensor for point in (*plan.points, plan.logits)}
    folded = {
        name: point.head
        for point in (*plan.points, plan.logits)
        for name in (point.batchnorm, point.clamp)
        if name and name != point.head
    }
    integers = {op.name: op for op in lowered}
    found: list[MappedOperation] = []
    for op in graph:
        made = integers.get(tails.get(op.name, op.name))
        if op.name in folded:
            head = graph.op(folded[op.name])
            found.append(_entry(op, FOLDED, f"into {head.module or head.name}"))
        elif made is None:
            found.append(_entry(op, NOTHING, "codes pass as they lie"))
        else:
            found.append(_mapped(op, made, lowered))
        found += [
            MappedOperation(
                narrow.name,
                op.module or op.name,
                "Requantize",
                op.shape,
                VECTOR,
                f"{narrow.bits}-bit copy for {_readers(lowered, narrow.name)}",
            )
            for narrow in plan.narrows
            if narrow.source == op.name and narrow.name in integers
        ]
    return tuple(found)


def _readers(lowered: IntGraph, name: str) -> str:
    arrays = all(isinstance(op, IntMatmul) for op in lowered.consumers(name))
    return "the matrix array" if arrays else "a concatenation"


def not_mapped(graph: FloatGraph, findings: Sequence[RmsmpError]) -> tuple[MappedOperation, ...]:
    """Return every operation of a network that could not be mapped; its findings beside them."""
    found = []
    for op in graph:
        names = {f"layer {op.name!r}", f"layer {op.module!r}", f"tensor {op.name!r}"}
        mine = [finding for finding in findings if finding.where in names]
        found.append(
            _entry(
                op,
                NOT_MAPPED,
                problem="; ".join(finding.what for finding in mine),
                fix="; ".join(dict.fromkeys(finding.fix for finding in mine if finding.fix)),
            )
        )
    return tuple(found)


def _entry(op: FloatOp, unit: str, detail: str = "", **more: object) -> MappedOperation:
    return MappedOperation(
        op.name,
        op.module or op.name,
        type(op).__name__,
        op.shape,
        unit,
        detail,
        **more,  # type: ignore[arg-type]
    )


def _mapped(op: FloatOp, made: IntOp, lowered: IntGraph) -> MappedOperation:
    if isinstance(made, IntMatmul):
        read = lowered.op(made.inputs[0]).output
        assert read is not None
        detail = f"{'x'.join(map(str, made.window.kernel))}, {read.planes * 4}-bit input"
        if made.groups > 1:
            detail += f", {made.groups} groups"
        if made.output is None:
            detail += ", result as sums" + (" with argmax" if lowered.argmax else "")
        return _entry(op, MATRIX, detail, rows=kind_counts(made.formats), macs=op_macs(made))
    if isinstance(made, IntInput):
        assert made.output is not None
        return _entry(op, HOST, f"quantizes images to {made.output.bits} bits")
    if isinstance(made, IntConcat):
        return _entry(op, MOVED, f"{len(made.inputs)} tensors, written in place or copied")
    if isinstance(made, IntSelect):
        return _entry(op, MOVED, f"{len(made.indices)} channels, costs nothing")
    taps = math.prod(made.window.kernel) if isinstance(made, IntMaxPool | IntSumPool) else 2
    return _entry(op, VECTOR, _vector_work(op, made, taps))


def _vector_work(op: FloatOp, made: IntOp, taps: int) -> str:
    if isinstance(made, IntTable):
        return f"table of {op.function if isinstance(op, Activation) else 'a function'}"
    if isinstance(made, (IntAdd, IntMultiply)):
        return f"{'sum' if isinstance(made, IntAdd) else 'product'} of two tensors"
    if isinstance(made, IntUpsample):
        return f"every pixel {made.factors[0]} x {made.factors[1]} times"
    if isinstance(op, Pad):
        return "zeros around the image"
    if isinstance(made, IntMaxPool):
        return f"maximum of {taps}"
    if isinstance(made, IntSumPool):
        return f"mean of {taps}" if taps > 1 else "requantization"
    return type(made).__name__
