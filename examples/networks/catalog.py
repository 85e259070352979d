"""The networks by name, with what was published about their size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from networks.mobilenet_v2 import mobilenet_v2
from networks.mobilenet_v3 import mobilenet_v3_small
from networks.resnet import resnet18, resnet50
from networks.shufflenet_v2 import shufflenet_v2
from networks.squeezenet import squeezenet
from networks.vgg import vgg16_bn
from networks.yolo import yolo


@dataclass(frozen=True, slots=True)
class Entry:
    """A network; the sizes are the published ones (of `yolo`, which is our own, counted).

    Attributes:
        make: returns it with torch's own initial weights.
        shape: of its input, [C, H, W].
        parameters: trained numbers, in millions.
        gmacs: multiply-accumulates of convolutions and linear layers per image, in 10^9.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, int, int]
    parameters: float
    gmacs: float


_IMAGE = (3, 224, 224)
CATALOG = {
    "resnet18": Entry(resnet18, _IMAGE, 11.69, 1.81),
    "resnet50": Entry(resnet50, _IMAGE, 25.56, 4.09),
    "mobilenet_v2": Entry(mobilenet_v2, _IMAGE, 3.50, 0.30),
    "mobilenet_v3_small": Entry(mobilenet_v3_small, _IMAGE, 2.54, 0.056),
    "shufflenet_v2": Entry(shufflenet_v2, _IMAGE, 2.28, 0.146),
    "squeezenet": Entry(squeezenet, _IMAGE, 1.24, 0.35),
    "vgg16_bn": Entry(vgg16_bn, _IMAGE, 138.4, 15.5),
    "yolo": Entry(yolo, (3, 416, 416), 5.01, 3.28),
}


def count_parameters(net: nn.Module) -> int:
    """Return how many numbers training would change."""
    return sum(p.numel() for p in net.parameters())


def count_macs(net: nn.Module, image: Tensor) -> int:
    """Return the multiply-accumulates of convolutions and linear layers on one image [1, ...].

    Runs the network; on the "meta" device nothing is computed.
    """
    found = 0

    def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal found
        per_value = layer.weight[0].numel()
        found += per_value * output.numel() // len(image)

    handles = [
        layer.register_forward_hook(add)
        for layer in net.modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear))
    ]
    net(image)
    for handle in handles:
        handle.remove()
    return found
