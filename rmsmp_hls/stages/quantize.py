"""quantize: weights become codes; the training model says what it computes with them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from rmsmp_hls.ir.serialize import graph_files, load_graph
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.quant.ends import pinned_layers
from rmsmp_hls.quant.params import QuantParams
from rmsmp_hls.quant.params_json import params_from_json, params_to_json
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.quant.reassign import reassign, restricted
from rmsmp_hls.stages.stage import Stage, StageContext, StageResult
from rmsmp_hls.stages.tensors import tensor_file


def _run(context: StageContext) -> StageResult:
    from rmsmp_hls.train.evaluate import evaluate  # imports torch

    graph = load_graph(context.path("import", "float.json"))
    saved = params_from_json(context.read_json("import", "params.json"))
    options = context.options
    if "quantization" in context.facts("import"):
        params = saved  # by the import, with the asked ratio and codebook
    else:
        params = reassign(graph, saved, options.ratio, options.codebook)
    reassigned, given = params is not saved, params
    params = restricted(params, options.multipliers)
    quantized = quantize(graph, params)
    verify(quantized, "quantize")
    with np.load(context.path("import", "data.npz"), allow_pickle=False) as data:
        inputs = data["inputs"]
        labels = data["labels"] if "labels" in data.files else None
    found = evaluate(graph, params, inputs, labels, context.progress.step)
    names = sorted(found.codes)
    files = graph_files(quantized, "quant")
    files["params.json"] = (json.dumps(params_to_json(params), indent=1) + "\n").encode()
    files["trained.npz"] = tensor_file(names, found.codes)
    facts: dict[str, Any] = {"tensors": names, "reassigned": reassigned}
    facts |= {"ratio": list(params.ratio), "codebook": params.codebook}
    facts |= {"multiplier_terms": params.multiplier_terms, "restricted": params is not given}
    facts["eight_bit_layers"] = sorted(pinned_layers(graph, params.first_last))
    if found.top1 is not None:
        facts["top1"] = found.top1.tolist()
    if found.float_correct is not None:
        facts |= {
            "float_correct": found.float_correct,
            "fake_quantized_correct": found.quantized_correct,
        }
    facts["summary"] = _summary(params, facts, len(inputs))
    return StageResult(files, facts)


def _summary(params: QuantParams, facts: dict[str, Any], images: int) -> str:
    formats = [name for rows in params.rows.values() for name in rows.formats]
    mix = ", ".join(f"{formats.count(name)} {name}" for name in sorted(set(formats)))
    if "float_correct" not in facts:
        return f"rows: {mix}"
    right = f"float {facts['float_correct']}, quantized {facts['fake_quantized_correct']}"
    return f"rows: {mix}; right of {images}: {right}"


QUANTIZE = Stage("quantize", "2_quantize", ("ratio", "codebook", "multipliers"), _run)
