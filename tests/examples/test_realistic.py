"""Networks made realistic compute: no layer dies, none explodes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

SMALLER = ("resnet18", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2", "squeezenet", "yolo")


def small_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def deviations(net: nn.Module, images: Tensor) -> dict[str, tuple[float, float]]:
    """Return layer -> (deviation, share of still channels) of every layer's result.

    A channel is still if all its pixels are equal in all images; single pixels do not count.
    """
    found: dict[str, tuple[float, float]] = {}

    def hook(name: str) -> object:
        def note(layer: nn.Module, inputs: object, output: Tensor) -> None:
            still = output.transpose(0, 1).flatten(1).std(1) == 0
            share = float(still.float().mean()) if output[0].numel() > output.shape[1] else 0.0
            found[name] = (float(output.std()), share)

        return note

    for name, layer in net.named_modules():
        if not list(layer.children()) and not isinstance(layer, (nn.Conv2d, nn.Identity)):
            layer.register_forward_hook(hook(name))  # type: ignore[arg-type]
    with torch.no_grad():
        net(images)
    return found


def test_statistics_are_those_of_the_images() -> None:
    """After one batch, a batch norm's result has its own weight as deviation, its bias as mean."""
    from networks.images import natural_images
    from networks.realistic import make_realistic

    images = torch.from_numpy(natural_images(4, (3, 33, 33)))
    net = make_realistic(small_network(), images)
    assert not net.training
    norm = net[1]
    assert norm.momentum == 0.1  # as it was
    with torch.no_grad():
        result = norm(net[0](images)).transpose(0, 1).flatten(1)
    assert torch.allclose(result.mean(1), norm.bias, atol=1e-3)
    assert torch.allclose(result.std(1), norm.weight, rtol=1e-2)
    assert norm.weight.std() > 0.1 and norm.bias.std() > 0.1


def test_weights_have_long_tails_and_unequal_rows() -> None:
    """More extreme than normal ones (kurtosis over 3); the size of rows differs by much."""
    from networks.realistic import make_realistic

    net = make_realistic(small_network(), torch.randn(4, 3, 33, 33))
    rows = net[3].weight.detach().flatten(1).double()
    scaled = rows / rows.std(1, keepdim=True)
    assert scaled.pow(4).mean() > 3.5
    sizes = rows.std(1)
    assert sizes.max() / sizes.min() > 2
    assert rows.std() == pytest.approx((2 / rows.shape[1]) ** 0.5, rel=0.2)


def test_a_seed_gives_one_network() -> None:
    """The same seed the same parameters, another seed others; torch's own seed does not matter."""
    from networks.realistic import make_realistic

    images = torch.randn(4, 3, 33, 33)
    net = small_network()
    one = make_realistic(copy.deepcopy(net), images, seed=3).state_dict()
    torch.manual_seed(99)
    again = make_realistic(copy.deepcopy(net), images, seed=3).state_dict()
    other = make_realistic(copy.deepcopy(net), images, seed=4).state_dict()
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(one["0.weight"], other["0.weight"])


def test_statistics_take_two_images() -> None:
    """One image has no variance at a layer of one pixel."""
    from networks.realistic import make_realistic

    with pytest.raises(ValueError, match="2 images"):
        make_realistic(small_network(), torch.randn(1, 3, 33, 33))


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLER)
def test_no_layer_dies_or_explodes(name: str) -> None:
    """On images of another seed: deviations between 0.02 (gates) and 6, few still channels, and
    results that depend on the image."""
    from networks.catalog import CATALOG
    from networks.images import natural_images
    from networks.realistic import make_realistic

    entry = CATALOG[name]
    images = torch.from_numpy(natural_images(8, entry.shape, seed=1))
    net = make_realistic(entry.make(), images)
    fresh = torch.from_numpy(natural_images(4, entry.shape, seed=2))
    found = deviations(net, fresh)
    assert len(found) > 10
    assert all(0.02 < size < 6 for size, _ in found.values()), found
    assert all(still < 0.1 for _, still in found.values()), found
    with torch.no_grad():
        results = net(fresh)
    assert results.isfinite().all()
    assert results.std(0).mean() > 0.02 * results.std()
