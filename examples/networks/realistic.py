"""Weights and batch-norm statistics like those of trained networks, without training.

Quantization sees what a network's numbers look like, not what they mean: weights with long tails
and filters of unequal size, batch norms that fit the data, activations of moderate size in every
layer. This makes them from a seed and a few images.

What it does not make is robustness: a random network may amplify small changes. So SQNR and counts
of differing codes of these networks say little of trained ones: noise 40 dB below the input leaves
the float result of `yolo` 17 dB, of `mobilenet_v2` 17 dB, of `resnet18` 41 dB (measured at full
size with seed 0), before anything is quantized.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

ROW_SPREAD, GAMMA_SPREAD = 0.35, 0.3
"""Standard deviations of the logarithms of the filters' sizes and of the batch norms' weights."""
LAST_GAMMA = 0.5
"""Of a branch's last batch norm, so that a sum of many branches does not explode."""
TAIL = 0.35
"""Standard deviation of the logarithm of each weight's own deviation: a normal distribution of one
deviation has no long tail. The kurtosis is 3 exp(4 TAIL^2), about 5."""
BATCH = 4


@torch.no_grad()
def make_realistic(net: nn.Module, images: Tensor, seed: int = 0) -> nn.Module:
    """Set all parameters and statistics of `net`; return it in evaluation mode.

    Args:
        net: of convolutions, linear layers, batch norms and what has no parameters.
        images: [N, C, H, W], what the batch norms' statistics are taken from; N at least 2.
        seed: of the weights.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            _set_weights(layer, generator)
        elif isinstance(layer, nn.BatchNorm2d):
            _set_batchnorm(layer, generator)
    for block in _branches(net):
        last = [layer for layer in block.modules() if isinstance(layer, nn.BatchNorm2d)][-1:]
        for layer in last:
            layer.weight.mul_(LAST_GAMMA)
    _fit_statistics(net, images)
    return net.eval()


def _set_weights(layer: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    """Kaiming's deviation, long tails, and filters of unequal size.

    Source: He et al., "Delving Deep into Rectifiers", 2015, equation 10 (deviation sqrt(2 / n)).
    """
    weight = layer.weight
    tails = torch.randn(weight.shape, generator=generator).mul_(TAIL).sub_(TAIL**2).exp_()
    tails.mul_(torch.randn(weight.shape, generator=generator))  # deviation 1
    rows = torch.exp(ROW_SPREAD * torch.randn(len(weight), generator=generator) - ROW_SPREAD**2)
    size = math.sqrt(2 / weight[0].numel())
    weight.copy_(size * tails * rows.view(-1, *[1] * (weight.dim() - 1)))
    if layer.bias is not None:
        layer.bias.copy_(0.05 * torch.randn(len(weight), generator=generator))


def _set_batchnorm(layer: nn.BatchNorm2d, generator: torch.Generator) -> None:
    """Weights around 1, biases around 0: what trained networks commonly show."""
    count = layer.num_features
    layer.weight.copy_(torch.exp(GAMMA_SPREAD * torch.randn(count, generator=generator)))
    layer.bias.copy_(0.3 * torch.randn(count, generator=generator))


def _branches(net: nn.Module) -> list[nn.Module]:
    """Return the sub-networks that are added to a shortcut: called `branch` beside one."""
    blocks = [module for module in net.modules() if getattr(module, "shortcut", False)]
    return [block.branch for block in blocks if isinstance(block.branch, nn.Module)]


def _fit_statistics(net: nn.Module, images: Tensor) -> None:
    """Set running means and variances to the averages over the images, in batches."""
    layers = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not layers:
        return
    if len(images) < 2:
        raise ValueError("batch-norm statistics take 2 images or more")
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain average of all batches
    net.train()
    for dropout in net.modules():
        if isinstance(dropout, nn.Dropout):
            dropout.eval()
    for batch in images.split(BATCH):
        if len(batch) > 1:
            net(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
