"""Learning rates and parameter groups."""

from __future__ import annotations

import math

import pytest
import torch

from rmsmp_hls.config.training import PhaseSettings
from rmsmp_hls.train import prepare
from rmsmp_hls.trainer.schedule import lr_factor, make_optimizer, set_lr
from tests.trainer.samples import network


def test_warm_up_then_cosine() -> None:
    """Linear to 1 over two epochs, then half a cosine to the last rate."""
    settings = PhaseSettings(6, lr=0.5, final_lr=0.05, warmup_epochs=2)
    factors = [lr_factor(settings, step, 5) for step in range(30)]
    assert factors[:10] == pytest.approx([(n + 1) / 10 for n in range(10)])
    expected = [0.1 + 0.9 * (1 + math.cos(math.pi * n / 20)) / 2 for n in range(20)]
    assert factors[10:] == pytest.approx(expected)


def test_scales_have_their_own_rate_and_no_decay() -> None:
    """The three groups of `parameter_groups`, each scaled from its own highest rate."""
    model = prepare(network(), torch.rand(1, 1, 4, 4))
    settings = PhaseSettings(1, "sgd", lr=0.1, scale_lr=0.02, weight_decay=0.5)
    optimizer = make_optimizer(model, settings)
    set_lr(optimizer, 0.5)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.05, 0.05, 0.01])
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0.5, 0.0, 0.0]
