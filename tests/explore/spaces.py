"""Small spaces, and their designs by brute force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from rmsmp_hls.hw.cost import Shares, array_cost, excess
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.types import Window
from rmsmp_hls.schedule.search import Design
from rmsmp_hls.schedule.space import SearchSpace, SizesTried
from tests.schedule.graphs import Builder, fmt, small_residual, window

SMALL = SizesTried(
    rows=(24, 10, 4, 1), channels=(16, 4), pixels=(4, 2), drain_rows=(1, 2, 8),
    tile_groups=(16, 64, 128), vector_lanes=(4, 16),
)  # fmt: skip


def graphs() -> tuple[IntGraph, ...]:
    """Networks with strides, an add, depthwise layers, logits, and more pixels than groups."""
    net = Builder((3, 20, 20), fmt(8, signed=True)).matmul("a", "x", 24, fmt(), window(3, 1, 1))
    net.matmul("d", "a", 24, fmt(), window(3, 2, 1), groups=24).matmul("b", "d", 12, fmt())
    wide = Builder((8, 24, 24), fmt(), 3).matmul("a", "x", 40, fmt(), Window((3, 3)))
    return small_residual(), net.graph(), wide.matmul("b", "a", 6, fmt()).graph()


def all_designs(space: SearchSpace, shares: Shares | None = None) -> Iterator[Design]:
    """Yield every design of a space that fits, each priced and timed by itself."""
    network = space.network
    for base in space.candidates():
        sizes = space.sizes(base)
        for array in space.depths(base):
            if network.spill_cycles(array) is None:
                continue
            for drain in sizes.drain_rows:
                for groups in sizes.tile_groups:
                    for vector in sizes.vector_lanes:
                        shape = replace(
                            array, drain_rows=drain, tile_groups=groups, vector_lanes=vector
                        )
                        cost = array_cost(shape)
                        if excess(cost, space.board, shares or Shares()):
                            continue
                        matmuls = network.matmul_cycles(shape, inf)
                        assert matmuls is not None
                        yield Design(shape, matmuls + network.vector_cycles(shape), cost)
