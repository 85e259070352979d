"""import: the model file becomes a FloatGraph, its quantization parameters and test data.

A float network is quantized here, if there are calibration images.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rmsmp_hls.config import CALIBRATION, BuildOptions
from rmsmp_hls.images import image_files
from rmsmp_hls.ir.serialize import graph_files
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.quant.params_json import params_to_json
from rmsmp_hls.stages.calibrated import quantized_model
from rmsmp_hls.stages.data import CheckData, load_data
from rmsmp_hls.stages.stage import Stage, StageContext, StageResult
from rmsmp_hls.store import digest_file

if TYPE_CHECKING:
    from rmsmp_hls.frontend.checkpoint import Checkpoint


def _run(context: StageContext) -> StageResult:
    from rmsmp_hls.frontend.load import load_model  # imports torch

    options = context.options
    model = load_model(options.model)
    verify(model.graph, "import")
    quantized = quantized_model(model, options, context.progress)
    checkpoint = quantized.checkpoint
    verify(checkpoint.graph, "import")
    files = graph_files(checkpoint.graph, "float")
    params = json.dumps(params_to_json(checkpoint.params), indent=1, sort_keys=True)
    files["params.json"] = (params + "\n").encode()
    data = load_data(options, checkpoint, quantized.images)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **data.arrays())
    files["data.npz"] = buffer.getvalue()
    facts = {
        **quantized.facts,
        "summary": _summary(checkpoint, data, quantized.facts),
        "images": len(data.inputs),
        "data_origin": data.origin,
        "has_labels": data.labels is not None,
        "meta": dict(checkpoint.meta),
        "own_data": data.own,
        "model": {
            "name": _text(options.model.stem),
            "file": _text(options.model.name),
            "sha256": digest_file(options.model),
        },
        "parameters": sum(int(c.array.size) for c in checkpoint.graph.constants.values()),
    }
    return StageResult(files, facts)


def _summary(checkpoint: Checkpoint, data: CheckData, facts: Mapping[str, Any]) -> str:
    text = f"{len(checkpoint.graph.ops)} operations, {len(data.inputs)} {data.origin}"
    cost = facts.get("quantization")
    if cost is None:
        return text
    sqnr = cost["output"]["sqnr_db"]
    result = "" if sqnr is None else f", {sqnr:.1f} dB SQNR"
    return f"{text}; quantized with {cost['images']} images{result}"


def _text(name: str) -> str:
    """Return a file name with bytes that are no UTF-8 written out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _external(options: BuildOptions) -> tuple[Path, ...]:
    from rmsmp_hls.frontend.onnx.data_files import data_files

    files = [options.model, *data_files(options.model)]
    files += [options.data] if options.data else []
    if options.calib is not None:
        files += [options.calib]
        files += image_files(options.calib) if options.calib.is_dir() else []
    return tuple(files)


def _dependent(options: BuildOptions) -> tuple[str, ...]:
    """The rows of a checkpoint are given new formats by the quantize stage, not here."""
    return () if options.calib is None else ("ratio", "codebook")


IMPORT = Stage(
    "import", "1_import", ("images", *CALIBRATION), _run, _external, _dependent, ("data", "calib")
)
