"""Every operation that is imported computes what torch computes; all others are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from tests.frontend.execute_float import assert_computes_the_same
from tests.frontend.models import randomized
from tests.frontend.operations import IMAGE, IMAGES, LAYERS, LINE, LINES, Fn


@pytest.mark.parametrize("name", IMAGES)
def test_functions_of_images(name: str, tmp_path: Path) -> None:
    """In memory and from a file, the graph's result is the module's."""
    assert_computes_the_same(Fn(IMAGES[name]), IMAGE, tmp_path / "net.pt2")


@pytest.mark.parametrize("name", LINES)
def test_functions_of_lines(name: str, tmp_path: Path) -> None:
    """One-dimensional networks are images of one line."""
    net = Fn(LINES[name], nn.Conv1d(4, 4, 1))
    assert_computes_the_same(net, LINE, tmp_path / "net.pt2")


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, tmp_path: Path) -> None:
    """Layers with their parameters."""
    make, shape = LAYERS[name]
    assert_computes_the_same(randomized(make()), shape, tmp_path / "net.pt2")
