"""Opens a model file, whichever of the readable kinds it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.frontend.checkpoint import Checkpoint, load_checkpoint
from rmsmp_hls.frontend.onnx.load import read_onnx
from rmsmp_hls.frontend.onnx.wire import is_onnx_file
from rmsmp_hls.frontend.pt2 import is_exported_program, read_exported_program
from rmsmp_hls.ir.graph import FloatGraph


@dataclass(frozen=True)
class LoadedModel:
    """What a model file holds.

    Attributes:
        graph: the float network, its constants bound.
        checkpoint: everything of an RMSMP checkpoint, or of an ONNX file with quantizers of
            its own; None for a float network, which is not quantized yet.
        notes: what of the file is left to the host or changed on purpose, in sentences.
    """

    graph: FloatGraph
    checkpoint: Checkpoint | None = None
    notes: tuple[str, ...] = ()


def load_model(path: str | Path) -> LoadedModel:
    """Read an RMSMP checkpoint, a file of torch.export.save, or an ONNX or QONNX file.

    The kind is told by the content. No code in the file is run.

    Raises:
        ModelImportError: the file is none of them, or cannot be read; see `load_checkpoint`,
            `read_exported_program` and `read_onnx`.
    """
    if is_exported_program(path):
        read = read_exported_program(path)
        return LoadedModel(read.graph, None, read.notes)
    if is_onnx_file(path):
        network = read_onnx(path)
        params = network.params
        checkpoint = None if params is None else Checkpoint(network.graph, params)
        return LoadedModel(network.graph, checkpoint, network.notes)
    checkpoint = load_checkpoint(path)
    return LoadedModel(checkpoint.graph, checkpoint)
