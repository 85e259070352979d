"""Small float networks with the blocks that public architectures are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmsmp_hls.ir.float_ops import AvgPool2d, MaxPool2d
from rmsmp_hls.ir.graph import FloatGraph
from rmsmp_hls.ir.types import Window
from rmsmp_hls.quant.params import QuantParams
from rmsmp_hls.train import post_training_quantize
from tests.networks import NetworkBuilder

POINT = Window()
SAME = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
HALVE = Window(kernel=(2, 2), stride=(2, 2))


def _classified(net: NetworkBuilder, classes: int = 5) -> FloatGraph:
    _, height, width = net.shape(net.tail)
    net.pool(AvgPool2d, Window(kernel=(height, width)))
    net.flatten()
    net.linear(classes)
    return net.graph()


def _swish(net: NetworkBuilder) -> str:
    net.batchnorm()
    return net.activation("silu")


def squeeze_and_excite(seed: int = 0) -> FloatGraph:
    """SENet: channels are multiplied by a sigmoid of what their means say."""
    net = NetworkBuilder((3, 6, 6), seed)
    net.conv(8, SAME)
    net.batchnorm()
    trunk = net.clamp()
    net.pool(AvgPool2d, Window(kernel=(6, 6)))
    net.conv(4, POINT)
    net.clamp()
    net.conv(8, POINT)
    net.multiply(trunk, net.activation("sigmoid"))
    return _classified(net)


def inverted_residual(seed: int = 0) -> FloatGraph:
    """MobileNet-v2: wide depthwise convolution between narrow linear ones."""
    net = NetworkBuilder((3, 8, 8), seed)
    trunk = net.conv(6, Window((3, 3), (2, 2), (1, 1, 1, 1)))
    net.conv(18, POINT, bias=False)
    net.batchnorm()
    net.clamp(0.0, 6.0)
    net.conv(18, SAME, bias=False, groups=18)
    net.batchnorm()
    net.clamp(0.0, 6.0)
    net.conv(6, POINT, bias=False)
    net.add(trunk, net.batchnorm())
    return _classified(net)


def fire_module(seed: int = 0) -> FloatGraph:
    """SqueezeNet: two branches concatenated; the convolutional classifier ends it."""
    net = NetworkBuilder((3, 9, 9), seed)
    net.conv(6, SAME)
    net.clamp()
    net.pool(MaxPool2d, Window((3, 3), (2, 2)))
    net.conv(4, POINT)
    squeezed = net.clamp()
    net.conv(6, POINT, squeezed)
    one = net.clamp()
    net.conv(7, SAME, squeezed)
    net.concat(one, net.clamp())
    net.conv(5, POINT)
    net.clamp()
    net.pool(AvgPool2d, Window(kernel=(4, 4)))
    net.flatten()
    return net.graph()


def csp_block(seed: int = 0) -> FloatGraph:
    """YOLO's C2f: chunks, a residual on one, all concatenated; then upsampled and joined."""
    net = NetworkBuilder((3, 8, 8), seed)
    net.conv(4, SAME)
    early = _swish(net)
    net.conv(8, Window((3, 3), (2, 2), (1, 1, 1, 1)))
    whole = _swish(net)
    first = net.select(range(4), whole)
    second = net.select(range(4, 8), whole)
    net.conv(4, SAME, second)
    branch = _swish(net)
    third = net.add(second, branch)
    net.concat(first, second, third)
    net.conv(6, POINT)
    _swish(net)
    net.concat(net.upsample(2, 2), early)
    net.conv(5, SAME)
    net.pool(MaxPool2d, HALVE)
    return net.graph()


def dense_block(seed: int = 0) -> FloatGraph:
    """DenseNet: batch norm and ReLU in front of convolutions, on growing concatenations."""
    net = NetworkBuilder((3, 6, 6), seed)
    features = net.conv(4, SAME)
    for _ in range(2):
        net.batchnorm(features)
        net.clamp()
        net.conv(3, SAME)
        features = net.concat(features, net.tail)
    net.batchnorm()
    net.clamp()
    return _classified(net)


def shuffle_unit(seed: int = 0) -> FloatGraph:
    """ShuffleNet: grouped convolutions with shuffled channels between them."""
    net = NetworkBuilder((3, 6, 6), seed)
    trunk = net.conv(12, POINT)
    net.conv(12, POINT, groups=3)
    net.clamp()
    net.select([group * 4 + i for i in range(4) for group in range(3)])
    net.conv(12, SAME, groups=12)
    net.add(trunk, net.conv(12, POINT, groups=3))
    net.clamp()
    return _classified(net)


def one_dimensional(seed: int = 0) -> FloatGraph:
    """1-D convolutions over (C, 1, L), a batch norm of its own, and hardswish."""
    net = NetworkBuilder((2, 1, 16), seed)
    net.batchnorm()
    net.conv(6, Window((1, 5), (1, 2), (0, 2, 0, 2)), one_dimensional=True)
    net.batchnorm()
    net.activation("hard_swish")
    net.conv(6, Window((1, 3), (1, 1), (0, 1, 0, 1)), groups=3, one_dimensional=True)
    net.activation("leaky_relu", 0.1)
    net.flatten()
    net.linear(4)
    return net.graph()


def gated_head(seed: int = 0) -> FloatGraph:
    """Padding, a product of two branches, features as 1 x 1 image, and a sigmoid at the end."""
    net = NetworkBuilder((3, 5, 5), seed)
    net.pad((1, 0, 2, 1))
    conv = net.conv(6, SAME)
    gate = net.activation("hard_sigmoid", source=conv)
    value = net.activation("tanh", source=conv)
    net.multiply(value, gate)
    net.clamp(-0.5, 0.75)
    net.pad((0, 1, 1, 0))
    net.pool(MaxPool2d, HALVE)
    net.flatten()
    net.linear(8)
    net.clamp()
    net.unflatten()
    net.conv(4, POINT, groups=2)
    net.activation("sigmoid")
    return net.graph()


def image_beside_features(seed: int = 0) -> FloatGraph:
    """The network's input enters two concatenations of one group, once pooled."""
    net = NetworkBuilder((3, 6, 6), seed)
    net.conv(4, SAME)
    first = net.concat("x", net.tail)
    net.pool(MaxPool2d, HALVE)
    small = net.tail
    pooled = net.pool(MaxPool2d, HALVE, "x")
    net.concat(small, pooled)
    net.conv(4, POINT)
    net.clamp()
    second = net.tail
    net.conv(2, HALVE, first)
    net.concat(second, net.tail)
    return net.graph()


BLOCKS: dict[str, Callable[[int], FloatGraph]] = {
    maker.__name__: maker
    for maker in (
        squeeze_and_excite, inverted_residual, fire_module, csp_block, dense_block, shuffle_unit,
        one_dimensional, gated_head, image_beside_features,
    )
}  # fmt: skip


def images_for(graph: FloatGraph, number: int = 8, seed: int = 0) -> np.ndarray:
    """Normally distributed inputs, float32 [number, ...]."""
    drawn = np.random.default_rng(seed).normal(size=(number, *graph.input.shape))
    return drawn.astype(np.float32)


def fitted_params(graph: FloatGraph) -> QuantParams:
    """Formats and scales by post-training quantization, so that no tensor is dead."""
    return post_training_quantize(graph, images_for(graph), bias_correction=False).params
