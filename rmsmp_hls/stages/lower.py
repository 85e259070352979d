"""lower: the QuantGraph becomes integers, and the reference computes what every layer must give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rmsmp_hls import reference
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.serialize import graph_files, load_graph
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.numerics.requantize import quantize_values
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.stages.stage import Stage, StageContext, StageResult
from rmsmp_hls.stages.tensors import read_tensors, tensor_file

Tensors = Mapping[str, npt.NDArray[np.int64]]


def input_codes(graph: IntGraph, inputs: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Quantize images [N, C, H, W] (or [N, F]) as the host does; int64 [N, C, H, W]."""
    form = graph.input.output
    assert form is not None
    shape = (len(inputs), *graph.input.shape)
    return quantize_values(inputs, form.scale, form.low, form.high).reshape(shape)


def _run(context: StageContext) -> StageResult:
    quantized = load_graph(context.path("quantize", "quant.json"))
    graph = lower(quantized)
    verify(graph, "lower")
    with np.load(context.path("import", "data.npz"), allow_pickle=False) as data:
        inputs = data["inputs"]
        labels = data["labels"] if "labels" in data.files else None

    def progress(name: str, done: int, total: int) -> None:
        context.progress.step(f"reference: {name}", done, total)

    tensors = reference.run(graph, input_codes(graph, inputs), progress)
    names = [op.name for op in graph]
    files = graph_files(graph, "int")
    files["expected.npz"] = tensor_file(names, tensors)
    facts: dict[str, Any] = {"tensors": names}
    top1 = reference.argmax(graph, tensors[graph.output]) if graph.argmax else None
    if top1 is not None and labels is not None:
        facts["integer_correct"] = int((top1 == labels).sum())
    facts["agreement"] = _agreement(context, graph, tensors, top1)
    facts["summary"] = _summary(graph, facts, len(inputs))
    return StageResult(files, facts)


def _agreement(
    context: StageContext, graph: IntGraph, tensors: Tensors, top1: npt.NDArray[np.int64] | None
) -> dict[str, Any]:
    """Compare with the training model in evaluation mode: codes of every shared tensor, top-1.

    `codes_differ` counts what differs from end to end; `codes_differ_alone` what an operation
    makes different of the very same input codes: roundings near a tie. The rest follows.
    """
    known = context.facts("quantize")
    trained = read_tensors(context.path("quantize", "trained.npz"), known["tensors"])
    trained = {
        op.name: trained[op.name].reshape(tensors[op.name].shape)
        for op in graph
        if op.output is not None and op.name in trained
    }
    compared = differ = alone = 0
    for name, codes in trained.items():
        op = graph.op(name)
        compared += int(codes.size)
        differ += int((codes != tensors[name]).sum())
        if op.inputs and all(source in trained for source in op.inputs):
            same_inputs = reference.execute(graph, op, [trained[source] for source in op.inputs])
            alone += int((codes != same_inputs).sum())
    changed = None
    if top1 is not None and "top1" in known:
        changed = int((np.array(known["top1"]) != top1).sum())
    return {
        "codes_compared": compared,
        "codes_differ": differ,
        "codes_differ_alone": alone,
        "top1_changed": changed,
    }


def _summary(graph: IntGraph, facts: Mapping[str, Any], images: int) -> str:
    agreement = facts["agreement"]
    words = (
        f"{agreement['codes_differ']} of {agreement['codes_compared']} codes differ from the "
        "training model"
    )
    if "integer_correct" in facts:
        words = f"{facts['integer_correct']} of {images} right; {words}"
    return f"{len(graph.ops)} operations; {words}"


LOWER = Stage("lower", "3_lower", (), _run)
