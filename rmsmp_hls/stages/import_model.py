"""import: the model file becomes a FloatGraph, its quantization parameters and test data."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from rmsmp_hls.config import BuildOptions
from rmsmp_hls.ir.serialize import graph_files
from rmsmp_hls.ir.verify import verify
from rmsmp_hls.quant.params_json import params_to_json
from rmsmp_hls.stages.data import load_data
from rmsmp_hls.stages.stage import Stage, StageContext, StageResult
from rmsmp_hls.store import digest_file


def _run(context: StageContext) -> StageResult:
    from rmsmp_hls.frontend.checkpoint import load_checkpoint  # imports torch

    options = context.options
    checkpoint = load_checkpoint(options.model)
    verify(checkpoint.graph, "import")
    files = graph_files(checkpoint.graph, "float")
    params = json.dumps(params_to_json(checkpoint.params), indent=1, sort_keys=True)
    files["params.json"] = (params + "\n").encode()
    data = load_data(options, checkpoint)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **data.arrays())
    files["data.npz"] = buffer.getvalue()
    facts = {
        "summary": f"{len(checkpoint.graph.ops)} operations, {len(data.inputs)} {data.origin}",
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


def _text(name: str) -> str:
    """Return a file name with bytes that are no UTF-8 written out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _external(options: BuildOptions) -> tuple[Path, ...]:
    return (options.model, *((options.data,) if options.data else ()))


IMPORT = Stage("import", "1_import", ("images",), _run, _external)
