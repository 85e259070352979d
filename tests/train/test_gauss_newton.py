"""All rows' curvature at once, against the full Hessian by autograd and numpy's eigenvalues."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.train import gauss_newton, output_curvature
from rmsmp_hls.train.hessian import linear_by_pieces
from rmsmp_hls.train.network import Network
from tests.frontend.models import randomized

Loss = Callable[[Tensor, Tensor], Tensor]


class Branched(nn.Module):
    """Grouped, strided and 1 x 1 convolutions, a residual add, pooling, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.b = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.c = nn.Conv2d(4, 3, 1, stride=2)
        self.fc = nn.Linear(27, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.a(x)))
        x = F.relu6(self.b(x) + x)
        return self.fc(torch.flatten(F.leaky_relu(self.c(x), 0.1), 1))


class Gated(nn.Module):
    """A smooth function behind the first layer, none behind the second."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 3, 2)
        self.fc = nn.Linear(27, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(torch.sigmoid(self.a(x)), 1))


def explicit(model: rt.RmsmpModel, key: str, loss: Loss, x: Tensor, y: Tensor) -> np.ndarray:
    """Return the eigenvalue of largest magnitude of each row's block of the full Hessian."""
    weight = model.state_dict()[key].detach()

    def value(changed: Tensor) -> Tensor:
        return loss(torch.func.functional_call(model, {key: changed}, (x,)), y)

    model.quantize_enabled(False).eval()
    size, cols = weight.numel(), weight[0].numel()
    hessian = torch.autograd.functional.hessian(value, weight).reshape(size, size).numpy()
    top = []
    for row in range(len(weight)):
        own = slice(row * cols, (row + 1) * cols)
        values = np.linalg.eigvalsh(hessian[own, own])
        top.append(values[np.abs(values).argmax()])
    return np.array(top)


def branched() -> tuple[rt.RmsmpModel, Tensor, Tensor]:
    torch.manual_seed(3)
    model = rt.prepare(randomized(Branched()).double(), torch.zeros(1, 2, 6, 6).double())
    return model, torch.randn(4, 2, 6, 6).double(), torch.randint(0, 5, (4,))


def summed(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return a loss that is neither convex nor a cross entropy."""
    return (torch.sin(outputs) * F.one_hot(targets, 5)).sum()


@pytest.mark.parametrize("loss", [F.cross_entropy, summed])
@pytest.mark.parametrize("kept", [1 << 28, 500])
def test_all_rows_have_the_full_hessians_eigenvalues(
    loss: Loss, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row of every layer, whatever is kept at once, also where curvature is negative."""
    monkeypatch.setattr(gauss_newton, "_KEPT", kept)
    model, x, y = branched()
    found = rt.row_eigenvalues(
        model, loss, (x, y), iterations=500, tolerance=1e-9, curvature="gauss-newton"
    )
    for op in model.layers():
        want = explicit(model, op.weight, loss, x, y)
        assert found[op.name].numpy() == pytest.approx(want, rel=1e-3, abs=1e-9), op.name
        assert np.abs(want).max() > 0


def test_double_backward_finds_the_same() -> None:
    """Both ways give the same numbers where the network is linear by pieces."""
    model, x, y = branched()
    options = {"iterations": 300, "tolerance": 1e-7}
    slow = rt.row_eigenvalues(model, F.cross_entropy, (x, y), curvature="hessian", **options)
    fast = rt.row_eigenvalues(model, F.cross_entropy, (x, y), **options)
    for name, values in slow.items():
        assert values.numpy() == pytest.approx(fast[name].numpy(), rel=1e-3, abs=1e-9)


def test_smooth_functions_behind_a_layer_need_double_backward() -> None:
    """ "auto" is the Hessian everywhere; Gauss-Newton alone is not, before a sigmoid."""
    torch.manual_seed(1)
    model = rt.prepare(Gated().double(), torch.zeros(1, 1, 4, 4).double())
    assert [op.name for op in linear_by_pieces(Network.of(model))] == ["fc"]
    x, y = torch.randn(5, 1, 4, 4).double(), torch.randint(0, 3, (5,))
    options = {"iterations": 300, "tolerance": 1e-7}
    found = rt.row_eigenvalues(model, F.cross_entropy, (x, y), **options)
    rough = rt.row_eigenvalues(model, F.cross_entropy, (x, y), curvature="gauss-newton", **options)
    for name in ("a", "fc"):
        want = explicit(model, f"{name}.weight", F.cross_entropy, x, y)
        assert found[name].numpy() == pytest.approx(want, rel=1e-3), name
    assert not np.allclose(rough["a"], found["a"], rtol=1e-2)


def test_shared_weights_need_double_backward() -> None:
    """A layer that is used twice is not linear in its weights."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)
            self.fc = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(F.relu(self.a(F.relu(self.a(x)))))

    torch.manual_seed(2)
    model = rt.prepare(Twice().double(), torch.zeros(1, 4).double())
    assert [op.weight for op in linear_by_pieces(Network.of(model))] == ["fc.weight"]
    x, y = torch.randn(6, 4).double(), torch.randint(0, 3, (6,))
    found = rt.row_eigenvalues(model, F.cross_entropy, (x, y), iterations=300, tolerance=1e-7)
    want = explicit(model, "a.weight", F.cross_entropy, x, y)
    for op in model.layers():
        if op.weight == "a.weight":
            assert found[op.name].numpy() == pytest.approx(want, rel=1e-3, abs=1e-9)


def test_losses_that_tie_images_together_are_seen() -> None:
    """ "auto" goes back to double backward; "gauss-newton" says why it cannot."""
    model, x, y = branched()

    def tied(outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.mean(0).pow(2).sum()

    options = {"iterations": 300, "tolerance": 1e-7}
    found = rt.row_eigenvalues(model, tied, (x, y), **options)
    want = explicit(model, "fc.weight", tied, x, y)
    assert found["fc"].numpy() == pytest.approx(want, rel=1e-3)
    with pytest.raises(ConfigError, match="between images"):
        rt.row_eigenvalues(model, tied, (x, y), curvature="gauss-newton")


def test_a_loss_linear_in_the_outputs_has_no_curvature() -> None:
    """All eigenvalues are 0, not an error."""
    model, x, y = branched()
    found = rt.row_eigenvalues(model, lambda outputs, _: outputs.sum(), (x, y))
    assert all(not values.any() for values in found.values())


def test_too_many_outputs_are_refused_only_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """ "auto" takes double backward instead."""
    monkeypatch.setattr(output_curvature, "MOST_OUTPUTS", 4)
    monkeypatch.setattr("rmsmp_hls.train.hessian.MOST_OUTPUTS", 4)
    model, x, y = branched()
    with pytest.raises(ConfigError, match="5 outputs"):
        rt.row_eigenvalues(model, F.cross_entropy, (x, y), curvature="gauss-newton")
    found = rt.row_eigenvalues(model, F.cross_entropy, (x, y), iterations=2)
    assert all(values.any() for values in found.values())
