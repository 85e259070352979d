"""Where the first number that is not finite is found."""

from __future__ import annotations

import pytest
import torch

from rmsmp_hls.train import RmsmpModel, calibrate, prepare
from rmsmp_hls.train.finite import first_bad_parameter, first_not_finite
from tests.trainer.samples import network


@pytest.fixture
def model() -> RmsmpModel:
    torch.manual_seed(0)
    found = prepare(network(), torch.rand(1, 1, 4, 4))
    calibrate(found, [torch.randn(8, 1, 4, 4)])
    return found.train()


@pytest.mark.parametrize("quantized", [False, True])
def test_nothing_is_found_where_nothing_is(model: RmsmpModel, quantized: bool) -> None:
    """A pass that is finite has no such place."""
    model.quantize_enabled(quantized)
    assert first_not_finite(model, torch.randn(8, 1, 4, 4)) == ""
    assert first_bad_parameter(model) == ""


def test_images_are_named_first(model: RmsmpModel) -> None:
    """What comes in bad is not the network's fault."""
    images = torch.randn(8, 1, 4, 4)
    images[3, 0, 1, 2] = torch.nan
    assert first_not_finite(model, images) == "the images of the batch"


@pytest.mark.parametrize("name", ["5.weight", "rmsmp.rows.5.log_factor"])
def test_parameters_are_named(model: RmsmpModel, name: str) -> None:
    """The network's own and the quantizers' scales."""
    dict(model.named_parameters())[name].data.flatten()[0] = torch.inf
    assert first_not_finite(model, torch.randn(8, 1, 4, 4)) == f"parameter {name!r}"
    assert first_bad_parameter(model) == name


@pytest.mark.parametrize("layer", ["0", "1", "5"])
def test_the_layer_that_overflows_is_named(model: RmsmpModel, layer: str) -> None:
    """Finite parameters whose product is not: that layer, not those behind it."""
    model.quantize_enabled(False)
    dict(model.named_parameters())[f"{layer}.weight"].data.fill_(3e38)
    images = torch.full((8, 1, 4, 4), 3.0) + torch.randn(8, 1, 4, 4)
    assert first_not_finite(model, images) == f"layer {layer!r}"


def test_running_statistics_count_in_what_is_kept(model: RmsmpModel) -> None:
    """They are not trained, but a network that has spoilt ones is not kept."""
    dict(model.named_buffers())["1.running_var"][0] = torch.nan
    assert first_bad_parameter(model) == "1.running_var"
