"""The folded input: LOAD unrolls the kernel's row, so that few channels fill the positions.

Slot `kx * C + c` of folded pixel (y, x) is channel c of pixel (y, x * stride_w + kx -
padding_left). The layer that reads it becomes a convolution with kernel (KH, 1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rmsmp_hls.hw.cycles import fold_columns, folded_load_iterations
from rmsmp_hls.ir.graph import IntGraph
from rmsmp_hls.ir.int_ops import IntMatmul, IntOp
from rmsmp_hls.ir.types import ConstTensor, Window

_MOST_CHANNELS = 4  # one input word holds all channels of a pixel


@dataclass(frozen=True, slots=True)
class Fold:
    """How LOAD unrolls the input.

    Attributes:
        channels, width: of the input as the host sends it.
        kernel, stride, left, right: the horizontal window.
        columns: of a line that a step takes.
    """

    channels: int
    width: int
    kernel: int
    stride: int
    left: int
    right: int
    columns: int

    @property
    def folded_width(self) -> int:
        """Width of the folded image: that of the layer's output."""
        return (self.left + self.width + self.right - self.kernel) // self.stride + 1

    def iterations(self, height: int, planes: int) -> int:
        """Return the exact iterations of a load of `height` lines."""
        return folded_load_iterations(
            height, self.width, self.left, self.right, planes, self.columns
        )


def fold_input(graph: IntGraph, channels: int, banks: int) -> tuple[IntGraph, Fold | None]:
    """Return the graph with its input folded, and how; as it is and None where that cannot be.

    Args:
        graph: the network.
        channels: TN; the kernel's row must fit.
        banks: NB; the folded pixels that a pixel is written to must lie in distinct banks.
    """
    first = graph.input
    readers = graph.consumers(first.name)
    folds = {_fold(first, op, banks) for op in readers}
    if len(folds) != 1 or first.name == graph.output:
        return graph, None
    fold = folds.pop()
    if fold is None or fold.columns == 0 or fold.kernel * fold.channels > channels:
        return graph, None
    shape = (fold.kernel * fold.channels, first.shape[1], fold.folded_width)
    ops = tuple(_folded(op) if op in readers else op for op in graph.ops[1:])
    return replace(graph, ops=(replace(first, shape=shape), *ops)), fold


def plain_fold(shape: tuple[int, ...], banks: int) -> Fold | None:
    """Return how LOAD takes several columns at once of an input (C, H, W) that is not unrolled:
    a kernel of one column. None where a pixel has more than one word."""
    depth, _, width = shape
    if depth > _MOST_CHANNELS:
        return None
    return Fold(depth, width, 1, 1, 0, 0, fold_columns(1, 1, banks))


def _fold(first: IntOp, op: IntOp, banks: int) -> Fold | None:
    if not isinstance(op, IntMatmul) or op.groups != 1 or op.window.dilation[1] != 1:
        return None
    depth, _, width = first.shape
    kernel, stride = op.window.kernel[1], op.window.stride[1]
    _, left, _, right = op.window.padding
    if kernel == 1 or depth > _MOST_CHANNELS:
        return None
    return Fold(depth, width, kernel, stride, left, right, fold_columns(kernel, stride, banks))


def _folded(op: IntOp) -> IntOp:
    """Return a reader of the input as it reads the folded one; weights [O, KW * C, KH, 1]."""
    assert isinstance(op, IntMatmul), "only matrix multiplications read a folded input"
    window = op.window
    codes = np.asarray(op.codes.array)
    rows, depth, height, width = codes.shape
    row = codes.transpose(0, 3, 1, 2).reshape(rows, width * depth, height, 1)
    top, _, bottom, _ = window.padding
    return replace(
        op,
        codes=ConstTensor(row),
        window=Window(
            kernel=(height, 1),
            stride=(window.stride[0], 1),
            padding=(top, 0, bottom, 0),
            dilation=(window.dilation[0], 1),
        ),
    )
