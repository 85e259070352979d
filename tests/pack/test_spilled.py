"""Tensors in DRAM: a small memory, strips and moves, and the results stay what they were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.types import Window
from rmsmp_hls.pack.pack import pack
from rmsmp_hls.schedule.schedule import make_schedule
from rmsmp_hls.schedule.steps import RestoreStep, SaveStep, SpillStep
from tests.pack.test_emulate import ARRAY, assert_equal
from tests.schedule.graphs import Builder, fmt, resnet_like, small_residual, window


@pytest.mark.parametrize("depth", [120, 80, 40, 20])
def test_any_depth_gives_the_same_results(depth: int) -> None:
    """The less memory, the more moves; every tensor of every image is the untiled run's."""
    assert_equal(small_residual(3), replace(ARRAY, activation_depth=depth), images=3)


def test_less_memory_means_more_moves() -> None:
    """Nothing is moved where all fits; with less, words of DRAM are used and moved."""
    graph = small_residual(3)
    acc_bits = max(op.acc_bits for op in graph if isinstance(op, IntMatmul))
    moved = []
    for depth in (200, 120, 40, 20):
        schedule = make_schedule(graph, replace(ARRAY, acc_bits=acc_bits, activation_depth=depth))
        assert schedule.depth <= depth
        assert pack(graph, schedule).spill_words == schedule.spill_words
        moved.append(sum(s.iterations for s in schedule.steps if isinstance(s, SpillStep)))
    assert moved[0] == 0
    assert moved == sorted(set(moved))


def test_a_result_in_dram_is_stored_strip_by_strip() -> None:
    """A spatial result that does not fit leaves as one tensor."""
    net = Builder((4, 20, 9), fmt(8, True)).matmul("c", "x", 12, fmt(), window(3, 1, 1))
    net.sum_pool("p", "c", Window((3, 2), (2, 1), (1, 0, 1, 1)), fmt(8))
    graph = net.max_pool("m", "p", window(3, 2, 1)).graph()
    array = replace(ARRAY, activation_depth=40)
    assert_equal(graph, array)
    steps = make_schedule(graph, array).steps
    assert any(isinstance(step, SaveStep) for step in steps)
    assert any(isinstance(step, RestoreStep) for step in steps)


@pytest.mark.slow
def test_a_residual_network_of_many_layers() -> None:
    """ResNet-20's shapes with a fifth of the memory."""
    assert_equal(resnet_like(32, 16, 3, 3, 10), replace(ARRAY, activation_depth=64), images=1)
