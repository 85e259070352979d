"""Open a model file, whatever kind it is: nothing in it is executed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rmsmp_hls.frontend.checkpoint import Checkpoint, load_checkpoint
from rmsmp_hls.ir.graph import FloatGraph


@dataclass(frozen=True)
class LoadedModel:
    """A network from a file.

    Attributes:
        graph: the float network, its constants bound.
        checkpoint: formats, scales and validation data, if the file carries them.
    """

    graph: FloatGraph
    checkpoint: Checkpoint | None = None


def load_model(path: str | Path) -> LoadedModel:
    """Read a model file.

    Raises:
        ModelImportError: the file is missing, damaged, unsafe, of no known kind, or holds what
            is not supported (all of it is listed).
    """
    checkpoint = load_checkpoint(path)
    return LoadedModel(checkpoint.graph, checkpoint)
