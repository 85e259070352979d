"""The training step's forward pass against `Run`: same losses, same gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rmsmp_hls.train as rt
from rmsmp_hls.train.execute import Run, lookup
from tests.frontend.models import Functional, Residual, randomized
from tests.train.conftest import SHAPE

SCALES = ("lsq", "pact", "fixed")


class Awkward(nn.Module):
    """Batch norm without factors and of its own, ReLU6, a bias before a ReLU, x + x, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.plain = nn.BatchNorm2d(4, affine=False, momentum=None)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.third = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(4)
        nn.init.uniform_(self.norm.bias, 0.1, 0.3)  # not on the edge of its ReLU
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.plain(self.first(x)))
        y = F.relu(self.second(y))
        y = self.third(y)
        y = F.relu(self.norm(F.max_pool2d(y + y, 2)))
        result: Tensor = self.fc(torch.flatten(F.adaptive_avg_pool2d(y, 1), 1))
        return result


def models(scale: str, name: str) -> tuple[rt.RmsmpModel, Tensor]:
    torch.manual_seed(0)
    nets = {"residual": Residual, "awkward": Awkward, "functional": Functional}
    net = nets[name]() if name == "awkward" else randomized(nets[name]())
    shape = (1, 8, 8) if name == "functional" else SHAPE
    for part in net.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    model = rt.prepare(net, torch.zeros(1, *shape), activation_scale=scale)  # type: ignore[arg-type]
    x = torch.rand(16, *shape)
    rt.calibrate(model, [x])
    with torch.no_grad():
        for quantizer in model.plan.quantizers:  # some clipped, some signed
            model.rmsmp.activation(quantizer.name).base.mul_(0.7)
    return model.double().train(), x.double()


def slow(model: rt.RmsmpModel, x: Tensor) -> Tensor:
    """The same by `Run`."""
    parameter, module = lookup(model)
    return Run(model.graph, model.plan, parameter, module, True, model.rmsmp)(x)


@pytest.mark.parametrize("name", ["residual", "awkward", "functional"])
@pytest.mark.parametrize("scale", SCALES)
def test_gradients_are_those_of_the_slow_run(scale: str, name: str) -> None:
    """Results, statistics and the gradients of all parameters and scales, in float64."""
    (model, x), (twin, _) = models(scale, name), models(scale, name)
    towards = torch.randn(16, 5, generator=torch.Generator().manual_seed(1)).double()
    torch.manual_seed(2)  # of the dropout
    found = model(x)
    torch.manual_seed(2)
    wanted = slow(twin, x)
    torch.testing.assert_close(found, wanted)
    (found * towards[:, : found.shape[1]]).sum().backward()
    (wanted * towards[:, : found.shape[1]]).sum().backward()
    for (key, a), (_, b) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), key
        if a.grad is not None and b.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, msg=key)
    for (key, a), (_, b) in zip(model.named_buffers(), twin.named_buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=key, equal_nan=True)


def test_a_watched_or_frozen_batch_norm_is_respected() -> None:
    """Hooks are called; frozen statistics are used and stay."""
    (model, x), (twin, _) = models("lsq", "residual"), models("lsq", "residual")
    seen: list[int] = []
    for one in (model, twin):
        one.bn1.register_forward_hook(lambda *_: seen.append(1))  # type: ignore[union-attr,operator]
        one.stem[1].eval()  # type: ignore[index,union-attr]
    before = model.stem[1].running_mean.clone()  # type: ignore[index,union-attr]
    torch.testing.assert_close(model(x), slow(twin, x))
    assert len(seen) == 2
    assert torch.equal(model.stem[1].running_mean, before)  # type: ignore[index,union-attr]


def test_channels_last_and_bfloat16_give_nearly_the_same() -> None:
    """Other memory formats and autocast reach the same loss and finite gradients."""
    model, x = models("lsq", "residual")
    model, x = model.float(), x.float()
    wanted = model(x)
    torch.testing.assert_close(
        model(x.contiguous(memory_format=torch.channels_last)), wanted, rtol=1e-3, atol=1e-3
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(x)
    spread = float(wanted.detach().std())
    assert float((found.float() - wanted).detach().std()) < 0.5 * spread
    found.float().square().mean().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters() if p.grad is not None)


def test_the_step_needs_no_slow_quantizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """In training neither the float64 quantizer of weights nor that of activations runs."""
    model, x = models("lsq", "residual")

    def refuse(*_: object) -> None:
        raise AssertionError("slow")

    monkeypatch.setattr("rmsmp_hls.train.state.quantize_rows", refuse)
    monkeypatch.setattr("rmsmp_hls.train.state.quantize_activation", refuse)
    model(x).sum().backward()
