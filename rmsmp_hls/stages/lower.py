"""lower: the QuantGraph becomes integers, and the reference computes what every layer must give."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
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
from rmsmp_hls.stages.tensors import read_tensors, smallest, tensor_file

Tensors = Mapping[str, npt.NDArray[np.int64]]
BATCH_NUMBERS = 1 << 24
"""Numbers of all tensors together that are held as int64 at once: 128 MiB, or one image's."""


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
    known = context.facts("quantize")
    trained = read_tensors(context.path("quantize", "trained.npz"), known["tensors"])
    names = [op.name for op in graph]
    parts: dict[str, list[npt.NDArray[np.integer]]] = {name: [] for name in names}
    agreement = Agreement()
    size = images_per_batch(graph)
    for start in range(0, len(inputs), size):
        batch = slice(start, start + size)

        def progress(name: str, done: int, total: int, start: int = start) -> None:
            context.progress.step(f"reference: image {start + 1}, {name}", done, total)

        tensors = reference.run(graph, input_codes(graph, inputs[batch]), progress)
        agreement += compare(
            graph, tensors, {name: codes[batch] for name, codes in trained.items()}
        )
        for name in names:
            parts[name].append(smallest(tensors[name]))
    expected = {name: np.concatenate(parts.pop(name)) for name in names}
    files = graph_files(graph, "int")
    files["expected.npz"] = tensor_file(names, expected)
    facts: dict[str, Any] = {"tensors": names}
    top1 = reference.argmax(graph, expected[graph.output]) if graph.argmax else None
    if top1 is not None and labels is not None:
        facts["integer_correct"] = int((top1 == labels).sum())
    changed = None
    if top1 is not None and "top1" in known:
        changed = int((np.array(known["top1"]) != top1).sum())
    facts["agreement"] = {**dataclasses.asdict(agreement), "top1_changed": changed}
    facts["summary"] = _summary(graph, facts, len(inputs))
    return StageResult(files, facts)


def images_per_batch(graph: IntGraph) -> int:
    """Return how many images the reference computes at once, so that memory stays bounded."""
    return max(1, BATCH_NUMBERS // sum(math.prod(op.shape) for op in graph))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the codes are those of the training model in evaluation mode.

    Attributes:
        codes_compared: of every tensor that both make.
        codes_differ: from end to end.
        codes_differ_alone: what an operation makes different of the very same input codes:
            roundings near a tie. The rest follows.
    """

    codes_compared: int = 0
    codes_differ: int = 0
    codes_differ_alone: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        """Return the counts of both."""
        return Agreement(
            self.codes_compared + other.codes_compared,
            self.codes_differ + other.codes_differ,
            self.codes_differ_alone + other.codes_differ_alone,
        )


def compare(
    graph: IntGraph, tensors: Tensors, trained: Mapping[str, npt.NDArray[np.integer]]
) -> Agreement:
    """Compare the tensors of some images with those of the training model; same names."""
    same = {
        op.name: trained[op.name].reshape(tensors[op.name].shape).astype(np.int64)
        for op in graph
        if op.output is not None and op.name in trained
    }
    found = Agreement()
    for name, codes in same.items():
        op, alone = graph.op(name), 0
        if op.inputs and all(source in same for source in op.inputs):
            alone = int((codes != reference.execute(graph, op, [same[s] for s in op.inputs])).sum())
        found += Agreement(codes.size, int((codes != tensors[name]).sum()), alone)
    return found


def _summary(graph: IntGraph, facts: Mapping[str, Any], images: int) -> str:
    agreement = facts["agreement"]
    words = (
        f"{agreement['codes_differ_alone']} of {agreement['codes_compared']} codes differ from "
        f"the training model of the same inputs, {agreement['codes_differ']} end to end"
    )
    if "integer_correct" in facts:
        words = f"{facts['integer_correct']} of {images} right; {words}"
    return f"{len(graph.ops)} operations; {words}"


LOWER = Stage("lower", "3_lower", (), _run)
