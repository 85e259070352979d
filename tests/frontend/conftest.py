"""Fixtures that several tests of the frontend share."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from tests.frontend.exported import export
from tests.frontend.models import Residual, randomized


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, bytes]:
    """A network, and the bytes of its file."""
    net = randomized(Residual()).eval()
    return net, export(net, tmp_path_factory.mktemp("pt2") / "net.pt2").read_bytes()


@pytest.fixture
def saved(residual: tuple[nn.Module, bytes], tmp_path: Path) -> Path:
    """A fresh copy of the file."""
    path = tmp_path / "net.pt2"
    path.write_bytes(residual[1])
    return path
