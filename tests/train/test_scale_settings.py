"""Every way that scales train: losses fall, settings are kept, integers agree."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import rmsmp_hls.train as rt
from rmsmp_hls import reference
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.frontend.checkpoint import load_checkpoint
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.passes.lower import lower
from rmsmp_hls.quant.quantize import quantize
from tests.frontend.models import Residual
from tests.train.conftest import SHAPE, prepared
from tests.train.test_training import task

ACTIVATIONS = ("lsq", "pact", "fixed")
WEIGHTS = ("lsq", "refit")
FITS = ("mse", "max-abs", "max-abs-row")


@pytest.mark.parametrize(
    ("activation", "weight", "fit"), list(itertools.product(ACTIVATIONS, WEIGHTS, FITS))
)
def test_training_reduces_the_loss_and_integers_agree(
    activation: str, weight: str, fit: str, tmp_path: Path
) -> None:
    """Scales learn where they should; the saved file's integer model is evaluation mode's."""
    options = {"activation_scale": activation, "weight_scale": weight, "weight_fit": fit}
    model = prepared(ratio="50:40:10", **options)
    before = rt.export_params(model)
    images, labels = task()
    optimizer = torch.optim.Adam(rt.parameter_groups(model), lr=6e-3)
    torch.manual_seed(3)
    model.train()
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.85 * losses[0]
    after = rt.export_params(model.eval())
    moved = [after.activations[n].scale != before.activations[n].scale for n in after.activations]
    # PACT's scales learn from clipped numbers only: not every tensor has some.
    assert sum(moved) > 0.5 * len(moved) if activation != "fixed" else not any(moved)
    for name, rows in after.rows.items():
        assert (rows.scales != before.rows[name].scales) == (weight == "lsq"), name
    saved = rt.save(model, tmp_path / "net.pt", validation=(images[:8], labels[:8]))
    loaded = load_checkpoint(tmp_path / "net.pt")
    assert loaded == saved and {key: loaded.meta[key] for key in options} == options
    codes = {name: t.numpy() for name, t in model.codes(images).items()}
    integer = lower(quantize(loaded.graph, loaded.params))
    tensors = reference.run(integer, codes["x"])
    for name, found in tensors.items():
        if name != integer.output:
            assert (found != codes[name]).mean() < 0.03, name


@pytest.mark.parametrize("fit", FITS)
def test_scales_are_fitted_as_asked(fit: str) -> None:
    """Max-abs puts the layer's, or the row's, largest weight on the largest level."""
    model = prepared(weight_fit=fit)
    for op in model.layers():
        rows, weight = model.rmsmp.row(op.name), model.weight(op).detach().flatten(1).double()
        largest = weight.abs().amax(1) if fit == "max-abs-row" else weight.abs().max()
        tops = torch.tensor([codebook(name).max_magnitude for name in rows.names])
        same = torch.allclose(rows.scales().detach() * tops, largest.expand(len(tops)))
        assert same == (fit != "mse"), op.name


def test_refit_scales_follow_the_weights_at_an_assignment() -> None:
    """Not between; rows that keep their format too."""
    model = prepared(weight_scale="refit")
    before = model.rmsmp.row("conv1").scales().detach()
    with torch.no_grad():
        model.weight(next(op for op in model.layers() if op.name == "conv1")).mul_(3)
    assert torch.equal(model.rmsmp.row("conv1").scales(), before)
    rt.assign(model, rt.table_of(model))
    torch.testing.assert_close(model.rmsmp.row("conv1").scales(), 3 * before)


def test_a_state_dict_keeps_the_settings() -> None:
    """It restores them; one of before there were settings means the defaults."""
    old = prepared(activation_scale="pact", weight_scale="refit", weight_fit="max-abs")
    fresh = rt.prepare(Residual(), torch.zeros(1, *SHAPE))
    fresh.load_state_dict(old.state_dict())
    assert fresh.rmsmp.settings == rt.ScaleSettings("pact", "refit", "max-abs")
    assert not fresh.rmsmp.row("conv1").log_factor.requires_grad
    assert fresh.rmsmp.activation("x").clips
    earlier = {k: v for k, v in prepared().state_dict().items() if k != "rmsmp.choices"}
    fresh.load_state_dict(earlier)
    assert fresh.rmsmp.settings == rt.ScaleSettings()
    assert fresh.rmsmp.row("conv1").log_factor.requires_grad
    pact = prepared(activation_scale="pact")
    pact.load_state_dict(Residual().state_dict())  # of the float network: nothing is said
    assert pact.rmsmp.settings.activation_scale == "pact"


def test_unknown_settings_are_listed() -> None:
    """All of them at once, with what there is."""
    with pytest.raises(ConfigError, match="refit") as caught:
        prepared(activation_scale="best", weight_scale="worst", weight_fit="odd")
    assert len(caught.value.findings) == 3
    assert "pact" in str(caught.value) and "max-abs-row" in str(caught.value)


def test_the_clip_penalty_is_the_sum_of_squared_clips() -> None:
    """alpha = scale * largest code; its gradient pulls every scale down."""
    model = prepared(activation_scale="pact")
    forms = rt.export_params(model).activations.values()
    penalty = rt.clip_penalty(model)
    assert float(penalty.detach()) == pytest.approx(sum((f.scale * f.high) ** 2 for f in forms))
    penalty.backward()
    for name in model.rmsmp.names:
        grad = model.rmsmp.activation(name).log_factor.grad
        assert grad is not None and float(grad) > 0
    assert np.isfinite(float(penalty.detach()))
