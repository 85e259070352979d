"""The folded input: when it is folded, and that the folded layer is the same sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rmsmp_hls.hw.cycles import fold_columns
from rmsmp_hls.ir.int_ops import IntMatmul
from rmsmp_hls.ir.types import Window
from rmsmp_hls.reference import run
from rmsmp_hls.schedule.fold_input import Fold, fold_input, plain_fold
from tests.schedule.graphs import Builder, fmt, window


def stem(depth: int, first: Window) -> Builder:
    return Builder((depth, 7, 9), fmt(8)).matmul("c", "x", 5, fmt(), first)


@pytest.mark.parametrize(
    "first",
    [window(3, 2, 1), window(3, 1, 0), Window((2, 5), (1, 3), (0, 2, 1, 3), (2, 1))],
)
def test_the_folded_layer_computes_the_same(first: Window) -> None:
    """The input unrolled by a loop, then the layer with kernel (KH, 1)."""
    graph = stem(3, first).graph()
    folded, fold = fold_input(graph, 16, 8)
    assert fold is not None
    codes = np.random.default_rng(0).integers(0, 256, (1, 3, 7, 9))
    unrolled = np.zeros((1, *folded.input.shape), dtype=np.int64)
    for x in range(fold.folded_width):
        for kx in range(fold.kernel):
            column = x * fold.stride + kx - fold.left
            if 0 <= column < 9:
                unrolled[0, kx * 3 : kx * 3 + 3, :, x] = codes[0, :, :, column]
    np.testing.assert_array_equal(run(folded, unrolled)["c"], run(graph, codes)["c"])


def test_fields_of_a_fold() -> None:
    """The horizontal window, and a layer that is left with the vertical one."""
    folded, fold = fold_input(stem(3, window(5, 2, 1)).graph(), 16, 8)
    assert fold == Fold(channels=3, width=9, kernel=5, stride=2, left=1, right=1, columns=4)
    conv = folded.ops[1]
    assert isinstance(conv, IntMatmul)
    assert conv.window == Window((5, 1), (2, 1), (1, 0, 1, 0))
    assert folded.input.shape == (15, 7, fold.folded_width)


@pytest.mark.parametrize(
    ("net", "channels", "banks"),
    [
        (stem(3, window(3)), 8, 8),  # nine channels for eight positions
        (stem(5, window(3)), 64, 8),  # a pixel of two words
        (stem(3, window(1)), 16, 8),  # no row to unroll
        (stem(3, window(3, 1, 0, 2)), 16, 8),  # dilated
        (stem(3, window(5)), 16, 4),  # a pixel in five folded pixels, four banks
        (stem(4, window(3)).max_pool("p", "x", window(2)), 16, 8),  # read by pooling as well
        (stem(3, window(3)).matmul("d", "x", 2, fmt(), window(3, 1, 1)), 16, 8),  # other padding
        (Builder((3, 7, 9), fmt()), 16, 8),  # nobody reads it
    ],
)
def test_what_is_not_folded(net: Builder, channels: int, banks: int) -> None:
    """The graph stays as it is."""
    graph = net.graph()
    assert fold_input(graph, channels, banks) == (graph, None)


def test_two_layers_with_one_horizontal_window_read_one_folded_input() -> None:
    """Other rows, other vertical windows."""
    net = stem(3, Window((3, 3), (1, 2), (1, 1, 1, 1)))
    net.matmul("d", "x", 2, fmt(), Window((1, 3), (2, 2), (0, 1, 0, 1)))
    folded, fold = fold_input(net.graph(), 16, 8)
    assert fold is not None
    assert [op.window.kernel for op in folded.of_type(IntMatmul)] == [(3, 1), (1, 1)]


@pytest.mark.parametrize("banks", [2, 4, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_step_takes_the_most_columns_whose_folded_pixels_lie_in_distinct_banks(
    stride: int, banks: int
) -> None:
    """Against every step of a long line, wherever it begins."""
    for kernel in range(1, 12):
        columns = fold_columns(kernel, stride, banks)
        clashes = {
            n: any(
                len({x % banks for x in reached}) < len(reached)
                for start in range(200, 300)
                for reached in [{x for x in range(300) if -kernel < x * stride - start < n}]
            )
            for n in (1, 2, 4)
        }
        assert columns == max([n for n, clash in clashes.items() if not clash], default=0)


def test_an_input_that_is_not_unrolled_is_walked_as_a_kernel_of_one_column() -> None:
    """Where a pixel is one word; the folded tensor is the input itself."""
    fold = plain_fold((3, 7, 9), 4)
    assert fold == Fold(channels=3, width=9, kernel=1, stride=1, left=0, right=0, columns=4)
    assert fold.folded_width == 9
    assert fold.iterations(7, 2) == 7 * 3 * 2
    assert plain_fold((3, 7, 9), 2) == replace(fold, columns=2)
    assert plain_fold((5, 7, 9), 4) is None
