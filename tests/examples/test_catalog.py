"""The networks are as large as their papers say."""

from __future__ import annotations

import pytest
import torch

NETWORKS = (
    "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2", "squeezenet",
    "vgg16_bn", "yolo",
)  # fmt: skip


def test_the_list_is_whole() -> None:
    """Every network of the catalog is tested below."""
    from networks.catalog import CATALOG

    assert tuple(CATALOG) == NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_and_macs_are_the_published_ones(name: str) -> None:
    """As precisely as they were published; the docstring says the same."""
    from networks.catalog import CATALOG, count_macs, count_parameters

    entry = CATALOG[name]
    with torch.device("meta"):
        net = entry.make().eval()
        macs = count_macs(net, torch.empty(1, *entry.shape))
    assert count_parameters(net) / 1e6 == pytest.approx(entry.parameters, rel=0.005)
    assert macs / 1e9 == pytest.approx(entry.gmacs, rel=0.01)
    text = entry.make.__doc__ or ""
    assert f"{entry.parameters:g}" in text.replace("3.50", "3.5")
    assert f"{entry.gmacs:g}" in text.replace("0.30", "0.3")


@pytest.mark.parametrize("name", NETWORKS)
def test_results_are_classes_or_a_map(name: str) -> None:
    """Classifiers give 1000 numbers per image, the detector 255 per cell of 16 pixels."""
    from networks.catalog import CATALOG

    entry = CATALOG[name]
    with torch.device("meta"):
        result = entry.make().eval()(torch.empty(2, *entry.shape))
    assert result.shape == ((2, 255, 26, 26) if name == "yolo" else (2, 1000))


def test_macs_count_per_image() -> None:
    """Two images on a layer of known size count once; each group reads its own channels only."""
    from networks.catalog import count_macs

    net = torch.nn.Sequential(
        torch.nn.Conv2d(4, 8, 3, groups=4), torch.nn.Flatten(), torch.nn.Linear(8 * 9, 5)
    )
    assert count_macs(net, torch.zeros(2, 4, 5, 5)) == 8 * 9 * 9 + 5 * 72
