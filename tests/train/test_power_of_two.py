"""Activation scales that are powers of two."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import rmsmp_hls.train as rt
from rmsmp_hls.errors import ConfigError
from rmsmp_hls.train.calibrate import Observer, set_scales
from rmsmp_hls.train.power_of_two import nearest_power, powers_near
from rmsmp_hls.train.state import ActivationQuantizer, QuantState
from tests.train.conftest import SHAPE, prepared


def test_the_nearest_power_in_the_logarithm() -> None:
    """Exact powers; the gradient is that of an exponent that is not rounded."""
    log = torch.tensor([-1.3, 0.2, 2.49, 5.0], dtype=torch.float64, requires_grad=True)
    power = nearest_power(torch.exp2(log))
    assert power.tolist() == [0.5, 1.0, 4.0, 32.0]
    power.sum().backward()
    assert log.grad is not None
    assert log.grad.tolist() == pytest.approx([p * math.log(2) for p in power.tolist()])


def test_powers_beside_a_scale() -> None:
    """Two below, two above."""
    assert powers_near(0.3) == (0.125, 0.25, 0.5, 1.0)
    assert powers_near(4.0) == (2.0, 4.0, 8.0, 16.0)


@pytest.mark.parametrize("method", ["mse", "percentile"])
def test_calibration_takes_the_power_of_least_error(method: str) -> None:
    """No other power of two has a smaller squared error."""
    quantizer = ActivationQuantizer(4, True)
    state = QuantState({"x": quantizer}, {})
    state.restrict(1, True)
    values = torch.randn(5000, generator=torch.Generator().manual_seed(3)).double() * 3
    seen = Observer()
    seen.see(values)
    set_scales(state, {"x": seen}, "", method, 99.9)  # type: ignore[arg-type]
    scale = float(quantizer.scale().detach())

    def error(s: float) -> float:
        return float(((torch.floor(values / s + 0.5).clamp(-7, 7) * s - values) ** 2).sum())

    assert math.log2(scale).is_integer()
    assert all(error(scale) <= error(2.0**e) for e in range(-6, 6))


def test_the_binary_point_is_trained() -> None:
    """A step large enough moves an exponent; scales are powers of two before and after."""
    model = prepared(multipliers="po2", scale_values="po2", ratio="65:30:5")
    before = {n: f.scale for n, f in rt.export_params(model).activations.items()}
    assert all(math.log2(scale).is_integer() for scale in before.values())
    scales = [p for n, p in model.named_parameters() if "activations" in n]
    loss = F.mse_loss(model(torch.rand(8, *SHAPE)), torch.full((8, 5), 50.0))
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad) for p in scales)
    assert any(float(p.grad.abs()) > 0 for p in scales if p.grad is not None)
    with torch.no_grad():
        for parameter in scales:
            parameter -= torch.sign(parameter.grad) if parameter.grad is not None else 0.0
    after = {n: f.scale for n, f in rt.export_params(model).activations.items()}
    assert all(math.log2(scale).is_integer() for scale in after.values())
    assert after != before


def test_other_words_are_refused() -> None:
    """With what there is."""
    with pytest.raises(ConfigError, match="'free' or 'po2'"):
        prepared(scale_values="pow2")
