"""How well few probes rank rows: against the exact eigenvalues, where those can be had."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rmsmp_hls.train as rt
from rmsmp_hls.train.network import Network
from tests.train.test_gauss_newton import explicit

OUTPUTS = 40


def network() -> tuple[rt.RmsmpModel, Tensor, Tensor]:
    """A small trained network of more outputs than probes; rows matter unequally."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(72, 12), nn.ReLU(), nn.Linear(12, OUTPUTS),
    ).double()  # fmt: skip
    x, y = torch.randn(24, 2, 6, 6).double(), torch.randint(0, OUTPUTS, (24,))
    with torch.no_grad():
        for layer in (net[0], net[5], net[7]):
            layer.weight *= (
                torch.linspace(0.3, 2.0, len(layer.weight))
                .double()
                .reshape(-1, *[1] * (layer.weight.dim() - 1))
            )
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return rt.prepare(net.eval(), x[:1]), x, y


def agreement(exact: np.ndarray, found: np.ndarray) -> float:
    """Return Kendall's tau: pairs in the same order less those in the other, of all that differ."""
    upper = np.triu_indices(len(exact), 1)
    order = np.sign(np.subtract.outer(exact, exact))[upper]
    same = order * np.sign(np.subtract.outer(found, found))[upper]
    return float(same[order != 0].mean())


@pytest.fixture(scope="module")
def ranked() -> tuple[rt.RmsmpModel, Tensor, Tensor, dict[str, np.ndarray]]:
    model, x, y = network()
    exact = {
        op.name: np.abs(explicit(model, op.weight, F.cross_entropy, x, y)) for op in model.layers()
    }
    return model, x, y, exact


def check(
    found: dict[str, np.ndarray], exact: dict[str, np.ndarray], tau: float, off: float
) -> None:
    """Compare the order, and the errors with the layer's largest eigenvalue."""
    for name, values in exact.items():
        assert agreement(values, found[name]) >= tau, name
        assert np.abs(found[name] - values).max() <= off * values.max(), name
        assert int(np.argmax(found[name])) == int(np.argmax(values)), name


@pytest.mark.parametrize(("probes", "tau", "off"), [(8, 0.85, 0.2), (20, 0.9, 0.15)])
@pytest.mark.parametrize("seed", range(3))
def test_few_probes_rank_rows_as_the_exact_eigenvalues(
    ranked: tuple[rt.RmsmpModel, Tensor, Tensor, dict[str, np.ndarray]],
    probes: int,
    tau: float,
    off: float,
    seed: int,
) -> None:
    """8 and 20 probes for 40 outputs, with the usual iterations and tolerance."""
    model, x, y, exact = ranked
    found = rt.HessianScore(F.cross_entropy, (x, y), seed=seed, probes=probes)(Network.of(model))
    check(dict(found), exact, tau, off)


def test_enough_probes_are_exact_but_for_the_tolerance(
    ranked: tuple[rt.RmsmpModel, Tensor, Tensor, dict[str, np.ndarray]],
) -> None:
    """As many as there are outputs: what is left is the power iteration's own error; with
    iterations enough, nothing."""
    model, x, y, exact = ranked
    network = Network.of(model)
    check(dict(rt.HessianScore(F.cross_entropy, (x, y))(network)), exact, 0.95, 0.1)
    long = rt.HessianScore(F.cross_entropy, (x, y), iterations=400, tolerance=1e-8)(network)
    check(dict(long), exact, 0.99, 1e-3)
