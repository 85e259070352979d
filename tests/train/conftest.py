"""Prepared models for the tests of train."""

from __future__ import annotations

import pytest
import torch

import rmsmp_hls.train as rt
from tests.frontend.models import Residual, randomized

SHAPE = (2, 8, 8)


def prepared(**options: object) -> rt.RmsmpModel:
    """Return a calibrated residual network with fixed weights."""
    torch.manual_seed(0)
    model = rt.prepare(randomized(Residual()), torch.zeros(1, *SHAPE), **options)  # type: ignore[arg-type]
    rt.calibrate(model, [torch.rand(32, *SHAPE)])
    return model


@pytest.fixture
def model() -> rt.RmsmpModel:
    return prepared(ratio="40:40:20")
