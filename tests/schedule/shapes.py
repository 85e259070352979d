"""Networks of the shapes of well-known ones, with random weights in the mix 65 : 30 : 5."""

from __future__ import annotations

from rmsmp_hls.ir.graph import IntGraph
from tests.schedule.graphs import Builder, fmt, window

_MOBILENET_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip
"""Expansion, channels, blocks, stride of the first. Source: Sandler et al., CVPR 2018, table 2."""


def mobilenet_v2(size: int = 224, classes: int = 1000) -> IntGraph:
    """MobileNet-v2: depthwise layers between a widening and a narrowing 1 x 1 layer."""
    net = Builder((3, size, size), fmt(8, signed=True), 1)
    net.matmul("stem", "x", 32, fmt(4), window(3, 2, 1))
    last, channels = "stem", 32
    wide = {}  # 8-bit tensors of the additions -> their 4-bit copies
    for stage, (expand, rows, blocks, stride) in enumerate(_MOBILENET_V2):
        for block in range(blocks):
            name = f"s{stage}b{block}"
            read, hidden = wide.get(last, last), channels * expand
            if expand > 1:
                net.matmul(f"{name}e", read, hidden, fmt(4))
                read = f"{name}e"
            step = stride if not block else 1
            net.matmul(f"{name}d", read, hidden, fmt(4), window(3, step, 1), groups=hidden)
            adds = block + 1 < blocks or bool(block)
            net.matmul(f"{name}p", f"{name}d", rows, fmt(8 if adds else 4, True))
            source, last = last, f"{name}p"
            if block:
                net.add(f"{name}a", source, last, fmt(8, True))
                last = f"{name}a"
            if adds:
                net.sum_pool(f"{last}n", last, window(1), fmt(4, True))
                wide[last] = f"{last}n"
            channels = rows
    net.matmul("head", wide.get(last, last), 1280, fmt(4))
    left = net._source("head").shape[1]
    net.sum_pool("mean", "head", window(left, left), fmt(4))
    return net.matmul("fc", "mean", classes, None).graph(argmax=True)
