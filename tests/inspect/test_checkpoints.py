"""Checkpoints: the network and the codes that its weights become."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from rmsmp_hls.frontend.checkpoint import Checkpoint, save_checkpoint
from rmsmp_hls.inspect import inspect_artefact
from tests.networks import params_for, residual_network


def test_a_checkpoint_shows_its_network_and_its_codes(tmp_path: Path) -> None:
    """Facts of the training, float parameters, rows, scales and codes."""
    graph = residual_network()
    path = tmp_path / "model.pt"
    meta = {"float_accuracy": 0.97, "note\x1b": "from a test"}
    save_checkpoint(path, Checkpoint(graph, params_for(graph), meta=meta))
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(inspect_artefact(path, 140))
    text = out.getvalue()
    assert text.startswith("Checkpoint: a trained network with its quantization\n")
    assert "float_accuracy: 0.97" in text
    assert "\x1b" not in text
    assert "shift-add codebook: SP2-4" in text
    assert "Parameters" in text
    assert "Row scale min / median / max" in text
    assert "Weight codes" in text
