"""Opens a model file, whichever of the readable kinds it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.frontend.checkpoint import Checkpoint, load_checkpoint
from rmsmp_hls.frontend.pt2 import is_exported_program, read_exported_program
from rmsmp_hls.ir.graph import FloatGraph


@dataclass(frozen=True)
class LoadedModel:
    """What a model file holds.

    Attributes:
        graph: the float network, its constants bound.
        checkpoint: everything of an RMSMP checkpoint; None for an exported float network,
            which is not quantized yet.
        notes: what of the file is left to the host or changed on purpose, in sentences.
    """

    graph: FloatGraph
    checkpoint: Checkpoint | None = None
    notes: tuple[str, ...] = ()


def load_model(path: str | Path) -> LoadedModel:
    """Read an RMSMP checkpoint or a file of torch.export.save. No code in the file is run.

    Raises:
        ModelImportError: the file is neither, or cannot be read; see `load_checkpoint` and
            `read_exported_program`.
    """
    if is_exported_program(path):
        read = read_exported_program(path)
        return LoadedModel(read.graph, None, read.notes)
    checkpoint = load_checkpoint(path)
    return LoadedModel(checkpoint.graph, checkpoint)
