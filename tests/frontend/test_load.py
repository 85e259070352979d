"""Opening a model file of any kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmsmp_hls.errors import ModelImportError
from rmsmp_hls.frontend.load import load_model
from tests.cli.models import save_model


def test_a_checkpoint_comes_with_its_formats(tmp_path: Path) -> None:
    """Graph and checkpoint."""
    graph = save_model(tmp_path / "model.pt")
    found = load_model(tmp_path / "model.pt")
    assert found.graph == graph
    assert found.checkpoint is not None
    assert found.checkpoint.graph == graph


def test_something_else_is_refused(tmp_path: Path) -> None:
    """With what it is."""
    (tmp_path / "model.pt").write_text("hello")
    with pytest.raises(ModelImportError, match="is not a PyTorch file"):
        load_model(tmp_path / "model.pt")
