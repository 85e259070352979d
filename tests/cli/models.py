"""A small checkpoint and images, for commands that really run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rmsmp_hls.frontend.checkpoint import Checkpoint, Validation, save_checkpoint
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import ConstTensor
from tests.networks import params_for, residual_network

META = {"float_accuracy": 0.75, "fake_quantized_accuracy": 0.5, "note": "kept"}


def images(count: int, seed: int = 0) -> np.ndarray:
    """Return images [N, 3, 9, 7] for `residual_network`."""
    return np.random.default_rng(seed).normal(size=(count, 3, 9, 7)).astype(np.float32)


def save_model(
    path: Path, graph: FloatGraph | None = None, *, validation: bool = False
) -> FloatGraph:
    """Write a checkpoint of `graph`, by default `residual_network`, and return the graph."""
    graph = residual_network() if graph is None else graph
    data = None
    if validation:
        labels = np.arange(8) % 5
        data = Validation(ConstTensor(images(8, 1)), ConstTensor(labels))
    save_checkpoint(path, Checkpoint(graph, params_for(graph), data, META))
    return graph
