"""ADMM regularization against the same in numpy, and that it does what it is for."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError, QuantizationError
from rmsmp_hls.numerics.codebooks import codebook
from rmsmp_hls.quant.rows import quantize_row
from tests.train.conftest import prepared
from tests.train.test_training import task


def weights(model: rt.RmsmpModel) -> dict[str, np.ndarray]:
    return {op.name: model.weight(op).detach().double().numpy() for op in model.layers()}


def nearest(model: rt.RmsmpModel, layer: str, weight: np.ndarray) -> np.ndarray:
    """Row by row, number by number."""
    row = model.rmsmp.row(layer)
    scales = row.scales().detach().numpy()
    parts = [
        quantize_row(weight[i], scales[i], codebook(name)) * scales[i]
        for i, name in enumerate(row.names)
    ]
    return np.stack(parts)


def shaken(model: rt.RmsmpModel) -> None:
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for op in model.layers():
            weight = model.weight(op)
            weight += 0.02 * torch.randn(weight.shape, generator=generator)


def test_it_is_the_formula(model: rt.RmsmpModel) -> None:
    """Z, U and the penalty over three updates, between which the weights move."""
    admm = rt.Admm(model, rho=0.3)
    dual = {name: np.zeros_like(weight) for name, weight in weights(model).items()}
    levels = {name: nearest(model, name, weight) for name, weight in weights(model).items()}
    for _ in range(3):
        shaken(model)
        now = weights(model)
        want = sum(((now[n] - levels[n] + dual[n]) ** 2).sum() for n in now) * 0.3 / 2
        assert float(admm.penalty().detach()) == pytest.approx(want, rel=1e-4)
        for name, weight in now.items():
            levels[name] = nearest(model, name, weight + dual[name])
            dual[name] = dual[name] + weight - levels[name]
        admm.update()
        for name in now:
            assert admm.auxiliary[name].numpy() == pytest.approx(levels[name], abs=1e-6)
            assert admm.dual[name].numpy() == pytest.approx(dual[name], abs=1e-6)
    off = np.concatenate([(w - nearest(model, n, w)).ravel() for n, w in weights(model).items()])
    assert admm.distance() == pytest.approx(np.sqrt((off**2).mean()), rel=1e-5)


def test_its_gradient_is_rho_times_the_difference(model: rt.RmsmpModel) -> None:
    """To the weights, and to nothing else."""
    admm = rt.Admm(model, rho=0.5)
    shaken(model)
    admm.penalty().backward()
    for op in model.layers():
        weight = model.weight(op)
        assert weight.grad is not None
        torch.testing.assert_close(weight.grad, 0.5 * (weight.detach() - admm.auxiliary[op.name]))
    assert all(p.grad is None for name, p in model.named_parameters() if "rmsmp" in name)


def trained(rho: float) -> tuple[float, float]:
    """Train 80 steps, an update every 32; return the distances to the levels before and after."""
    model = prepared(ratio="50:40:10").train()
    images, labels = task()
    admm = rt.Admm(model, rho or 1.0)
    before = admm.distance()
    optimizer = torch.optim.SGD(rt.parameter_groups(model, scale_lr=1e-4), lr=0.02, momentum=0.9)
    torch.manual_seed(1)
    for step in range(80):
        if step and step % 32 == 0:
            admm.update()
        part = slice(32 * (step % 4), 32 * (step % 4) + 32)
        loss = F.cross_entropy(model(images[part]), labels[part])
        if rho:
            loss = loss + admm.penalty()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return before, admm.distance()


def test_weights_are_pulled_to_their_levels() -> None:
    """The distance falls; without the penalty the same training makes it grow."""
    before, after = trained(rho=1.0)
    same, without = trained(rho=0.0)
    assert same == before and after < 0.8 * before and without > before
    assert after < 0.5 * without


def test_a_training_that_goes_on_ends_the_same() -> None:
    """Model and ADMM state, loaded into fresh ones, give the same penalty and updates."""
    first, second = prepared(ratio="50:40:10"), prepared(ratio="50:40:10")
    admm = rt.Admm(first, rho=0.1)
    shaken(first)
    admm.update()
    saved = copy.deepcopy((first.state_dict(), admm.state_dict()))
    shaken(first)
    admm.update()
    second.load_state_dict(saved[0])
    again = rt.Admm(second, rho=0.1)
    again.load_state_dict(saved[1])
    shaken(second)
    again.update()
    assert torch.equal(admm.penalty(), again.penalty())
    assert all(torch.equal(admm.dual[n], again.dual[n]) for n in admm.dual)


def test_what_does_not_fit_is_refused(model: rt.RmsmpModel) -> None:
    """Strengths that mean nothing, another network's state, weights that are no numbers."""
    for rho in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="above 0"):
            rt.Admm(model, rho=rho)
    admm = rt.Admm(model)
    state = admm.state_dict()
    state["dual"]["fc"] = torch.zeros(3, 3)
    state["auxiliary"].pop("conv1")
    state["auxiliary"]["conv9"] = torch.zeros(1)
    with pytest.raises(QuantizationError) as caught:
        admm.load_state_dict(state)
    assert [finding.where for finding in caught.value.findings] == [
        "layer 'conv1', auxiliary", "layer 'conv9', auxiliary", "layer 'fc', dual",
    ]  # fmt: skip
    before = {name: tensor.clone() for name, tensor in admm.dual.items()}
    with torch.no_grad():
        dict(model.named_parameters())["conv2.weight"][0] = torch.nan
    with pytest.raises(QuantizationError, match="layer 'conv2'"):
        admm.update()
    assert all(torch.equal(before[name], tensor) for name, tensor in admm.dual.items())


def test_rows_of_zeros_and_of_one_element_are_no_trouble() -> None:
    """They are on a level already, and stay finite."""
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 1, bias=False), torch.nn.Flatten())
    with torch.no_grad():
        net[0].weight[2] = 0.0
    model = rt.prepare(net, torch.zeros(1, 1, 2, 2))
    admm = rt.Admm(model)
    admm.update()
    assert float(admm.penalty().detach()) == pytest.approx(0.0, abs=1e-9)
    assert admm.distance() < 1e-3
