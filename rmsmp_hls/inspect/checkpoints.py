"""Trained checkpoints. Importing this module imports torch."""

from __future__ import annotations

from pathlib import Path

from rich.console import ConsoleRenderable, Group
from rich.text import Text

from rmsmp_hls.errors import LoweringError, QuantizationError
from rmsmp_hls.frontend.checkpoint import Checkpoint, load_checkpoint
from rmsmp_hls.inspect.graphs import graph_parts
from rmsmp_hls.inspect.layout import page
from rmsmp_hls.quant.quantize import quantize
from rmsmp_hls.report import words


def checkpoint_view(path: Path, width: int) -> ConsoleRenderable:
    """Return a checkpoint: its network, and the codes that its weights become.

    Raises:
        ModelImportError: the file is no checkpoint, damaged, or not safe to read.
    """
    checkpoint = load_checkpoint(path)
    parts = graph_parts(checkpoint.graph, width)
    try:
        parts += graph_parts(quantize(checkpoint.graph, checkpoint.params), width)
    except (LoweringError, QuantizationError) as error:
        message = Text("\nnot quantized: " + words.shorten(error.message(), 2000), style="yellow")
        parts.append(Group(message))
    return page(
        "Checkpoint: a trained network with its quantization", _facts(checkpoint, path), *parts
    )


def _facts(checkpoint: Checkpoint, path: Path) -> list[tuple[str, str]]:
    params, validation = checkpoint.params, checkpoint.validation
    images = "none" if validation is None else words.count(validation.inputs.shape[0])
    facts = [
        ("file", f"{path}, {words.size(path.stat().st_size)}"),
        ("input", words.shape(checkpoint.graph.input.shape)),
        ("ratio asked", words.ratio(params.ratio)),
        ("shift-add codebook", params.codebook),
        ("first and last layers", params.first_last),
        ("activation bits", str(params.activation_bits)),
        ("images to validate with", images),
    ]
    facts += [(str(key), str(value)) for key, value in sorted(checkpoint.meta.items())]
    return [(words.shorten(name, 40), value) for name, value in facts]
